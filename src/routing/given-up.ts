import { AT_A_TIME, pauseBetween } from "../ownership/bulk";
import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import type { Whereabouts } from "./holder";

/** What the sessions given up need of their node. */
export interface GivingNode {
  readonly clock: Clock;
  /** Whether the node is cut off still, or again. */
  readonly withdrawn: boolean;
  find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts>;
  has(sid: string): boolean;
  /** The session is no longer in the index of this node. */
  unlist(sids: readonly string[]): void;
}

/**
 * Sessions that a node gave up when it was cut off. Until it holds a lease again they stay in its index, by which others take them
 * over; then it looks for each: what nobody has taken is its own again.
 */
export class GivenUp {
  readonly #node: GivingNode;
  #sids: string[] = [];

  constructor(node: GivingNode) {
    this.#node = node;
  }

  add(sid: string): void {
    this.#sids.push(sid);
  }

  async lookForAll(): Promise<void> {
    while (this.#sids.length > 0 && !this.#node.withdrawn) {
      const some = this.#sids.slice(0, AT_A_TIME);
      this.#sids = this.#sids.slice(AT_A_TIME);
      const found = await Promise.all(some.map((sid) => this.#node.find(sid, [])));
      this.#sids.push(...some.filter((_, i) => found[i]?.kind === "away"));
      this.#node.unlist(some.filter((sid, i) => found[i]?.kind !== "away" && !this.#node.has(sid)));
      await pauseBetween(this.#node.clock);
    }
  }
}
