import { inBulk } from "../ownership/bulk";
import type { OwnedSession } from "../session/owned-session";
import type { NodeId, SessionStore } from "../store/port";
import type { Clock, Timer } from "../time/clock";

export interface StoreWatchOptions {
  readonly node: NodeId;
  readonly clock: Clock;
  readonly store: SessionStore;
  readonly sessions: ReadonlyMap<string, OwnedSession>;
  /** How long other owners are given to restore what the store lost, when this one's sessions are restored, in milliseconds. */
  readonly patience: number;
  /** The store is back. */
  readonly returned: () => void;
}

/** How often a node looks whether the store has all of its sessions again, in milliseconds. */
const LOOK = 200;

/** So many sessions are proved each 20 ms: a node with ten thousand has theirs written again a second later. */
const PROVED_AT_A_TIME = 200;

/**
 * What a node does when the store was away and is back: it proves that its sessions are still its own (O6), which writes
 * again what the store has lost.
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  #generation: number;
  /** When the store was last known not to have all that it had. */
  #lostAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  /** How often the store was back. Where that is once more while sessions are being proved, all are anew. */
  #returns = 0;
  #proving = false;
  #stopped = false;

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
    this.#timer?.stop();
    this.#stopped = true;
  }

  /**
   * A part of the store may be away for long behind its loss: a Redis Cluster serves nothing until its nodes agree that one is back.
   * This node's own sessions tell when it does: the others are as far then.
   */
  readonly #look = (): void => {
    this.#timer = undefined;
    let missing = false;
    for (const session of this.#options.sessions.values())
      missing ||= !session.over && !session.direct && session.seenIn !== this.#generation;
    if (!missing) return;
    this.#lostAt = this.#options.clock.now();
    this.#timer = this.#options.clock.afterUnref(LOOK, this.#look);
  };

  readonly #onReturn = (): void => {
    const { store, clock, node, sessions, returned } = this.#options;
    if (store.generation !== this.#generation) {
      this.#generation = store.generation;
      this.#lostAt = clock.now();
      const sids = [...sessions.values()].filter((session) => !session.over).map((session) => session.sid);
      if (sids.length > 0) store.index(node, sids, []);
      this.#timer ??= clock.afterUnref(LOOK, this.#look);
    }
    returned();
    this.#returns++;
    if (!this.#proving) void this.#proveAll();
  };

  /** A few at a time: a store that has just come back, and those who wait for it, have much else to do. */
  async #proveAll(): Promise<void> {
    const { clock, sessions: all } = this.#options;
    this.#proving = true;
    let proved: number;
    do {
      proved = this.#returns;
      for await (const sessions of inBulk(clock, [...all.values()], PROVED_AT_A_TIME)) {
        if (this.#stopped) return;
        for (const session of sessions.values()) if (!session.direct) session.prove();
      }
    } while (proved !== this.#returns);
    this.#proving = false;
  }
}
