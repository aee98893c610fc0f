import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../time/clock";
import type { AttachOptions } from "../options";

/** An HTTP or HTTPS server. */
export type RequestSource = EventEmitter;

/** What is attached. */
export interface RequestTaker {
  /** The path that its requests begin with. */
  pathOf(options: AttachOptions): string;
  /** The HTTP server listens, for the first time or again. */
  onListening(): void;
  /** A request, of the engine or not, came by this connection. */
  onRequestBy(connection: Duplex): void;
  /** A websocket's request came by it. */
  onUpgradeOf(connection: Duplex): void;
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  handleUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  close(): unknown;
  readonly opts: { readonly transports: readonly string[] };
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Requests below the path go to the engine, all others to the listeners that were there before. */
export function attachTo(server: RequestSource, engine: RequestTaker, options: AttachOptions, clock: Clock): void {
  const path = engine.pathOf(options);
  const { handlePreflightRequest: preflight } = options;
  const others = server.listeners("request") as Listener[];
  server.removeAllListeners("request");
  server.on("close", () => {
    engine.close();
  });
  server.on("listening", () => {
    engine.onListening();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    engine.onRequestBy(request.socket);
    const ours = request.url?.startsWith(path) === true && (preflight !== false || request.method !== "OPTIONS");
    if (ours && request.method === "OPTIONS" && typeof preflight === "function")
      preflight.call(server, request, response);
    else if (ours) engine.handleRequest(request, response);
    else for (const other of others) other.call(server, request, response);
  });
  if (engine.opts.transports.includes("websocket")) attachUpgrades(server, engine, path, options, clock);
}

/** A websocket request that nobody answers would stay open for ever: some time is left to other listeners, then it is closed. */
function attachUpgrades(
  server: RequestSource,
  engine: RequestTaker,
  path: string,
  options: AttachOptions,
  clock: Clock,
): void {
  const timeout = options.destroyUpgradeTimeout ?? 1000;
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    engine.onUpgradeOf(socket);
    if (request.url?.startsWith(path) === true) engine.handleUpgrade(request, socket, head);
    else if (options.destroyUpgrade !== false) {
      clock.after(timeout, () => {
        // Whoever took it has written by now.
        if (!socket.writable || bytesWritten(socket) > 0) return;
        socket.on("error", ignore);
        socket.end();
      });
    }
  });
}

function bytesWritten(socket: Duplex): number {
  return "bytesWritten" in socket && typeof socket.bytesWritten === "number" ? socket.bytesWritten : 0;
}

function ignore(): void {
  // The connection is being closed.
}
