import { Latency } from "../../telemetry/latency";
import type { Clock } from "../../time/clock";
import type { Tick } from "../../time/tick";
import { within } from "../../time/within";
import type {
  Away,
  ClaimResult,
  Commit,
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
import { claimArguments, leaseArguments, openArguments, renewArguments, restoreArguments } from "./arguments";
import { Caller, type Answer, type StoreStats } from "./caller";
import { Commits } from "./commits";
import { Connection, type RedisSource } from "./connection";
import { storeError } from "./errors";
import { IndexHints } from "./index-hints";
import { encodeName, Keys } from "./keys";
import { claimResult, handshakeResult, lookResult, lostSids, openResult, restoreResult, slice } from "./replies";
import { SCRIPTS } from "./scripts.generated";
import { Witness } from "./witness";

const AWAY: Away = { kind: "away" };

/** Sessions that one call renews, so that it does not hold Redis up for long; on Redis Cluster, calls at a time. */
const RENEW_MOST = 200;
const SLICE = 1_000;

export interface RedisStoreOptions {
  /** A URL, options of ioredis, or a `Redis` or `Cluster` instance, which is used and not closed. */
  readonly redis: RedisSource;
  /** What every key begins with. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly limits: StoreLimits;
  /** Hears what an operator should know: a connection that broke, an answer that should not have been. */
  readonly onError?: (error: Error) => void;
  /** Commands, and their bytes, that wait for a Redis that is away; beyond, the answer is `away` at once. */
  readonly maxPendingCalls?: number;
  readonly maxPendingBytes?: number;
}

/** Sessions in Redis 6.2 or later, in one server, behind Sentinel, or in a Redis Cluster. */
export class RedisStore implements SessionStore {
  readonly stats: StoreStats = { calls: 0, scripts: 0, commits: 0, failed: 0, refused: 0 };
  /** How long Redis took to answer a command, on the way included. */
  readonly latency = new Latency();
  onReturn: (() => void) | undefined;
  readonly #limits: StoreLimits;
  readonly #keys: Keys;
  readonly #connection: Connection;
  readonly #caller: Caller;
  readonly #commits: Commits;
  readonly #index: IndexHints;
  readonly #witness: Witness;
  readonly #onError: (error: Error) => void;
  readonly #clock: Clock;
  #closed = false;

  constructor(options: RedisStoreOptions) {
    const { redis, prefix = "eio:", clock, tick, limits, onError = () => undefined } = options;
    const { maxPendingCalls = 50_000, maxPendingBytes = 64_000_000 } = options;
    this.#limits = limits;
    this.#onError = onError;
    this.#clock = clock;
    const keys = new Keys(prefix);
    const connection = new Connection({ redis, clock, onError, onReturn: () => this.onReturn?.() });
    const { stats, latency } = this;
    const { awayAfter } = limits;
    const caller = new Caller({
      connection,
      clock,
      awayAfter,
      maxCalls: maxPendingCalls,
      maxBytes: maxPendingBytes,
      onError,
      stats,
      latency,
    });
    this.#keys = keys;
    this.#connection = connection;
    this.#caller = caller;
    const maxQueued = maxPendingCalls;
    const witness = new Witness({ caller, connection, keys, clock, leaseTtl: limits.leaseTtl });
    this.#witness = witness;
    this.#commits = new Commits({ caller, connection, witness, keys, clock, tick, limits, maxQueued, onError, stats });
    this.#index = new IndexHints({ caller, keys, tick, limits });
  }

  get generation(): number {
    return this.#connection.generation;
  }

  async ready(): Promise<void> {
    try {
      await this.#connection.check();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  open(opening: Opening): Promise<OpenResult> {
    const args = openArguments(opening, this.#limits);
    const size = 500 + opening.handshake.length;
    return this.#ask("open", this.#caller.patient(SCRIPTS.open, this.#session(opening.sid), args, size), openResult);
  }

  look(sid: string): Promise<LookResult> {
    const key = `${this.#keys.session(sid)}:m`;
    return this.#ask("look", this.#caller.run(SCRIPTS.look, [key], [], 100), lookResult);
  }

  handshake(sid: string): Promise<HandshakeResult> {
    const key = `${this.#keys.session(sid)}:s`;
    // It is a string of its own, and is there for as long as the record is: no script is needed. But where the client reads from
    // replicas: they may not have it yet, and a script is run by the master.
    const asked = this.#connection.readsReplicas
      ? this.#caller.command("eval", ["return redis.call('get', KEYS[1])", "1", key])
      : this.#caller.command("get", [key]);
    return this.#ask("handshake", asked, handshakeResult);
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.#commits.add(commit, waiter);
  }

  claim(sid: string, node: NodeId, turn: number): Promise<ClaimResult> {
    const args = claimArguments(node, turn, this.#limits);
    return this.#ask("claim", this.#caller.run(SCRIPTS.claim, this.#session(sid), args, 500), claimResult);
  }

  restore(sid: string, record: SessionRecord): Promise<RestoreResult> {
    const args = restoreArguments(record, this.#limits);
    const size = args.reduce((sum, arg) => sum + arg.length, 0);
    return this.#ask("restore", this.#caller.run(SCRIPTS.restore, this.#session(sid), args, size), restoreResult);
  }

  async renew(node: NodeId, sids: readonly string[]): Promise<{ kind: "ok"; readonly lost: readonly string[] } | Away> {
    const lost: string[] = [];
    for (let from = 0; from < sids.length; from += RENEW_MOST) {
      const some = sids.slice(from, from + RENEW_MOST);
      const parts = this.#connection.clustered ? some.map((sid) => [sid]) : [some];
      const results = await Promise.all(parts.map((part) => this.#renew(node, part)));
      for (const result of results) {
        if (result.kind === "away") return result;
        lost.push(...result.lost);
      }
    }
    return this.#closed ? AWAY : { kind: "ok", lost };
  }

  lease(node: NodeId, incarnation: number, takes = true): Promise<LeaseResult> {
    this.#index.touch(node);
    const args = leaseArguments(node, incarnation, takes ? this.#limits.leaseTtl : 0);
    const asked = takes ? this.#clock.now() : undefined;
    if (!takes) this.#witness.leave();
    return this.#ask("lease", this.#caller.urgent(SCRIPTS.lease, [this.#keys.lease], args), (reply) =>
      this.#witness.read(node, asked, reply),
    );
  }

  async release(node: NodeId): Promise<void> {
    this.#witness.leave();
    await this.#caller.command("hdel", [this.#keys.lease, encodeName(node)]);
  }

  index(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    if (!this.#closed) this.#index.change(node, add, remove);
  }

  indexSlice(
    node: NodeId,
    cursor: string,
  ): Promise<{ kind: "ok"; readonly cursor: string; readonly sids: readonly string[] } | Away> {
    const args = [this.#keys.index(node), cursor, "COUNT", String(SLICE)];
    return this.#ask("index", this.#caller.command("sscan", args), slice);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // Hints of this tick still go out; what waits for an answer is told now.
    this.#index.run();
    this.#caller.close();
    await this.#connection.close();
  }

  #renew(node: NodeId, sids: readonly string[]): Promise<{ kind: "ok"; lost: string[] } | Away> {
    const keys: string[] = [];
    for (const sid of sids) this.#keys.pushSession(keys, sid);
    const args = renewArguments(node, this.#limits);
    const asked = this.#caller.run(SCRIPTS.renew, keys, args, 300 * sids.length, sids.length);
    return this.#ask("renew", asked, (reply) => ({ kind: "ok", lost: lostSids(reply, sids) }));
  }

  #session(sid: string): string[] {
    const keys: string[] = [];
    this.#keys.pushSession(keys, sid);
    return keys;
  }

  /** False where the server went again before it said which one it is. */
  async #isVerified(): Promise<boolean> {
    const { verifying } = this.#connection;
    if (verifying === undefined) return true;
    return within(this.#clock, this.#limits.awayAfter, verifying).then(
      () => true,
      () => false,
    );
  }

  async #ask<Result extends { readonly kind: string }>(
    what: string,
    asked: Promise<Answer>,
    read: (reply: unknown) => Result,
  ): Promise<Result | Away> {
    const answer = await asked;
    if (answer === null) return AWAY;
    // What a server that came back does not know is judged by those who know whether it lost data.
    if (!(await this.#isVerified())) return AWAY;
    try {
      const result = read(answer.reply);
      if (result.kind === "unknown") await this.#witness.ask();
      return result;
    } catch (error) {
      this.#onError(storeError(`Redis answered the ${what} with`, error));
      return AWAY;
    }
  }
}
