import type { NodeId } from "../store/port";
import type { Peer } from "./peer";

interface Mark {
  readonly incarnation: number | undefined;
  readonly link: number;
  readonly number: number;
}

/**
 * How far peers had come that were forgotten since. Without it whoever recorded what a dead node had said could say it
 * once more, with its right signature, and it would count as new.
 */
export class Forgotten {
  readonly #most: number;
  readonly #marks = new Map<NodeId, Mark>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#marks.size;
  }

  add({ node, incarnation, inbound, used }: Peer): void {
    this.#marks.delete(node);
    // Also of one that was spoken to and never said a word: what it was told is lost.
    if (inbound.link === 0 && !used) return;
    this.#marks.set(node, { incarnation, link: inbound.link, number: inbound.received });
    if (this.#marks.size <= this.#most) return;
    for (const oldest of this.#marks.keys()) {
      this.#marks.delete(oldest);
      break;
    }
  }

  /** The peer is there again, or somebody speaks in its name: it goes on where it was. */
  recall(peer: Peer): void {
    const mark = this.#marks.get(peer.node);
    if (mark === undefined) return;
    this.#marks.delete(peer.node);
    peer.incarnation = mark.incarnation;
    peer.inbound.resume(mark.link, mark.number);
  }
}
