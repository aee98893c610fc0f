import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import { Forgotten } from "./forgotten";
import type { LinkPosition } from "./message";
import { Peer } from "./peer";

/** Far above any cluster; what foreign messages with ever new names can cost, where no secret is set. */
const MAX_PEERS = 10_000;

/** The peers of a node, those that it speaks with and those that it heard: where links begin, and are forgotten. */
export class Peers {
  readonly #clock: Clock;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #forgotten = new Forgotten(MAX_PEERS);
  /** Numbers every beginning of a link, whatever the peer: a later one is always the higher one. */
  #links = 0;
  #used = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get sizes(): { readonly peers: number; readonly forgotten: number } {
    return { peers: this.#peers.size, forgotten: this.#forgotten.size };
  }

  get(node: NodeId): Peer | undefined {
    return this.#peers.get(node);
  }

  /** The peer, which is made where it is not known; undefined where there are too many. */
  of(node: NodeId): Peer | undefined {
    let peer = this.#peers.get(node);
    if (peer === undefined) {
      if (this.#peers.size >= MAX_PEERS) return undefined;
      peer = new Peer(node, this.#clock.now());
      this.#forgotten.recall(peer);
      this.#peers.set(node, peer);
    }
    return peer;
  }

  all(): Iterable<Peer> {
    return this.#peers.values();
  }

  /** Those with whom there was traffic. */
  used(): Peer[] {
    return [...this.#peers.values()].filter((peer) => peer.used);
  }

  get usedCount(): number {
    return this.#used;
  }

  *positions(): Generator<readonly [NodeId, LinkPosition]> {
    for (const peer of this.#peers.values()) if (peer.used) yield [peer.node, peer.position()];
  }

  /** Our half of the link begins: there was no traffic so far, or none since the peer was forgotten. */
  begin(peer: Peer): void {
    this.#used++;
    peer.outbound.link = ++this.#links;
  }

  /** Should it live after all, it goes on where it was when it is heard again. */
  forget(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer === undefined) return;
    if (peer.used) this.#used--;
    peer.forgotten = true;
    this.#peers.delete(node);
    this.#forgotten.add(peer);
  }
}
