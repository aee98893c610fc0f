import type { Agent } from "node:http";
import { inspect } from "node:util";
import type { Socket } from "engine.io-client";
import type { LoadOptions } from "./load-options";
import { stockSocket } from "./stock-client";

const CLOSE_WITHIN_MS = 5_000;
const FENCE = "fence";

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

/** By whose time a session is silent, and who counts it. */
export interface SilenceWatch {
  now(): number;
  onSilence(ms: number): void;
}

export class Session {
  readonly echoes: Stream;
  readonly pushes: Stream;
  readonly errors: string[] = [];
  state: "new" | "opening" | "open" | "fencing" | "settled" | "dropped" = "new";
  sid: string | undefined;
  corrupted = 0;
  closeReason: string | undefined;
  readonly #number: number;
  readonly #options: LoadOptions;
  readonly #agent: Agent;
  readonly #watch: SilenceWatch;
  #client: Socket | undefined;
  /** When it last heard something, or began to wait for it. */
  #quietSince = 0;
  #nextAt = 0;
  /** Its probe was answered, and it has stopped polling; it has not said yet that it goes over. */
  #isGoingOver = false;

  constructor(number: number, options: LoadOptions, agent: Agent, watch: SilenceWatch) {
    this.#watch = watch;
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
    const StockSocket = stockSocket();
    const socket = new StockSocket(url, {
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
        this.#quietSince = this.#watch.now();
        this.#pump();
        resolve();
      });
      socket.on("upgrading", () => (this.#isGoingOver = true));
      socket.on("upgrade", () => (this.#isGoingOver = false));
      socket.on("error", (error) => this.errors.push(explain(error)));
      socket.on("message", (data: unknown) => this.#onMessage(data));
      socket.on("close", (reason, details) => {
        if (!this.isOver) {
          this.closeReason = details === undefined ? reason : `${reason}: ${explain(details)}`;
          this.#hear();
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
    if (this.#isWaiting && this.#watch.now() - this.#quietSince > (this.#options.stallMs ?? 20_000)) {
      this.#hear();
      if (this.#isGoingOver) {
        // Nobody can help it: it polls no more, and no websocket will be heard.
        this.closeReason = "its websocket closed between the answer to the probe and the upgrade";
        this.state = "dropped";
        return;
      }
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
    this.#hear();
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
  #hear(): void {
    const now = this.#watch.now();
    if (this.#isWaiting) this.#watch.onSilence(now - this.#quietSince);
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
    if (!this.#isWaiting) this.#quietSince = this.#watch.now();
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
