import { WebSocket } from "ws";
import { runtimeClock } from "../../src/time/runtime-clock";

/** A websocket that was opened, or why it was not. */
export interface Opened {
  readonly line: Line | undefined;
  /** Of the node that holds it, where that says so. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly why?: string;
}

const OPEN_WITHIN = 10_000;

/** What is said on a websocket, message by message. */
export class Line {
  readonly #socket: WebSocket;
  readonly #heard: string[] = [];
  #waiting: ((text: string | undefined) => void) | undefined;
  #ended: string | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      this.#hear(data.toString());
    });
    socket.on("close", (code) => {
      this.#ended = `closed with ${String(code)}`;
      this.#waiting?.(undefined);
    });
  }

  /** How it ended, if it has. */
  get ended(): string | undefined {
    return this.#ended;
  }

  say(text: string): void {
    this.#socket.send(text);
  }

  /** The next message; undefined where none came in time, or it ended. */
  next(withinMs: number): Promise<string | undefined> {
    const text = this.#heard.shift();
    if (text !== undefined || this.#ended !== undefined) return Promise.resolve(text);
    return new Promise((resolve) => {
      const timer = runtimeClock.after(withinMs, () => this.#waiting?.(undefined));
      this.#waiting = (heard) => {
        timer.stop();
        this.#waiting = undefined;
        resolve(heard);
      };
    });
  }

  /** The next message that begins like this, whatever comes before. */
  async nextLike(start: string, withinMs: number): Promise<string | undefined> {
    const end = runtimeClock.now() + withinMs;
    for (;;) {
      const text = await this.next(Math.max(0, end - runtimeClock.now()));
      if (text === undefined || text.startsWith(start)) return text;
    }
  }

  close(): void {
    this.#socket.close();
  }

  #hear(text: string): void {
    if (this.#waiting === undefined) this.#heard.push(text);
    else this.#waiting(text);
  }
}

export function openWebSocket(url: URL, headers: Readonly<Record<string, string>>): Promise<Opened> {
  const address = new URL(url);
  address.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address, { headers, handshakeTimeout: OPEN_WITHIN });
  // From the first moment: the first message can come with the head of the answer.
  const line = new Line(socket);
  return new Promise((resolve) => {
    let answered: Opened["headers"] = {};
    socket.on("upgrade", (response) => {
      answered = response.headers;
    });
    socket.once("open", () => {
      resolve({ line, headers: answered });
    });
    socket.once("unexpected-response", (request, response) => {
      resolve({ line: undefined, headers: response.headers, why: `answered ${String(response.statusCode)}` });
      request.destroy();
    });
    socket.on("error", (error) => {
      resolve({ line: undefined, headers: {}, why: error.message });
    });
  });
}
