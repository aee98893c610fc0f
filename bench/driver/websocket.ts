import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { sidOf, type Client, type ClientListener } from "./client";
import { closeFrame, FrameReader, textFrame } from "./frames";
import { HOST, type Connections } from "./http";
import { handshake, target } from "./polling";

/** A session by websocket. */
export class WebSocketClient implements Client {
  readonly busy = false;
  readonly #listener: ClientListener;
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  /** Whether the session was opened by polling. */
  readonly #upgrades: boolean;
  /** The head of the HTTP response, as far as it came; undefined when it is complete. */
  #head: string | undefined = "";
  #opened: { resolve(): void; reject(error: Error): void } | undefined;
  #problem = "the connection was closed";
  #over = false;

  constructor(listener: ClientListener, port: number, sid: string | undefined) {
    this.#listener = listener;
    this.#upgrades = sid !== undefined;
    this.#socket = connect({ port, host: HOST, noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => {
      try {
        this.#onData(chunk);
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : String(error);
        this.#socket.destroy();
      }
    });
    this.#socket.on("error", (error) => {
      this.#problem = error.message;
    });
    this.#socket.on("close", () => {
      this.#fail();
    });
    this.#socket.write(
      `GET /engine.io/?EIO=4&transport=websocket${sid === undefined ? "" : `&sid=${sid}`} HTTP/1.1\r\n` +
        `Host: ${HOST}:${port}\r\nUser-Agent: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
  }

  /**
   * Straight at one of the ports, in turn; or, roaming, opened by polling at one and upgraded at the next one.
   */
  static async open(
    index: number,
    listener: ClientListener,
    targets: readonly Connections[],
    roaming: boolean,
  ): Promise<WebSocketClient> {
    const at = index % targets.length;
    const sid = roaming ? await handshake(target(targets, at)) : undefined;
    const { port } = target(targets, (roaming ? at + 1 : at) % targets.length);
    const client = new WebSocketClient(listener, port, sid);
    await new Promise<void>((resolve, reject) => {
      client.#opened = { resolve, reject };
    });
    return client;
  }

  send(text: string): void {
    this.#socket.write(textFrame(`4${text}`));
  }

  close(): void {
    this.#over = true;
    this.#socket.end(closeFrame());
  }

  #onData(chunk: Buffer): void {
    let frames = chunk;
    if (this.#head !== undefined) {
      this.#head += chunk.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return;
      if (!this.#head.startsWith("HTTP/1.1 101 ")) throw new Error(`upgrade: ${this.#head}`);
      frames = Buffer.from(this.#head.slice(end + 4), "latin1");
      this.#head = undefined;
      if (this.#upgrades) this.#socket.write(textFrame("2probe"));
    }
    for (const text of this.#reader.push(frames)) {
      if (text === undefined) throw new Error("the server closed the websocket");
      this.#receive(text);
    }
  }

  #receive(text: string): void {
    const opened = this.#opened;
    if (opened !== undefined) {
      this.#begin(text);
      this.#opened = undefined;
      opened.resolve();
      return;
    }
    switch (text[0]) {
      case "4":
        this.#listener.onMessage(text.slice(1));
        return;
      case "2":
        this.#socket.write(textFrame("3"));
        return;
      default:
        throw new Error(`a packet that was not expected: ${text}`);
    }
  }

  /** The first text is the handshake, or the answer to the probe. */
  #begin(text: string): void {
    if (!this.#upgrades) sidOf(text);
    else if (text === "3probe") this.#socket.write(textFrame("5"));
    else throw new Error(`probe: ${text}`);
  }

  #fail(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#opened === undefined) this.#listener.onFailure(`websocket: ${this.#problem}`);
    else this.#opened.reject(new Error(`websocket: ${this.#problem}`));
  }
}
