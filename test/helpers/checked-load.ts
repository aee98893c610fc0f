import assert from "node:assert/strict";
import { Agent } from "node:http";
import { inspect } from "node:util";
import { Socket, type SocketOptions } from "engine.io-client";

export type Payload = "text" | "binary" | "mixed";

export interface Pushes {
  /** How many to each session. */
  readonly count: number;
  /** Makes the server send this text to this session. The next one goes when the previous one has come. */
  readonly push: (sid: string, text: string) => Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  readonly sessions: number;
  /** How many messages each session sends, each to be echoed by the server's application. Infinity: until `finish`. */
  readonly messages: number;
  /** "mixed" (the default) sends text and binary in turn. */
  readonly payload?: Payload;
  /** Characters or bytes of a message. Default: 48. */
  readonly size?: number;
  /** The time from one message of a session to its next. Without it the next one goes when an echo has come. */
  readonly everyMs?: number;
  /** How many messages of a session may be without echo. Default: 1, and no limit with `everyMs`. */
  readonly window?: number;
  readonly pushes?: Pushes;
  readonly path?: string;
  /** Default: ["polling"]. */
  readonly transports?: readonly string[];
  /** How many sessions are opened at the same time. Default: 50. */
  readonly openingAtOnce?: number;
  /** Whether the clients' connections are kept for their next requests. Default: true. */
  readonly keepAlive?: boolean;
  readonly client?: Partial<SocketOptions>;
  /**
   * A session that hears nothing for so long sends its next message without waiting for echoes, and at its end gives up
   * on what did not come. Default: 20 s: more than a takeover takes.
   */
  readonly stallMs?: number;
  /** When all of it must be over. Default: 120 s. */
  readonly timeoutMs?: number;
}

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
  /** The longest time that a session waited for something and heard nothing. */
  readonly longestSilenceMs: number;
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
const CLOSE_WITHIN_MS = 5_000;
const FENCE = "fence";

/**
 * Stock clients that send numbered messages, expect each of them back once, in order and unchanged, and expect
 * numbered pushes likewise. The last message of a session is a fence, which counts for nothing: when its echo is here, all
 * that was on its way before is here too, so that the verdict does not depend on how long anybody waited.
 */
export function startLoad(options: LoadOptions): Load {
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
    doubled: 0,
    outOfOrder: 0,
    corrupted: 0,
    errors: [],
    closes: [],
  };
  const { longestSilenceMs, ...counts } = verdict;
  assert.deepEqual(
    counts,
    { sessions, opened: sessions, sent, echoed: sent, pushed, received: pushed, ...flawless },
    `not flawless, longest silence ${longestSilenceMs} ms: ${JSON.stringify(verdict, undefined, 1).slice(0, 4_000)}`,
  );
}

interface Waiter {
  readonly total: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

class RunningLoad implements Load {
  readonly opened: Promise<void>;
  readonly done: Promise<Verdict>;
  readonly #sessions: Session[];
  readonly #agent: Agent;
  readonly #deadline: number;
  readonly #openingAtOnce: number;
  #waiters: Waiter[] = [];
  #aborted = false;

  constructor(options: LoadOptions) {
    this.#agent = new Agent({ keepAlive: options.keepAlive ?? true, maxSockets: Infinity, maxFreeSockets: Infinity });
    this.#openingAtOnce = options.openingAtOnce ?? OPENING_AT_ONCE;
    this.#deadline = performance.now() + (options.timeoutMs ?? 120_000);
    this.#sessions = Array.from({ length: options.sessions }, (_, i) => new Session(i, options, this.#agent));
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
    for (const session of this.#sessions) session.finish();
  }

  abort(): void {
    this.#aborted = true;
  }

  verdict(): Verdict {
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
      longestSilenceMs: Math.round(Math.max(0, ...this.#sessions.map(({ longestSilence }) => longestSilence))),
    };
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
        const now = performance.now();
        for (const session of this.#sessions) session.check(now);
        this.#tellWaiters();
        const over = this.#sessions.every(({ isOver }) => isOver) || now > this.#deadline || this.#aborted;
        if (!over) return;
        clearInterval(timer);
        resolve();
      }, CHECK_EVERY_MS);
    });
    this.#aborted = true;
    const verdict = this.verdict();
    for (const { total, reject } of this.#waiters) {
      reject(new Error(`the load ended before ${total} echoes: ${JSON.stringify(verdict).slice(0, 4_000)}`));
    }
    await Promise.all(this.#sessions.map((session) => session.close()));
    this.#agent.destroy();
    return verdict;
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

/** Numbers 1 to `total` that are sent one by one and come back, or should. */
class Stream {
  sent = 0;
  doubled = 0;
  outOfOrder = 0;
  #total: number;
  readonly #window: number;
  readonly #seen = new Set<number>();
  #highest = 0;
  /** Those that nobody waits for any longer. They can come all the same. */
  #givenUp = 0;

  constructor(total: number, window: number) {
    this.#total = total;
    this.#window = window;
  }

  get arrived(): number {
    return this.#seen.size;
  }

  get waitsFor(): number {
    return Math.max(0, this.sent - this.arrived - this.#givenUp);
  }

  get isComplete(): boolean {
    return this.sent === this.#total && this.waitsFor === 0;
  }

  /** The number to send now, if there is one. */
  next(): number | undefined {
    if (this.sent === this.#total || this.waitsFor >= this.#window) return undefined;
    return ++this.sent;
  }

  /** False for a number that was never sent. */
  arrive(n: number): boolean {
    if (n < 1 || n > this.sent) return false;
    if (this.#seen.has(n)) {
      this.doubled++;
      return true;
    }
    // One that was given up is there after all.
    if (this.sent - this.arrived <= this.#givenUp) this.#givenUp--;
    this.#seen.add(n);
    if (n < this.#highest) this.outOfOrder++;
    this.#highest = Math.max(this.#highest, n);
    return true;
  }

  finish(): void {
    this.#total = this.sent;
  }

  giveUp(): void {
    this.#givenUp = this.sent - this.arrived;
  }
}

class Session {
  readonly echoes: Stream;
  readonly pushes: Stream;
  readonly errors: string[] = [];
  state: "new" | "opening" | "open" | "fencing" | "settled" | "dropped" = "new";
  sid: string | undefined;
  corrupted = 0;
  closeReason: string | undefined;
  longestSilence = 0;
  readonly #number: number;
  readonly #options: LoadOptions;
  readonly #agent: Agent;
  #client: Socket | undefined;
  /** When it last heard something, or began to wait for it. */
  #quietSince = 0;
  #nextAt = 0;

  constructor(number: number, options: LoadOptions, agent: Agent) {
    this.#number = number;
    this.#options = options;
    this.#agent = agent;
    const { messages, everyMs, window = everyMs === undefined ? 1 : Infinity, pushes } = options;
    this.echoes = new Stream(messages, window);
    this.pushes = new Stream(pushes?.count ?? 0, 1);
  }

  get isOver(): boolean {
    return this.state === "settled" || this.state === "dropped";
  }

  /** Resolves when it is open or has failed to. */
  open(): Promise<void> {
    const { url, path, transports = ["polling"], client = {} } = this.#options;
    this.state = "opening";
    const socket = new Socket(url, {
      transports: [...transports],
      ...(path === undefined ? {} : { path }),
      // The types know of no agents, the client of Node does.
      agent: this.#agent as unknown as boolean,
      ...client,
    });
    socket.binaryType = "arraybuffer";
    this.#client = socket;
    return new Promise((resolve) => {
      socket.on("open", () => {
        // A polling client that was given another session's id would be open too.
        this.sid = socket.id;
        this.state = "open";
        this.#quietSince = performance.now();
        this.#pump();
        resolve();
      });
      socket.on("error", (error) => this.errors.push(explain(error)));
      socket.on("message", (data: unknown) => this.#onMessage(data));
      socket.on("close", (reason, details) => {
        if (!this.isOver) {
          this.closeReason = details === undefined ? reason : `${reason}: ${explain(details)}`;
          this.#hear(performance.now());
          this.state = "dropped";
        }
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    const client = this.#client;
    if (client === undefined || client.readyState === "closed") return;
    await new Promise<void>((resolve) => {
      // Closing waits until what was written is sent, which a dead server never lets it.
      const timer = setTimeout(resolve, CLOSE_WITHIN_MS);
      client.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      // Whatever closes now is the end of the test and not of the session.
      if (!this.isOver) this.state = "settled";
      client.close();
    });
  }

  finish(): void {
    this.echoes.finish();
    this.pushes.finish();
  }

  /** Called every few milliseconds: sends what is due, and gives up on what does not come. */
  check(now: number): void {
    if (this.state !== "open" && this.state !== "fencing") return;
    if (this.#isWaiting && now - this.#quietSince > (this.#options.stallMs ?? 20_000)) {
      this.#hear(now);
      if (this.state === "fencing") {
        this.errors.push("no echo of the last message of all");
        this.state = "settled";
        return;
      }
      this.echoes.giveUp();
      this.pushes.giveUp();
    }
    this.#pump(now);
  }

  get #isWaiting(): boolean {
    return this.state === "fencing" || this.echoes.waitsFor + this.pushes.waitsFor > 0;
  }

  #onMessage(data: unknown): void {
    this.#hear(performance.now());
    if (data === FENCE && this.state !== "open") {
      if (this.state === "fencing") this.state = "settled";
      else this.echoes.doubled++;
      return;
    }
    const [stream, n] = this.#recognize(data);
    if (!stream.arrive(n)) this.corrupted++;
    this.#pump();
  }

  /** Something came, or nobody waits any longer: ends the silence. */
  #hear(now: number): void {
    if (this.#isWaiting) this.longestSilence = Math.max(this.longestSilence, now - this.#quietSince);
    this.#quietSince = now;
  }

  /** Whose number it is; 0 where it is not exactly what was sent. */
  #recognize(data: unknown): [stream: Stream, n: number] {
    if (data instanceof ArrayBuffer) {
      const bytes = Buffer.from(data);
      const n = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0;
      return [this.echoes, bytes.equals(this.#binary(n)) && this.#isBinary(n) ? n : 0];
    }
    if (typeof data !== "string") return [this.echoes, 0];
    const push = /^push (\d+) /.exec(data);
    if (push !== null) {
      const n = Number(push[1]);
      return [this.pushes, data === this.#push(n) ? n : 0];
    }
    const n = Number.parseInt(data, 10);
    return [this.echoes, data === this.#text(n) && !this.#isBinary(n) ? n : 0];
  }

  #pump(now = performance.now()): void {
    if (this.state !== "open") return;
    const { everyMs, pushes } = this.#options;
    if (!this.#isWaiting) this.#quietSince = now;
    while (everyMs === undefined || now >= this.#nextAt) {
      const n = this.echoes.next();
      if (n === undefined) break;
      // From when it was due, so that a check that came late does not lower the rate.
      if (everyMs !== undefined) this.#nextAt = (this.#nextAt === 0 ? now : this.#nextAt) + everyMs;
      this.#client?.send(this.#isBinary(n) ? this.#binary(n) : this.#text(n));
    }
    for (let n = this.pushes.next(); n !== undefined; n = this.pushes.next()) {
      pushes?.push(this.sid ?? "", this.#push(n)).catch((error: unknown) => {
        this.errors.push(`a push failed: ${explain(error)}`);
      });
    }
    if (!this.echoes.isComplete || !this.pushes.isComplete) return;
    this.state = "fencing";
    this.#client?.send(FENCE);
  }

  #isBinary(n: number): boolean {
    const { payload = "mixed" } = this.#options;
    return payload === "binary" || (payload === "mixed" && n % 2 === 0);
  }

  /** Not ASCII alone: lengths in characters, UTF-16 units and bytes must not be taken for each other. */
  #text(n: number): string {
    const text = `${n} of session ${this.#number} `.padEnd(this.#options.size ?? 48, "aé€😀");
    // Half of a pair is no text: every encoder replaces it.
    return text.replace(/[\uD800-\uDBFF]$/, ".");
  }

  #binary(n: number): Buffer {
    const bytes = Buffer.alloc(Math.max(8, this.#options.size ?? 48), n % 251);
    bytes.writeUInt32BE(n, 0);
    bytes.writeUInt32BE(this.#number, 4);
    return bytes;
  }

  #push(n: number): string {
    return `push ${n} to session ${this.#number}`;
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return typeof error === "string" ? error : inspect(error);
  // The client's errors of a transport keep the status, or the error below, in a field of their own.
  const { description } = error as { description?: unknown };
  if (description === undefined) return error.message;
  return `${error.message} (${description instanceof Error ? description.message : inspect(description)})`;
}
