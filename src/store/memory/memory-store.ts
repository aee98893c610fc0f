import type { Clock, Timer } from "../../time/clock";
import type { Tick, TickWork } from "../../time/tick";
import type {
  Away,
  ClaimResult,
  Commit,
  CommitResult,
  CommitWaiter,
  HandshakeResult,
  LeaseResult,
  LookResult,
  NodeId,
  Opening,
  OpenResult,
  RestoreResult,
  SessionRecord,
  SessionStore,
  StoreLimits,
} from "../port";
import { Records } from "./records";

const AWAY: Away = { kind: "away" };

/** One sweep visits this many records, so that it never holds up the event loop. */
const SWEEP_MOST = 5_000;

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly tick: Tick;
  readonly limits: StoreLimits;
  /** Records to share with other stores, as several nodes in one process do. Its own by default. */
  readonly records?: Records;
}

interface Waiting {
  readonly commit: Commit;
  readonly waiter: CommitWaiter;
}

/**
 * A store in this process's memory. Commits are run and answered at the end of the tick, as by a store elsewhere: a
 * caller that relied on an answer inside `commit` would break on every other one.
 */
export class MemoryStore implements SessionStore, TickWork {
  /** What it holds is lost only with the nodes themselves. */
  readonly generation = 1;
  onReturn: (() => void) | undefined;
  readonly records: Records;
  readonly #clock: Clock;
  readonly #tick: Tick;
  readonly #sweepEvery: number;
  #waiting: Waiting[] = [];
  #sweep: Timer | undefined;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    const { clock, tick, limits } = options;
    this.#clock = clock;
    this.#tick = tick;
    this.records = options.records ?? new Records({ now: () => clock.now(), limits });
    this.#sweepEvery = Math.max(Math.min(limits.recordTtl, limits.linger) / 2, 100);
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  open(opening: Opening): Promise<OpenResult> {
    return this.#ask(() => {
      // Only while there is something to sweep, so that an idle store has no timer at all.
      this.#sweep ??= this.#clock.afterUnref(this.#sweepEvery, this.#onSweep);
      return this.records.open(opening);
    });
  }

  look(sid: string): Promise<LookResult> {
    return this.#ask(() => this.records.look(sid));
  }

  handshake(sid: string): Promise<HandshakeResult> {
    return this.#ask(() => this.records.handshake(sid));
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.#waiting.push({ commit: copyOf(commit), waiter });
    if (this.#waiting.length === 1) this.#tick.batch(this);
  }

  claim(sid: string, node: NodeId, turn: number): Promise<ClaimResult> {
    return this.#ask(() => this.records.claim(sid, node, turn));
  }

  restore(sid: string, record: SessionRecord): Promise<RestoreResult> {
    return this.#ask(() => {
      this.#sweep ??= this.#clock.afterUnref(this.#sweepEvery, this.#onSweep);
      return this.records.restore(sid, record);
    });
  }

  renew(node: NodeId, sids: readonly string[]): Promise<{ kind: "ok"; readonly lost: readonly string[] } | Away> {
    return this.#ask(() => this.records.renew(node, sids));
  }

  lease(node: NodeId, incarnation: number, takes = true): Promise<LeaseResult> {
    return this.#ask(() => this.records.lease(node, incarnation, takes));
  }

  release(node: NodeId): Promise<void> {
    this.records.release(node);
    return Promise.resolve();
  }

  index(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    if (!this.#closed) this.records.index(node, add, remove);
  }

  indexSlice(
    node: NodeId,
    cursor: string,
  ): Promise<{ kind: "ok"; readonly cursor: string; readonly sids: readonly string[] } | Away> {
    return this.#ask(() => this.records.indexSlice(node, cursor));
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#sweep?.stop();
    this.#sweep = undefined;
    return Promise.resolve();
  }

  /** The end of a tick: every commit of it, in the order given. */
  run(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const results = waiting.map(({ commit }): CommitResult => (this.#closed ? AWAY : this.records.commit(commit)));
    this.#answer(waiting, results, 0);
  }

  #answer(waiting: readonly Waiting[], results: readonly CommitResult[], from: number): void {
    let next = from;
    try {
      while (next < waiting.length) {
        const at = next++;
        waiting[at]?.waiter.onCommitResult(results[at] ?? AWAY);
      }
    } catch (error) {
      // A waiter that threw must not leave the others waiting.
      if (next < waiting.length) this.#tick.batch({ run: () => this.#answer(waiting, results, next) });
      throw error;
    }
  }

  #ask<Result>(operation: () => Result): Promise<Result | Away> {
    return Promise.resolve(this.#closed ? AWAY : operation());
  }

  readonly #onSweep = (): void => {
    this.records.sweep(SWEEP_MOST);
    this.#sweep = this.records.size > 0 ? this.#clock.afterUnref(this.#sweepEvery, this.#onSweep) : undefined;
  };
}

/** The caller may go on with its arrays before the tick ends. */
function copyOf(commit: Commit): Commit {
  const inflight = commit.inflight === null ? null : { ...commit.inflight };
  return { ...commit, inflight, packets: [...commit.packets], posts: [...commit.posts] };
}
