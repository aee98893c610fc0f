import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import type { Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import engine from "../../src/index";
import type { Socket } from "../../src/session/socket";
import { Polling } from "../../src/transports/polling";
import { http, type Reply, type RequestOptions } from "./engines";
import { until } from "./until";

type Server = engine.Server;
type Options = ConstructorParameters<typeof engine.Server>[0];

/** A server of the package's face on an HTTP server of its own, in one process. */
export class OwnServer {
  readonly server: Server;
  readonly httpServer: HttpServer;
  readonly sockets: Socket[] = [];

  private constructor(server: Server, httpServer: HttpServer) {
    this.server = server;
    this.httpServer = httpServer;
    server.on("connection", (socket: Socket) => this.sockets.push(socket));
  }

  static async start(options?: Options, make: typeof engine.listen = engine.listen): Promise<OwnServer> {
    const server = await new Promise<Server>((resolve) => {
      const listening = make(null, options ?? {}, () => {
        resolve(listening);
      });
    });
    return new OwnServer(server, server.httpServer!);
  }

  get port(): number {
    return (this.httpServer.address() as AddressInfo).port;
  }

  url(query: string): string {
    return `http://127.0.0.1:${String(this.port)}/engine.io/?${query}`;
  }

  /** Opens a session that polls; of protocol 4, unless the query says another one. */
  async open(query = "EIO=4"): Promise<PollingSession> {
    const reply = await http(this.url(`${query}&transport=polling`));
    const sid = /sid\\*":\\*"([\w-]+)/.exec(reply.body)?.[1] ?? "";
    await until("there is a connection", () => this.sockets.some(({ id }) => id === sid));
    return new PollingSession(
      this,
      query,
      this.sockets.find(({ id }) => id === sid)!,
      reply,
    );
  }

  async stop(): Promise<void> {
    this.server.close();
    await this.server.closed();
    this.httpServer.close();
    this.httpServer.closeAllConnections();
  }
}

/** A session that polls, seen from both sides. */
export class PollingSession {
  readonly socket: Socket;
  readonly transport: Polling;
  /** The handshake's answer. */
  readonly opened: Reply;
  readonly #own: OwnServer;
  readonly #query: string;

  constructor(own: OwnServer, query: string, socket: Socket, opened: Reply) {
    this.#own = own;
    this.#query = query;
    this.socket = socket;
    assert.ok(socket.transport instanceof Polling);
    this.transport = socket.transport;
    this.opened = opened;
  }

  get url(): string {
    return this.#own.url(`${this.#query}&transport=polling&sid=${this.socket.id}`);
  }

  poll(options?: RequestOptions): Promise<Reply> {
    return http(this.url, options);
  }

  post(body: string | Buffer, options: RequestOptions = {}): Promise<Reply> {
    return http(this.url, { method: "POST", ...options, body });
  }
}

/** The next event of that name: its arguments. */
export function next(emitter: EventEmitter, event: string): Promise<unknown[]> {
  return new Promise((resolve) => {
    emitter.once(event, (...args: unknown[]) => {
      resolve(args);
    });
  });
}

/** Puts another function in the place of a method; it is given the method that was there. */
export function replace<T extends object, K extends keyof T>(
  target: T,
  name: K,
  around: (original: T[K]) => T[K],
): void {
  const original = target[name];
  assert.ok(typeof original === "function");
  target[name] = around(original.bind(target) as T[K]);
}
