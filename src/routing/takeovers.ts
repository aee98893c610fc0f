import type { NodeId, SessionStore } from "../store/port";
import type { Adoptions } from "./adoptions";
import type { Whereabouts } from "./holder";

/** What takeovers need of their node. */
export interface TakeoverNode {
  readonly id: NodeId;
  readonly busConnected: boolean;
  isDead(node: NodeId): boolean;
}

/** Claims of sessions whose owner is dead, or leaves: one at a time for each session. */
export class Takeovers {
  readonly #node: TakeoverNode;
  readonly #store: SessionStore;
  readonly #adoptions: Adoptions;
  readonly #running = new Map<string, Promise<Whereabouts>>();
  #stopped = false;

  constructor(node: TakeoverNode, store: SessionStore, adoptions: Adoptions) {
    this.#node = node;
    this.#store = store;
    this.#adoptions = adoptions;
  }

  /** Claims under way. */
  get size(): number {
    return this.#running.size;
  }

  /**
   * Nothing is adopted any more. A claim that is under way may be made, and its session is a dead node's then: of three that left one
   * after the other in a slow store, one adopted a session while it gave its lease back, and ended in the middle of a POST.
   */
  stop(): void {
    this.#stopped = true;
  }

  running(sid: string): Promise<Whereabouts> | undefined {
    return this.#running.get(sid);
  }

  /** Claims the session from the owner that it had at this turn. */
  claim(sid: string, from: NodeId, turn: number): Promise<Whereabouts> {
    const running = this.#running.get(sid);
    if (running !== undefined) return running;
    if (this.#stopped) return Promise.resolve({ kind: "away" });
    const claiming = this.#claim(sid, from, turn).finally(() => this.#running.delete(sid));
    this.#running.set(sid, claiming);
    return claiming;
  }

  async #claim(sid: string, from: NodeId, turn: number): Promise<Whereabouts> {
    // I1: it could not say "taken", and may not know that the owner has its lease again. Two that were without the bus one after the
    // other claimed from each other, and a third one was left with a poll of a session that it had lost long ago.
    if (from !== this.#node.id && !this.#node.busConnected) return { kind: "away" };
    // When it has answered a late word of the node may have come.
    const wasDead = this.#node.isDead(from);
    const result = await this.#store.claim(sid, this.#node.id, turn);
    switch (result.kind) {
      case "ok":
        if (this.#stopped) return { kind: "away" };
        this.#adoptions.adopt(sid, from, result.record, wasDead);
        return { kind: "here" };
      case "no":
        if (result.owner === this.#node.id || this.#node.isDead(result.owner)) return { kind: "away" };
        return { kind: "at", node: result.owner };
      case "unknown":
      case "away":
        return { kind: result.kind };
    }
  }
}
