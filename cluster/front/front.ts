import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { REQUEST_ID_HEADER } from "../../src/options";
import type { Clock } from "../../src/time/clock";
import { within } from "../../src/time/within";
import { BACKLOG, stopListening } from "../listening";
import { BodyBudget } from "./body";
import { Exchange, type ExchangeHost, type FrontCounters } from "./exchange";
import { Pool } from "./pool";
import { Tunnel, type TunnelHost } from "./tunnel";

export interface FrontOptions {
  readonly clock: Clock;
  /** Path of the engine's requests, without a slash at its end: only those may be handled by two workers. */
  readonly enginePath: string;
  /** The largest request body. Default 10 MB. */
  readonly bodyLimit?: number;
  /** What all request bodies may take together. Default 256 MB. */
  readonly bodiesLimit?: number;
  /** How long idle connections are kept, in milliseconds. Default 65000. */
  readonly keepAliveTimeout?: number;
  /** How long a request waits for a worker in all, in milliseconds. Default 5000. */
  readonly workerWait?: number;
}

/**
 * Longer than a balancer in front keeps its idle connections (60 s, mostly): if this side closed first, the balancer would
 * send a request into a connection that has just ended.
 */
const KEEP_ALIVE_TIMEOUT = 65_000;

/** A client's connection. */
interface Connection {
  readonly socket: Socket;
  /** Requests under way. */
  open: number;
  /** Bytes that had come when the last one was answered; undefined where none was. */
  answeredAt: number | undefined;
}

/** How long answers that are being written have when the workers have ended, in milliseconds. */
const LAST_RESPONSES = 1000;

// Methods that change nothing may reach two workers, as any proxy lets them.
const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);

/**
 * The HTTP server before the workers. Each request goes to the next of them, whatever connection it came on, and again to another one when
 * its worker dies under it.
 */
export class Front implements ExchangeHost, TunnelHost {
  readonly clock: Clock;
  readonly pool: Pool;
  readonly bodies: BodyBudget;
  readonly workerWait: number;
  readonly counters: FrontCounters = { requests: 0, retries: 0, failed: 0, bodiesRefused: 0, upgrades: 0 };
  readonly tunnels = new Set<Duplex>();
  readonly #enginePath: string;
  /** Begins the names that it gives to requests, as no other front's do, nor those of its next start. */
  readonly #id = randomBytes(9).toString("base64url");
  #named = 0;
  readonly #server: Server;
  readonly #connections = new Map<Duplex, Connection>();
  #stopped = false;
  /** Requests whose responses are not written yet, and connections that were upgraded. */
  #open = 0;
  #onIdle: (() => void) | undefined;

  constructor(options: FrontOptions) {
    this.clock = options.clock;
    this.pool = new Pool(options.clock);
    this.bodies = new BodyBudget(options.bodyLimit ?? 10_000_000, options.bodiesLimit ?? 256_000_000);
    this.workerWait = options.workerWait ?? 5000;
    this.#enginePath = options.enginePath;
    this.#server = createServer({ keepAliveTimeout: options.keepAliveTimeout ?? KEEP_ALIVE_TIMEOUT }, this.#onRequest);
    this.#server.on("checkContinue", this.#onExpectContinue);
    this.#server.on("upgrade", this.#onUpgrade);
    this.#server.on("connection", (socket) => {
      this.#connections.set(socket, { socket, open: 0, answeredAt: undefined });
      socket.once("close", () => this.#connections.delete(socket));
    });
  }

  listen(port: number, host: string | undefined): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host, backlog: BACKLOG }, () => {
        this.#server.off("error", reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  add(name: string, path: string): void {
    this.pool.add(name, path);
  }

  remove(name: string): void {
    this.pool.remove(name);
  }

  /** A worker that lives and does not move: no requests for it, and those that it holds go to others. */
  stall(name: string): void {
    this.pool.stall(name);
  }

  /** Whether it takes no more connections. What it has no worker for is broken off then, and repeated elsewhere. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** No new connections; requests on those that are there are still passed on while there are workers. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    stopListening(this.#server);
    this.pool.stop();
    for (const connection of this.#connections.values()) this.#endIdle(connection);
  }

  /** One that waits for its next request. Whoever keeps it would send that here, where nobody answers it soon. */
  #endIdle({ socket, open, answeredAt }: Connection): void {
    // What has come since is the beginning of a request.
    if (open === 0 && answeredAt === socket.bytesRead) socket.destroySoon();
  }

  /** Ends what is left, when the answers that are being written are out, or a second is over. */
  async close(): Promise<void> {
    this.stop();
    if (this.#open > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
      await within(this.clock, LAST_RESPONSES, idle).catch(() => undefined);
    }
    this.#server.closeAllConnections();
    for (const socket of this.tunnels) socket.destroy();
  }

  mayRepeat(request: IncomingMessage): boolean {
    return SAFE_METHODS.has(request.method ?? "") || this.#isEngine(request.url ?? "");
  }

  nameOf({ url = "", headers }: IncomingMessage): string | undefined {
    // Also where there is a `t`: the worker knows which of them are names.
    if (headers[REQUEST_ID_HEADER] !== undefined || !this.#isEngine(url)) return undefined;
    return `${this.#id}.${String(++this.#named)}`;
  }

  #isEngine(url: string): boolean {
    if (!url.startsWith(this.#enginePath)) return false;
    const next = url[this.#enginePath.length];
    return next === undefined || next === "/" || next === "?";
  }

  readonly #onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = this.#connections.get(request.socket);
    if (connection !== undefined) connection.open++;
    this.#open++;
    response.once("close", () => {
      this.#onClosed();
      if (connection === undefined) return;
      connection.open--;
      connection.answeredAt = connection.socket.bytesRead;
      if (this.#stopped) this.#endIdle(connection);
    });
    new Exchange(this, request, response).start();
  };

  #onClosed(): void {
    if (--this.#open === 0) this.#onIdle?.();
  }

  /** A client that asks first is told to go on only if its body is wanted. */
  readonly #onExpectContinue = (request: IncomingMessage, response: ServerResponse): void => {
    if (Number(request.headers["content-length"] ?? 0) <= this.bodies.limit) response.writeContinue();
    this.#onRequest(request, response);
  };

  readonly #onUpgrade = (request: IncomingMessage, socket: Duplex, first: Buffer): void => {
    this.counters.upgrades++;
    this.#connections.delete(socket);
    this.#open++;
    socket.once("close", () => this.#onClosed());
    new Tunnel(this, request, socket, first).start();
  };
}
