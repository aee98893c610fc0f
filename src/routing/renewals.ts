import type { SessionHandle } from "../session/owner-node";
import type { NodeId, SessionStore } from "../store/port";
import type { Clock, Timer } from "../time/clock";

/** So many records are renewed in one call. */
const BATCH = 500;

/** Keeps the records of websocket sessions alive, many at a time: they have no turns that would. */
export class Renewals {
  readonly #clock: Clock;
  readonly #store: SessionStore;
  readonly #node: NodeId;
  readonly #interval: number;
  readonly #sessions = new Map<string, SessionHandle>();
  #timer: Timer | undefined;

  /** `interval`: milliseconds; several must fit into a record's time to live. */
  constructor(clock: Clock, store: SessionStore, node: NodeId, interval: number) {
    this.#clock = clock;
    this.#store = store;
    this.#node = node;
    this.#interval = interval;
  }

  get size(): number {
    return this.#sessions.size;
  }

  add(session: SessionHandle): void {
    this.#sessions.set(session.sid, session);
    this.#timer ??= this.#clock.afterUnref(this.#interval, this.#onTimer);
  }

  remove(session: SessionHandle): void {
    if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
  }

  /** Renews all now: the store may have lost them. */
  runNow(): void {
    if (this.#sessions.size === 0) return;
    this.#timer?.stop();
    this.#onTimer();
  }

  stop(): void {
    this.#timer?.stop();
    this.#sessions.clear();
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    void this.#renew().finally(() => {
      if (this.#sessions.size > 0) this.#timer ??= this.#clock.afterUnref(this.#interval, this.#onTimer);
    });
  };

  async #renew(): Promise<void> {
    const sids = [...this.#sessions.keys()];
    for (let from = 0; from < sids.length; from += BATCH) {
      const result = await this.#store.renew(this.#node, sids.slice(from, from + BATCH));
      if (result.kind === "away") return;
      for (const sid of result.lost) void this.#sessions.get(sid)?.renewFailed();
    }
  }
}
