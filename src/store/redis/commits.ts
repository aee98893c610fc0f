import type { Clock } from "../../time/clock";
import { throwLater } from "../../time/throw-later";
import type { Tick, TickWork } from "../../time/tick";
import type { Away, Commit, CommitResult, CommitWaiter, StoreLimits } from "../port";
import { commitLimits, pushCommit } from "./arguments";
import type { Answer, Caller, StoreStats } from "./caller";
import type { Connection } from "./connection";
import { isTransientReply, storeError } from "./errors";
import type { Keys } from "./keys";
import { commitResult } from "./replies";
import type { Witness } from "./witness";

const AWAY: Away = { kind: "away" };
const OK: CommitResult = { kind: "ok" };

/** One call must not hold Redis up for long, nor fill a buffer: Redis does nothing else meanwhile. */
const MOST_SESSIONS = 200;
const MOST_BYTES = 1_000_000;

export interface CommitsOptions {
  readonly caller: Caller;
  readonly connection: Connection;
  readonly witness: Witness;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly limits: StoreLimits;
  /** Turns that wait behind another one of their session at most, over all sessions. */
  readonly maxQueued: number;
  readonly onError: (error: Error) => void;
  readonly stats: StoreStats;
}

interface Batch {
  readonly keys: string[];
  readonly args: string[];
  readonly sids: string[];
  readonly waiters: CommitWaiter[];
  size: number;
}

/** `null`: over the bound, so the turn was let go of, and its waiter is told when it is its turn to be told. */
interface Queued {
  readonly commit: Commit | null;
  readonly waiter: CommitWaiter;
}

/**
 * Gathers the turns of a tick and sends them in one call, or as few as their size allows. On Redis Cluster there is a
 * call for each session, since a script's keys must share a slot, and those leave in one write for each server.
 *
 * A session has one turn on its way; another one waits for the answer. That keeps the order even when a call has to
 * be sent twice.
 */
export class Commits implements TickWork {
  readonly #options: CommitsOptions;
  readonly #limits: readonly string[];
  readonly #most: number;
  /** Sessions with a turn on its way, and what waits behind it. */
  readonly #busy = new Map<string, Queued[] | null>();
  #batches: Batch[] = [];
  #queued = 0;

  constructor(options: CommitsOptions) {
    this.#options = options;
    this.#limits = commitLimits(options.limits);
    this.#most = options.connection.clustered ? 1 : MOST_SESSIONS;
  }

  add(commit: Commit, waiter: CommitWaiter): void {
    const queue = this.#busy.get(commit.sid);
    if (queue === undefined) {
      this.#busy.set(commit.sid, null);
      this.#gather(commit, waiter);
      return;
    }
    const queued = { commit: this.#queued < this.#options.maxQueued ? copyOf(commit) : null, waiter };
    if (queued.commit !== null) this.#queued++;
    if (queue === null) this.#busy.set(commit.sid, [queued]);
    else queue.push(queued);
  }

  /** The end of a tick. */
  run(): void {
    const batches = this.#batches;
    this.#batches = [];
    const streams = batches.length > 1 ? this.#streams() : [];
    for (const stream of streams) stream.cork();
    for (const batch of batches) this.#send(batch);
    for (const stream of streams) stream.uncork();
  }

  #gather(commit: Commit, waiter: CommitWaiter): void {
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.sids.length >= this.#most || batch.size >= MOST_BYTES) {
      if (batch === undefined) this.#options.tick.batch(this);
      batch = { keys: [], args: [...this.#limits], sids: [], waiters: [], size: 0 };
      this.#batches.push(batch);
    }
    this.#options.keys.pushSession(batch.keys, commit.sid);
    batch.size += pushCommit(batch.args, commit);
    batch.sids.push(commit.sid);
    batch.waiters.push(waiter);
  }

  #send(batch: Batch): void {
    const { caller, stats } = this.#options;
    const { keys, args, size, sids } = batch;
    stats.commits += sids.length;
    void caller.commit(keys, args, size, sids.length).then((answer) => {
      const results = this.#resultsOf(answer, sids.length);
      const { connection, witness } = this.#options;
      if (!results.some(({ kind }) => kind === "unknown")) {
        this.#tell(batch, results);
        return;
      }
      // Whether "unknown" means ended or lost is known only when it is known whether this is the server from before, with its data.
      const asked = connection.verifying?.then(() => witness.ask()) ?? witness.ask();
      if (asked === undefined) this.#tell(batch, results);
      else void asked.then(() => this.#tell(batch, results));
    });
  }

  #resultsOf(answer: Answer, count: number): CommitResult[] {
    if (answer === null) return new Array<CommitResult>(count).fill(AWAY);
    const { reply } = answer;
    if (reply === 1) return new Array<CommitResult>(count).fill(OK);
    const errors = new Set<string>();
    let results: CommitResult[];
    try {
      if (!Array.isArray(reply) || reply.length !== count) throw new Error(`${count} turns were not all answered`);
      results = reply.map((one: unknown) => {
        const result = commitResult(one);
        if (typeof result !== "string") return result;
        errors.add(result);
        return AWAY;
      });
    } catch (error) {
      this.#options.onError(storeError("Redis answered a commit in an unknown way", error));
      return new Array<CommitResult>(count).fill(AWAY);
    }
    for (const error of errors) this.#failed(error);
    return results;
  }

  #failed(error: string): void {
    if (/\bREADONLY\b/.test(error)) this.#options.connection.onReplica();
    if (!isTransientReply(error)) this.#options.onError(storeError("Redis refused to write a turn", error));
  }

  #tell(batch: Batch, results: readonly CommitResult[]): void {
    for (const [i, sid] of batch.sids.entries()) {
      this.#next(sid);
      try {
        batch.waiters[i]?.onCommitResult(results[i] ?? AWAY);
      } catch (error) {
        // As if thrown out of an event of its own: the others must be told too.
        throwLater(this.#options.clock, error);
      }
    }
  }

  /** The session's turn was answered: sends the one behind it. */
  #next(sid: string): void {
    const queue = this.#busy.get(sid);
    const queued = queue?.shift();
    if (queued === undefined) {
      this.#busy.delete(sid);
      return;
    }
    if (queued.commit !== null) {
      this.#queued--;
      this.#gather(queued.commit, queued.waiter);
      return;
    }
    this.#options.clock.defer(() => {
      this.#next(sid);
      queued.waiter.onCommitResult(AWAY);
    });
  }

  #streams() {
    const { client } = this.#options.connection;
    const nodes = "nodes" in client ? client.nodes("master") : [client];
    // A node that was never spoken to has no stream yet, whatever its type says.
    return nodes
      .map((node): (typeof node)["stream"] | undefined => node.stream)
      .filter((stream) => stream !== undefined);
  }
}

/** The caller may go on with its arrays before the turn is sent. */
function copyOf(commit: Commit): Commit {
  const inflight = commit.inflight === null ? null : { ...commit.inflight };
  return { ...commit, inflight, packets: [...commit.packets], posts: [...commit.posts] };
}
