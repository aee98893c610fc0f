import type { Server as HttpServer } from "node:http";
import { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../time/clock";
import { pause } from "../time/pause";
import type { RequestSource } from "./attach";

/** How often it is looked whether connections have become idle, or answers are written, in milliseconds. */
const LOOK = 25;

/** The HTTP servers that an engine is attached to, and the connections that requests came by. */
export class HttpServers {
  readonly #clock: Clock;
  readonly #servers = new Set<RequestSource>();
  readonly #connections = new Set<Duplex>();
  #closingIdle = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(server: RequestSource): void {
    this.#servers.add(server);
  }

  /** A request came by it. */
  onRequest(connection: Duplex): void {
    if (this.#connections.has(connection) || connection.destroyed) return;
    this.#connections.add(connection);
    connection.once("close", () => this.#connections.delete(connection));
  }

  /** It is a websocket's from now on. */
  onUpgrade(connection: Duplex): void {
    this.#connections.delete(connection);
  }

  /** Takes no more connections; those that are here end when they are idle. */
  stopListening(): void {
    const listening = [...this.#servers].filter(isListening);
    for (const server of listening) stop(server);
    if (listening.length === 0 || this.#closingIdle) return;
    this.#closingIdle = true;
    this.#closeIdle(listening);
  }

  /** Resolves when all answers are with the kernel, or the time is over. */
  async written(withinMs: number): Promise<void> {
    const until = this.#clock.now() + withinMs;
    while (this.#isWriting() && this.#clock.now() < until) await pause(this.#clock, LOOK);
  }

  /** Node.js takes a connection for idle whose answer has ended, though it may not be written yet. */
  #closeIdle(servers: readonly HttpServer[]): void {
    if (!this.#isWriting()) for (const server of servers) if (!server.listening) server.closeIdleConnections();
    // Also those whose requests others than the engine answer, or the process would wait until their keep-alive ends.
    this.#closingIdle = this.#connections.size > 0;
    if (!this.#closingIdle) return;
    this.#clock.afterUnref(LOOK, () => {
      this.#closeIdle(servers);
    });
  }

  #isWriting(): boolean {
    for (const connection of this.#connections) if (!connection.destroyed && connection.writableLength > 0) return true;
    return false;
  }
}

/**
 * Not by the `close` of an HTTP or HTTPS server: since Node.js 19 that destroys connections whose answers have ended and are not
 * written yet. A poll with much to say to a slow reader broke in the middle, behind its head: no balancer can repeat that.
 */
function stop(server: HttpServer): void {
  if (server instanceof NetServer) NetServer.prototype.close.call(server);
  else (server as HttpServer).close();
}

/** Others take their requests from elsewhere, as one that an application emits them on itself. */
function isListening(server: RequestSource): server is HttpServer {
  return "listening" in server && server.listening === true;
}
