import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { createRequire } from "node:module";
import type { Duplex } from "node:stream";
import type { PerMessageDeflateOptions, WebSocket, WebSocketServer } from "ws";
import { ERROR_MESSAGES, type Refusal } from "../errors";
import { OptionError } from "../option-error";
import { LONGEST_MESSAGE } from "../transports/body";
import type { EngineRequest, HeadersHook } from "../transports/request";
import { UNREACHABLE, type Overload } from "./admission";

/** An HTTP request to change to the websocket protocol, before it is answered. */
export interface UpgradeRequest {
  readonly request: EngineRequest;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Headers for the 101, if it comes to that. */
  readonly headers?: OutgoingHttpHeaders;
}

const requireHere = createRequire(__filename);

/** Options of a server of websockets that is given its requests one by one. */
interface WebSocketServerOptions {
  readonly noServer: true;
  readonly clientTracking: false;
  readonly perMessageDeflate: false | PerMessageDeflateOptions;
  readonly maxPayload: number;
}

type WebSocketServerClass = new (options: WebSocketServerOptions) => WebSocketServer;

/** The constructor that the option `wsEngine` means: it is one, or a module that has one, or such a module's name. */
function serverClassOf({ wsEngine, compat }: WebSocketsOptions): WebSocketServerClass {
  const found: unknown = typeof wsEngine === "string" ? load(wsEngine, compat === 3) : wsEngine;
  const { WebSocketServer: named, Server: server } = Object(found) as Partial<Record<string, unknown>>;
  // Such a module can be a function too: what it exports by name is meant then.
  for (const candidate of [named, server, found]) {
    if (typeof candidate === "function") return candidate as WebSocketServerClass;
  }
  throw new OptionError("wsEngine", wsEngine, "a module with a websocket server, its name, or the server's class");
}

/** Modules of this package's own, or of the program's. Engine.io 3.0.0 took ws for what could not be loaded: uws, mostly. */
function load(name: string, orElseWs: boolean): unknown {
  try {
    return requireHere(requireHere.resolve(name, { paths: [__dirname, process.cwd()] }));
  } catch (error) {
    if (orElseWs) return requireHere("ws");
    throw new OptionError("wsEngine", name, `a module that can be loaded (${String(error)})`);
  }
}

export interface WebSocketsOptions {
  readonly wsEngine: unknown;
  readonly compat?: 3 | undefined;
  readonly maxHttpBufferSize: number;
  readonly perMessageDeflate: false | PerMessageDeflateOptions;
}

/** Completes the websocket handshakes of an engine. */
export class WebSockets {
  /** The server of the package `ws`, or of the one that the option `wsEngine` names. */
  readonly server: WebSocketServer;
  readonly #headers = new WeakMap<IncomingMessage, OutgoingHttpHeaders>();

  constructor(options: WebSocketsOptions, hook: HeadersHook) {
    const { maxHttpBufferSize, perMessageDeflate } = options;
    const ServerClass = serverClassOf(options);
    // ws takes 32 bits of it: Infinity would be no limit, and 2 ** 32 + 1 one byte.
    const maxPayload = Math.min(maxHttpBufferSize, LONGEST_MESSAGE);
    this.server = new ServerClass({ noServer: true, clientTracking: false, perMessageDeflate, maxPayload });
    // Not all of them tell.
    if (typeof (this.server as Partial<WebSocketServer>).on !== "function") return;
    this.server.on("headers", (lines: string[], request: IncomingMessage) => {
      const headers = this.#headers.get(request) ?? {};
      hook(headers, request as EngineRequest);
      for (const [name, value] of Object.entries(headers)) {
        for (const one of Array.isArray(value) ? value : [value])
          if (one !== undefined) lines.push(`${name}: ${String(one)}`);
      }
    });
  }

  /** Answers 101; `accepted` gets the websocket, unless the request was none. */
  accept({ request, socket, head, headers }: UpgradeRequest, accepted: (websocket: WebSocket) => void): void {
    if (headers !== undefined) this.#headers.set(request, headers);
    this.server.handleUpgrade(request, socket, head, accepted);
  }

  close(): void {
    this.server.close();
  }
}

/** Answers a refused upgrade, and closes its connection. */
export function refuseUpgrade(socket: Duplex, { code, context, status }: Refusal): void {
  socket.on("error", ignore);
  if (socket.writable) {
    const own = context["message"];
    const message = typeof own === "string" && own !== "" ? own : (ERROR_MESSAGES[code] ?? "");
    const [line, type, body] =
      status === 403
        ? ["403 Forbidden", "application/json", JSON.stringify({ code, message })]
        : ["400 Bad Request", "text/html", message];
    socket.write(
      `HTTP/1.1 ${line}\r\nConnection: close\r\nContent-type: ${type}\r\n` +
        `Content-Length: ${String(Buffer.byteLength(body))}\r\n\r\n${body}`,
    );
  }
  socket.destroy();
}

/** It cannot be taken now. */
export function upgradeUnavailable(socket: Duplex, { status, statusText }: Overload = UNREACHABLE): void {
  socket.on("error", ignore);
  const head = `HTTP/1.1 ${String(status)} ${statusText}\r\nConnection: close\r\nRetry-After: 1\r\n\r\n`;
  if (socket.writable) socket.write(head);
  socket.destroy();
}

function ignore(): void {
  // The connection is being given up.
}
