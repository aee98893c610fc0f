import type { NodeId } from "../port";

export interface IndexSlice {
  readonly kind: "ok";
  readonly cursor: string;
  readonly sids: readonly string[];
}

interface Owned {
  /** Number of its addition for each sid. Insertion order is the order of numbers, which is what a cursor relies on. */
  readonly sids: Map<string, number>;
  expires: number;
}

const SLICE = 1_000;

/** Hints at which sessions each node owns. */
export class NodeIndex {
  readonly #now: () => number;
  readonly #ttl: number;
  readonly #nodes = new Map<NodeId, Owned>();
  #additions = 0;

  constructor(now: () => number, ttl: number) {
    this.#now = now;
    this.#ttl = ttl;
  }

  touch(node: NodeId): void {
    const owned = this.#nodes.get(node);
    if (owned !== undefined) owned.expires = this.#now() + this.#ttl;
  }

  change(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    let owned = this.#alive(node);
    if (owned === undefined) {
      if (add.length === 0) return;
      owned = { sids: new Map(), expires: this.#now() + this.#ttl };
      this.#nodes.set(node, owned);
    }
    for (const sid of add) if (!owned.sids.has(sid)) owned.sids.set(sid, ++this.#additions);
    for (const sid of remove) owned.sids.delete(sid);
    if (owned.sids.size === 0) this.#nodes.delete(node);
  }

  /** The cursor is the number of the last addition that was read, so that changes meanwhile hide nothing that stays. */
  slice(node: NodeId, cursor: string): IndexSlice {
    const from = Number(cursor);
    const sids: string[] = [];
    let last = from;
    for (const [sid, number] of this.#alive(node)?.sids ?? []) {
      if (number <= from) continue;
      if (sids.length === SLICE) return { kind: "ok", cursor: String(last), sids };
      sids.push(sid);
      last = number;
    }
    return { kind: "ok", cursor: "0", sids };
  }

  sweep(): void {
    const now = this.#now();
    for (const [node, owned] of this.#nodes) if (owned.expires <= now) this.#nodes.delete(node);
  }

  #alive(node: NodeId): Owned | undefined {
    const owned = this.#nodes.get(node);
    if (owned === undefined || owned.expires > this.#now()) return owned;
    this.#nodes.delete(node);
    return undefined;
  }
}
