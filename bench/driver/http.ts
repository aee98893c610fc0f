import { connect, type Socket } from "node:net";
import { ResponseReader, type Response } from "./response";

export interface ResponseListener {
  onResponse(status: number, body: string): void;
  /** The connection ended, or made no sense, before a response. */
  onBroken(reason: string): void;
}

export const HOST = "127.0.0.1";

/**
 * Keep-alive connections to one port, shared by all sessions, as a balancer's are. Far cheaper than Node's own client, so
 * that the servers are measured and not the driver.
 */
export class Connections {
  readonly port: number;
  readonly #free: Connection[] = [];
  readonly #all = new Set<Connection>();

  constructor(port: number) {
    this.port = port;
  }

  get(path: string, listener: ResponseListener): void {
    this.#send(`GET ${path} HTTP/1.1\r\n${this.#headers}\r\n`, listener);
  }

  post(path: string, body: string, listener: ResponseListener): void {
    // Bodies are ASCII: as many bytes as characters.
    const type = "Content-Type: text/plain;charset=UTF-8\r\n";
    const head = `POST ${path} HTTP/1.1\r\n${this.#headers}${type}Content-Length: ${body.length}\r\n\r\n`;
    this.#send(head + body, listener);
  }

  get #headers(): string {
    return `Host: ${HOST}:${this.port}\r\nUser-Agent: bench\r\nAccept: */*\r\nConnection: keep-alive\r\n`;
  }

  #send(request: string, listener: ResponseListener): void {
    let connection = this.#free.pop();
    if (connection === undefined) {
      connection = new Connection(this.port, this.#onFree, this.#onClosed);
      this.#all.add(connection);
    }
    connection.send(request, listener);
  }

  readonly #onFree = (connection: Connection): void => {
    this.#free.push(connection);
  };

  readonly #onClosed = (connection: Connection): void => {
    this.#all.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at >= 0) this.#free.splice(at, 1);
  };

  /** Ends them all, whatever is under way. */
  close(): void {
    for (const connection of this.#all) connection.destroy();
  }
}

class Connection {
  readonly #socket: Socket;
  readonly #reader = new ResponseReader();
  readonly #onFree: (connection: Connection) => void;
  #listener: ResponseListener | undefined;
  #problem = "the connection was closed";

  constructor(port: number, onFree: (connection: Connection) => void, onClosed: (connection: Connection) => void) {
    this.#onFree = onFree;
    this.#socket = connect({ port, host: HOST, noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => {
      this.#onData(chunk);
    });
    this.#socket.on("error", (error) => {
      this.#problem = error.message;
    });
    this.#socket.on("close", () => {
      onClosed(this);
      const listener = this.#listener;
      this.#listener = undefined;
      listener?.onBroken(this.#problem);
    });
  }

  send(request: string, listener: ResponseListener): void {
    this.#listener = listener;
    this.#socket.write(request, "latin1");
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    const listener = this.#listener;
    let response: Response | undefined;
    try {
      response = this.#reader.push(chunk.toString("latin1"));
      if (listener === undefined) throw new Error(`a response that nobody asked for: ${chunk.toString("latin1")}`);
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      this.#socket.destroy();
      return;
    }
    if (response === undefined) return;
    this.#listener = undefined;
    // First free, so that what the listener sends next can have it.
    if (response.closes) this.#socket.end();
    else this.#onFree(this);
    listener.onResponse(response.status, response.body);
  }
}
