import { once } from "node:events";
import { Agent, request } from "node:http";
import { WebSocket } from "ws";
import { within } from "../helpers/within";

/** Longer than any test waits for a message on purpose. */
const NEXT_WITHIN_MS = 60_000;

export interface Reply {
  readonly status: number;
  readonly body: string;
}

let requests = 0;

/** A client that does what it is told, at the node that it is told. `sid` is given by `open`. */
export class RawClient {
  readonly sid: string;
  static readonly agent = new Agent({ keepAlive: true, maxSockets: Infinity });

  constructor(sid: string) {
    this.sid = sid;
  }

  /** A polling session that this node owns. */
  static async open(url: string): Promise<RawClient> {
    const { status, body } = await send("GET", `${url}/engine.io/?EIO=4&transport=polling&t=${nextT()}`).reply;
    if (status !== 200) throw new Error(`the handshake was answered ${status} ${body}`);
    return new RawClient((JSON.parse(body.slice(1)) as { sid: string }).sid);
  }

  /** The answer to a poll that this node holds. */
  poll(url: string): Promise<Reply> {
    return this.pollThatCanBreak(url).reply;
  }

  pollThatCanBreak(url: string): { readonly reply: Promise<Reply>; readonly abort: () => void } {
    return send("GET", this.#url(url));
  }

  post(url: string, body: string): Promise<Reply> {
    return send("POST", this.#url(url), body).reply;
  }

  /** A websocket at this node for the session, before any message. */
  async websocket(url: string): Promise<RawWebSocket> {
    return RawWebSocket.open(`${url}/engine.io/?EIO=4&transport=websocket&sid=${this.sid}`);
  }

  /** Goes over to a websocket at this node, as stock clients do; no poll may be parked. */
  async upgrade(url: string): Promise<RawWebSocket> {
    const websocket = await this.websocket(url);
    websocket.send("2probe");
    const answer = await websocket.next();
    if (answer !== "3probe") throw new Error(`the probe was answered ${String(answer)}`);
    websocket.send("5");
    return websocket;
  }

  #url(url: string): string {
    return `${url}/engine.io/?EIO=4&transport=polling&sid=${this.sid}&t=${nextT()}`;
  }
}

/** Messages of a websocket in the order in which they came. Pings are answered and not shown. */
export class RawWebSocket {
  readonly socket: WebSocket;
  readonly messages: string[] = [];
  /** Resolves with the code of its close. */
  readonly closed: Promise<number>;
  #waiting: ((message: string | undefined) => void)[] = [];

  /** A session of its own at this node; also its id. */
  static async session(url: string): Promise<{ sid: string; websocket: RawWebSocket }> {
    const websocket = await RawWebSocket.open(`${url}/engine.io/?EIO=4&transport=websocket`);
    const opening = (await websocket.next()) ?? "";
    if (!opening.startsWith("0")) throw new Error(`the first message is ${opening}`);
    return { sid: (JSON.parse(opening.slice(1)) as { sid: string }).sid, websocket };
  }

  static async open(url: string): Promise<RawWebSocket> {
    const websocket = new RawWebSocket(new WebSocket(url.replace(/^http/, "ws")));
    await once(websocket.socket, "open");
    return websocket;
  }

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      const message = isBinary ? `b${data.toString("base64")}` : data.toString("utf8");
      if (message === "2") {
        socket.send("3");
        return;
      }
      const next = this.#waiting.shift();
      if (next === undefined) this.messages.push(message);
      else next(message);
    });
    // A close follows.
    socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      socket.once("close", (code) => {
        for (const next of this.#waiting.splice(0)) next(undefined);
        resolve(code);
      });
    });
  }

  get isClosed(): boolean {
    return this.socket.readyState === WebSocket.CLOSED;
  }

  send(message: string | Buffer): void {
    this.socket.send(message);
  }

  /** The next message; `undefined` when it closes before one comes. */
  next(): Promise<string | undefined> {
    const message = this.messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.isClosed) return Promise.resolve(undefined);
    const next = new Promise<string | undefined>((resolve) => this.#waiting.push(resolve));
    return within("a message by websocket, or its close", next, NEXT_WITHIN_MS);
  }

  terminate(): void {
    this.socket.terminate();
  }
}

/** Of a stock client's form: else a balancer's name for the request counts. */
function nextT(): string {
  return `raw${String(++requests).padStart(5, "0")}`;
}

function send(method: string, url: string, body?: string): { reply: Promise<Reply>; abort: () => void } {
  const headers = body === undefined ? {} : { "content-type": "text/plain;charset=UTF-8" };
  const sent = request(url, { method, headers, agent: RawClient.agent });
  const reply = new Promise<Reply>((resolve, reject) => {
    sent.once("error", reject);
    sent.once("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
  });
  sent.end(body);
  return { reply, abort: () => sent.destroy() };
}
