import type { Latency } from "../../telemetry/latency";
import type { Clock } from "../../time/clock";
import { DeadlineQueue, type Ticket } from "../../time/deadline-queue";
import { pauseUnref } from "../../time/pause";
import type { Connection } from "./connection";
import { isNoScript, isReadOnly, isRefusal, isTransient, storeError } from "./errors";
import { SCRIPTS, type Script } from "./scripts.generated";

/** What Redis answered; `null` when it did not within the bound, or could not do what it was asked. */
export type Answer = { readonly reply: unknown } | null;

export interface StoreStats {
  /** Commands sent: each is one round trip. */
  calls: number;
  /** Operations on one session or node that those carried. */
  scripts: number;
  /** Those of them that were turns. */
  commits: number;
  /** Commands that were answered too late, with an error, or could not be sent. */
  failed: number;
  /** Those of them that were not sent, since too many waited. */
  refused: number;
}

export interface CallerOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly awayAfter: number;
  /** Commands that wait for Redis at most, and their bytes. Beyond, the answer is `null` at once. */
  readonly maxCalls: number;
  readonly maxBytes: number;
  readonly onError: (error: Error) => void;
  readonly stats: StoreStats;
  readonly latency: Latency;
}

/** What a store that cannot now is asked again after, in milliseconds. */
const AGAIN = 200;

/**
 * Bytes of commits that are under way at once; those beyond wait here. All commands share one connection: behind a large broadcast
 * to polling sessions the node's own lease would come too late, and handshakes would be refused by a Redis that is well.
 */
const COMMITS_UNDER_WAY = 8_000_000;

/** Commits that wait until others were answered. */
interface Waiting {
  readonly size: number;
  readonly start: () => void;
  readonly giveUp: () => void;
}

/** A command that waits for its answer. */
class Call {
  #done = false;
  readonly #resolve: (answer: Answer) => void;
  readonly #onStall: () => void;

  constructor(resolve: (answer: Answer) => void, onStall: () => void) {
    this.#resolve = resolve;
    this.#onStall = onStall;
  }

  settle(answer: Answer): void {
    if (this.#done) return;
    this.#done = true;
    this.#resolve(answer);
  }

  onLate(): void {
    this.settle(null);
    this.#onStall();
  }
}

/** Sends commands and scripts, and sees to it that everyone who asked is answered in time. */
export class Caller {
  readonly #options: CallerOptions;
  readonly #deadlines: DeadlineQueue<Call>;
  /** As long as an answer may take, and then that again when they are sent: a late answer is to be the server's fault alone. */
  readonly #waiting: DeadlineQueue<Waiting>;
  #waitingBytes = 0;
  #calls = 0;
  #bytes = 0;
  /** Those among them of commits. */
  #commitBytes = 0;
  #closed = false;

  constructor(options: CallerOptions) {
    this.#options = options;
    // The socket that an answer comes over keeps the process alive, not these.
    this.#deadlines = new DeadlineQueue(options.clock, options.awayAfter, (call) => {
      call.onLate();
    });
    this.#waiting = new DeadlineQueue(options.clock, options.awayAfter, (commits) => {
      this.#waitingBytes -= commits.size;
      commits.giveUp();
    });
  }

  /** `size` is about how many bytes it takes, `scripts` how many sessions or nodes it is about. */
  run(script: Script, keys: readonly string[], args: readonly string[], size: number, scripts = 1): Promise<Answer> {
    return this.#isFull(size) ? this.#refuse() : this.#run(script, keys, args, size, scripts);
  }

  /**
   * The same for what nobody asks again: it is sent until the store does it, or the bound is over. A Redis Cluster that has lost a
   * master says at once that it serves nobody, and its client gives up within a second.
   */
  patient(script: Script, keys: readonly string[], args: readonly string[], size: number): Promise<Answer> {
    return this.#isFull(size) ? this.#refuse() : this.#run(script, keys, args, size, 1, true);
  }

  /** The same, however much waits: without it this node would soon count as one that is dead. There is one of it in a third of a lease. */
  urgent(script: Script, keys: readonly string[], args: readonly string[]): Promise<Answer> {
    return this.#run(script, keys, args, 100, 1);
  }

  #run(
    script: Script,
    keys: readonly string[],
    args: readonly string[],
    size: number,
    scripts: number,
    patient = false,
  ): Promise<Answer> {
    const send = (): Promise<unknown> => this.#send(script, keys, args);
    return this.#begin(`script ${script.name}`, size, scripts, patient ? () => this.#again(send) : send);
  }

  #send(script: Script, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { client } = this.#options.connection;
    const all = [script.sha, String(keys.length)];
    for (const key of keys) all.push(key);
    for (const arg of args) all.push(arg);
    return client.call("evalsha", all).catch((error: unknown) => {
      // After a restart, a failover or SCRIPT FLUSH. Sent whole, it is known there from then on.
      if (!isNoScript(error)) throw error;
      return client.call("eval", [script.source].concat(all.slice(1)));
    });
  }

  /** Commits, where there is room. What waits for that is bounded together with all that is under way, but leaves the others theirs. */
  commit(keys: readonly string[], args: readonly string[], size: number, scripts: number): Promise<Answer> {
    const { maxCalls, maxBytes, stats } = this.#options;
    const isFull = this.#calls + this.#waiting.size >= maxCalls || this.#bytes + this.#waitingBytes + size > maxBytes;
    if (this.#closed || isFull) return this.#refuse();
    const begin = (): Promise<Answer> =>
      this.#begin("script commit", size, scripts, () => {
        this.#commitBytes += size;
        return this.#send(SCRIPTS.commit, keys, args).finally(() => {
          this.#commitBytes -= size;
          this.#startWaiting();
        });
      });
    if (this.#waiting.size === 0 && this.#mayCommit(size)) return begin();
    this.#waitingBytes += size;
    return new Promise((resolve) => {
      const giveUp = (): void => {
        stats.failed++;
        resolve(null);
      };
      this.#waiting.add({ size, start: () => resolve(begin()), giveUp });
    });
  }

  /**
   * One that is larger by itself goes alone. Each server of a Redis Cluster has a connection of its own, and one that stands still keeps
   * its commits under way: those to the others are not to wait for it.
   */
  #mayCommit(size: number): boolean {
    if (this.#options.connection.clustered) return true;
    return this.#commitBytes === 0 || this.#commitBytes + size <= COMMITS_UNDER_WAY;
  }

  #startWaiting(): void {
    for (let first = this.#waiting.first; first !== undefined; first = this.#waiting.first) {
      const commits = first.entry;
      if (!this.#mayCommit(commits.size)) return;
      this.#waiting.remove(first);
      this.#waitingBytes -= commits.size;
      commits.start();
    }
  }

  async #again(send: () => Promise<unknown>): Promise<unknown> {
    const { clock, awayAfter } = this.#options;
    const end = clock.now() + awayAfter;
    for (;;) {
      try {
        return await send();
      } catch (error) {
        if (this.#closed || clock.now() + AGAIN >= end) throw error;
        if (!isTransient(error) && !isRefusal(error)) throw error;
        if (isReadOnly(error)) this.#options.connection.onReplica();
      }
      await pauseUnref(clock, AGAIN);
    }
  }

  command(name: string, args: readonly string[]): Promise<Answer> {
    if (this.#isFull(100)) return this.#refuse();
    return this.#begin(name, 100, 1, () => this.#options.connection.client.call(name, [...args]));
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#deadlines.clear()) call.onLate();
    this.#deadlines.stop();
    for (const commits of this.#waiting.clear()) commits.giveUp();
    this.#waiting.stop();
  }

  #isFull(size: number): boolean {
    const { maxCalls, maxBytes } = this.#options;
    return this.#calls >= maxCalls || this.#bytes + size > maxBytes;
  }

  #refuse(): Promise<Answer> {
    const { stats } = this.#options;
    stats.failed++;
    if (!this.#closed) stats.refused++;
    return Promise.resolve(null);
  }

  #begin(what: string, size: number, scripts: number, send: () => Promise<unknown>): Promise<Answer> {
    const { clock, stats, latency, connection } = this.#options;
    if (this.#closed) return this.#refuse();
    // Held until the client lets go of the command, which can be long after its caller was answered.
    this.#calls++;
    this.#bytes += size;
    stats.calls++;
    stats.scripts += scripts;
    const began = clock.now();
    return new Promise((resolve) => {
      const call = new Call(resolve, () => {
        stats.failed++;
        if (!this.#closed) connection.renew();
      });
      const ticket = this.#deadlines.add(call);
      send().then(
        (reply) => {
          this.#release(size, ticket);
          latency.observe(clock.now() - began);
          call.settle({ reply });
        },
        (error: unknown) => {
          this.#release(size, ticket);
          stats.failed++;
          this.#failed(what, error);
          call.settle(null);
        },
      );
    });
  }

  #release(size: number, ticket: Ticket<Call>): void {
    this.#deadlines.remove(ticket);
    this.#calls--;
    this.#bytes -= size;
  }

  #failed(what: string, error: unknown): void {
    if (this.#closed) return;
    if (isReadOnly(error)) this.#options.connection.onReplica();
    if (!isTransient(error)) this.#options.onError(storeError(`Redis refused the ${what}`, error));
  }
}
