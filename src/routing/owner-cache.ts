import type { NodeId } from "../store/port";

/** Where sessions were last found: a bounded memory that saves look-ups, and may be wrong. */
export class OwnerCache {
  readonly #capacity: number;
  /** Two generations in place of an order of use: cheap, and what is used stays. */
  #young = new Map<string, NodeId>();
  #old = new Map<string, NodeId>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(sid: string): NodeId | undefined {
    const young = this.#young.get(sid);
    if (young !== undefined) return young;
    const old = this.#old.get(sid);
    if (old !== undefined) this.set(sid, old);
    return old;
  }

  set(sid: string, node: NodeId): void {
    this.#young.set(sid, node);
    if (this.#young.size * 2 < this.#capacity) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  delete(sid: string): void {
    this.#young.delete(sid);
    this.#old.delete(sid);
  }
}
