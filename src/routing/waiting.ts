import { rethrow } from "../bus/rethrow";
import type { NodeId } from "../store/port";

/** Who waits until the way to a node is free, each once, the first to come in front. */
export class Waiting<Each> {
  readonly #byNode = new Map<NodeId, Set<Each>>();

  /** How many wait. */
  get size(): number {
    let size = 0;
    for (const waiting of this.#byNode.values()) size += waiting.size;
    return size;
  }

  has(node: NodeId): boolean {
    return this.#byNode.has(node);
  }

  add(node: NodeId, one: Each): void {
    const waiting = this.#byNode.get(node);
    if (waiting === undefined) this.#byNode.set(node, new Set([one]));
    else waiting.add(one);
  }

  remove(node: NodeId, one: Each): void {
    const waiting = this.#byNode.get(node);
    if (waiting?.delete(one) === true && waiting.size === 0) this.#byNode.delete(node);
  }

  /**
   * Takes one after the other, `most` at most, while the way is free. Those who wait again at once are behind all who did not have
   * their turn: else the first would have the way for themselves.
   */
  serve(node: NodeId, isCongested: () => boolean, goOn: (one: Each) => void, most = Infinity): void {
    const waiting = this.#byNode.get(node);
    if (waiting === undefined) return;
    let left = Math.min(most, waiting.size);
    for (const one of waiting) {
      if (left-- === 0 || isCongested()) return;
      this.remove(node, one);
      try {
        goOn(one);
      } catch (error) {
        rethrow(error);
      }
    }
  }
}
