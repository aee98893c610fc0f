import type { OwnedSession } from "../session/owned-session";
import type { NodeId, SessionStore } from "../store/port";
import type { Clock } from "../time/clock";

export interface StoreWatchOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly store: SessionStore;
  readonly sessions: ReadonlyMap<string, OwnedSession>;
  /** How long owners are given to restore what the store lost, in milliseconds. */
  readonly patience: number;
  /** The store is back. */
  readonly returned: () => void;
}

/**
 * What a node does when the store was away and is back: it proves that its sessions are still its own (O6), which writes
 * again what the store has lost.
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #generation: number;
  #lostAt = Number.NEGATIVE_INFINITY;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
    this.#generation = options.store.generation;
    options.store.onReturn = this.#onReturn;
  }

  /** Whether a record that is not there may be one that its owner is about to write again. */
  get recovering(): boolean {
    return this.#options.clock.now() - this.#lostAt < this.#options.patience;
  }

  stop(): void {
    this.#options.store.onReturn = undefined;
  }

  readonly #onReturn = (): void => {
    const { store, clock, node, sessions, returned } = this.#options;
    if (store.generation !== this.#generation) {
      this.#generation = store.generation;
      this.#lostAt = clock.now();
      const sids = [...sessions.values()].filter((session) => !session.over).map((session) => session.sid);
      if (sids.length > 0) store.index(node, sids, []);
    }
    returned();
    for (const session of sessions.values()) if (!session.direct) session.prove();
  };
}
