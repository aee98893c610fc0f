import assert from "node:assert/strict";
import { Agent } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { LoadOptions } from "./load-options";
import { Session } from "./load-session";
import { stockSocket } from "./stock-client";

export type { LoadOptions, Payload, Pushes } from "./load-options";

export interface Verdict {
  readonly sessions: number;
  readonly opened: number;
  /** Sessions that did not open, or closed before they had done all. */
  readonly dropped: number;
  /** Sessions that were still at it when the time was over. */
  readonly unfinished: number;
  readonly sent: number;
  /** Messages whose echo came, each counted once. */
  readonly echoed: number;
  readonly pushed: number;
  /** Pushes that came, each counted once. */
  readonly received: number;
  /** Of echoes and pushes together: those that never came, came again, or came after a later one. */
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Messages that nobody sent like that: another number, another content, another session's. */
  readonly corrupted: number;
  readonly errors: readonly string[];
  /** Why sessions closed that should not have. */
  readonly closes: readonly string[];
  /** Of `lost`: what sessions that were dropped did not get. With a websocket that much is lost with any server. */
  readonly lostByDropped: number;
  /** The longest time that a session waited for something and heard nothing. */
  readonly longestSilenceMs: number;
  /** Of all such times 99 in 100 were not longer. */
  readonly silenceP99Ms: number;
  /** How long this process itself stood still at most. Silences are counted without it. */
  readonly driverLagMs: number;
}

export interface Load {
  /** Ids of the sessions that are or were open, in the order of their clients. */
  sids(): string[];
  /** Resolves when all sessions are open, or have failed to. */
  readonly opened: Promise<void>;
  /** Resolves when so many echoes have come in all; fails when the load is over before. */
  whenEchoed(total: number): Promise<void>;
  /** The verdict as of now. */
  verdict(): Verdict;
  /** Resolves when every session has done all or can do no more, and its client is closed. */
  readonly done: Promise<Verdict>;
  /** Sessions send nothing new, and are done when what was sent has come. */
  finish(): void;
  /** Ends it before its time. */
  abort(): void;
}

const OPENING_AT_ONCE = 50;
const CHECK_EVERY_MS = 20;
const POLLS_PARKED_MS = 200;
const LAST_REQUESTS_MS = 2_000;
/** Timers are that late where nothing is wrong. */
const USUAL_LAG_MS = 5;
const REOPEN_EVERY_MS = 300;

/**
 * Stock clients that send numbered messages, expect each of them back once, in order and unchanged, and expect
 * numbered pushes likewise. The last message of a session is a fence, which counts for nothing: when its echo is here, all
 * that was on its way before is here too, so that the verdict does not depend on how long anybody waited.
 */
export function startLoad(options: LoadOptions): Load {
  // Here it fails at once and by itself; later it would be an error of each session.
  stockSocket();
  return new RunningLoad(options);
}

export async function runLoad(options: LoadOptions): Promise<Verdict> {
  return startLoad(options).done;
}

/** Fails unless every session did all that it should, with nothing lost, doubled, changed or out of order. */
export function assertFlawless(verdict: Verdict): void {
  const { sessions, sent, pushed } = verdict;
  const flawless = {
    dropped: 0,
    unfinished: 0,
    lost: 0,
    lostByDropped: 0,
    doubled: 0,
    outOfOrder: 0,
    corrupted: 0,
    errors: [],
    closes: [],
  };
  const { longestSilenceMs, silenceP99Ms, driverLagMs, ...counts } = verdict;
  const silence = `longest silence ${longestSilenceMs} ms, 99 % below ${silenceP99Ms} ms, ${driverLagMs} ms at the driver`;
  assert.deepEqual(
    counts,
    { sessions, opened: sessions, sent, echoed: sent, pushed, received: pushed, ...flawless },
    `not flawless, ${silence}: ${JSON.stringify(verdict, undefined, 1).slice(0, 4_000)}`,
  );
}

/**
 * How long this process stood still, in all: what its clients could not hear meanwhile is no silence of the server's.
 * Looked at with each check.
 */
class DriverLag {
  longest = 0;
  #total = 0;
  #checked = performance.now();

  /** The time as it passed for the clients. */
  now(): number {
    return performance.now() - this.#total;
  }

  check(): void {
    const now = performance.now();
    const late = Math.max(0, now - this.#checked - CHECK_EVERY_MS - USUAL_LAG_MS);
    this.#checked = now;
    this.#total += late;
    this.longest = Math.max(this.longest, late);
  }
}

interface Waiter {
  readonly total: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class RunningLoad implements Load {
  readonly opened: Promise<void>;
  readonly done: Promise<Verdict>;
  readonly #options: LoadOptions;
  readonly #sessions: Session[];
  readonly #agent: Agent;
  readonly #lag = new DriverLag();
  readonly #silences: number[] = [];
  readonly #deadline: number;
  readonly #openingAtOnce: number;
  #waiters: Waiter[] = [];
  #numbers = 0;
  #reopenAt = 0;
  #finished = false;
  #aborted = false;

  constructor(options: LoadOptions) {
    this.#agent = new Agent({ keepAlive: options.keepAlive ?? true, maxSockets: Infinity, maxFreeSockets: Infinity });
    this.#openingAtOnce = options.openingAtOnce ?? OPENING_AT_ONCE;
    this.#deadline = performance.now() + (options.timeoutMs ?? 120_000);
    this.#options = options;
    this.#sessions = Array.from({ length: options.sessions }, () => this.#session());
    this.opened = this.#open();
    this.done = this.#run();
  }

  sids(): string[] {
    return this.#sessions.flatMap(({ sid }) => (sid === undefined ? [] : [sid]));
  }

  whenEchoed(total: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ total, resolve, reject });
      this.#tellWaiters();
    });
  }

  finish(): void {
    this.#finished = true;
    for (const session of this.#sessions) session.finish();
  }

  abort(): void {
    this.#aborted = true;
  }

  verdict(): Verdict {
    const sorted = Float64Array.from(this.#silences).sort();
    const sum = (of: (session: Session) => number): number => this.#sessions.reduce((all, one) => all + of(one), 0);
    return {
      sessions: this.#sessions.length,
      opened: sum(({ sid }) => (sid === undefined ? 0 : 1)),
      dropped: sum(({ state }) => (state === "dropped" ? 1 : 0)),
      unfinished: sum(({ state }) => (state === "dropped" || state === "settled" ? 0 : 1)),
      sent: sum(({ echoes }) => echoes.sent),
      echoed: sum(({ echoes }) => echoes.arrived),
      pushed: sum(({ pushes }) => pushes.sent),
      received: sum(({ pushes }) => pushes.arrived),
      lost: sum(({ echoes, pushes }) => echoes.sent - echoes.arrived + pushes.sent - pushes.arrived),
      doubled: sum(({ echoes, pushes }) => echoes.doubled + pushes.doubled),
      outOfOrder: sum(({ echoes, pushes }) => echoes.outOfOrder + pushes.outOfOrder),
      corrupted: sum(({ corrupted }) => corrupted),
      errors: this.#sessions.flatMap(({ errors }) => errors),
      closes: this.#sessions.flatMap(({ closeReason }) => (closeReason === undefined ? [] : [closeReason])),
      lostByDropped: sum(({ state, echoes, pushes }) =>
        state === "dropped" ? echoes.sent - echoes.arrived + pushes.sent - pushes.arrived : 0,
      ),
      longestSilenceMs: Math.round(sorted.at(-1) ?? 0),
      silenceP99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
      driverLagMs: Math.round(this.#lag.longest),
    };
  }

  #session(): Session {
    return new Session(this.#numbers++, this.#options, this.#agent, {
      now: () => this.#lag.now(),
      onSilence: (ms) => this.#silences.push(ms),
    });
  }

  /** Puts new ones beside those that were dropped, where that is wanted. */
  #reopen(): void {
    const now = performance.now();
    if (this.#options.reopen !== true || this.#finished || this.#aborted || now < this.#reopenAt) return;
    this.#reopenAt = now + REOPEN_EVERY_MS;
    const missing = this.#options.sessions - this.#sessions.filter(({ state }) => state !== "dropped").length;
    for (let i = 0; i < missing; i++) {
      const session = this.#session();
      this.#sessions.push(session);
      void session.open();
    }
  }

  async #open(): Promise<void> {
    // Not all at once where nobody asks for it: most tests are of sessions, not of a listen backlog.
    const waiting = [...this.#sessions];
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined && !this.#aborted; next = waiting.shift()) await next.open();
    };
    await Promise.all(Array.from({ length: this.#openingAtOnce }, work));
  }

  async #run(): Promise<Verdict> {
    await new Promise<void>((resolve) => {
      const timer = setInterval(() => {
        this.#lag.check();
        const now = performance.now();
        this.#reopen();
        for (const session of this.#sessions) session.check(now);
        this.#tellWaiters();
        if (!this.#isOver && now < this.#deadline && !this.#aborted) return;
        clearInterval(timer);
        resolve();
      }, CHECK_EVERY_MS);
    });
    this.#aborted = true;
    const verdict = this.verdict();
    for (const { total, reject } of this.#waiters) {
      reject(new Error(`the load ended before ${total} echoes: ${JSON.stringify(verdict).slice(0, 4_000)}`));
    }
    // A poll on its way that the close overtakes would be refused, as by any server.
    await sleep(POLLS_PARKED_MS);
    await Promise.all(this.#sessions.map((session) => session.close()));
    await this.#lastRequests();
    this.#agent.destroy();
    return verdict;
  }

  /** A client says that it is closed before its server has been told; one that never answers is not waited for long. */
  async #lastRequests(): Promise<void> {
    const end = performance.now() + LAST_REQUESTS_MS;
    while (Object.keys(this.#agent.sockets).length > 0 && performance.now() < end) await sleep(CHECK_EVERY_MS);
  }

  get #isOver(): boolean {
    if (!this.#sessions.every(({ isOver }) => isOver)) return false;
    // All can be dropped in the same moment, and those that follow them are still to come.
    const followed = this.#options.reopen === true && !this.#finished;
    return !followed || this.#sessions.filter(({ state }) => state === "settled").length >= this.#options.sessions;
  }

  #tellWaiters(): void {
    if (this.#waiters.length === 0) return;
    const echoed = this.#sessions.reduce((all, { echoes }) => all + echoes.arrived, 0);
    this.#waiters = this.#waiters.filter(({ total, resolve }) => {
      if (total > echoed) return true;
      resolve();
      return false;
    });
  }
}
