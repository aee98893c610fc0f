import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer, type PerMessageDeflateOptions, type WebSocket } from "ws";
import { ERROR_MESSAGES, type Refusal } from "../errors";
import type { EngineRequest, HeadersHook } from "../transports/request";

/** An HTTP request to change to the websocket protocol, before it is answered. */
export interface UpgradeRequest {
  readonly request: EngineRequest;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Headers for the 101, if it comes to that. */
  readonly headers?: OutgoingHttpHeaders;
}

/** Completes the websocket handshakes of an engine. */
export class WebSockets {
  /** The server of the package `ws`. */
  readonly server: WebSocketServer;
  readonly #headers = new WeakMap<IncomingMessage, OutgoingHttpHeaders>();

  constructor(maxPayload: number, perMessageDeflate: boolean | PerMessageDeflateOptions, hook: HeadersHook) {
    this.server = new WebSocketServer({ noServer: true, clientTracking: false, perMessageDeflate, maxPayload });
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
export function refuseUpgrade(socket: Duplex, { code, context }: Refusal): void {
  socket.on("error", ignore);
  if (socket.writable) {
    const own = context["message"];
    const message = typeof own === "string" && own !== "" ? own : (ERROR_MESSAGES[code] ?? "");
    socket.write(
      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-type: text/html\r\n" +
        `Content-Length: ${String(Buffer.byteLength(message))}\r\n\r\n${message}`,
    );
  }
  socket.destroy();
}

/** Nobody could answer in time. */
export function upgradeUnavailable(socket: Duplex): void {
  socket.on("error", ignore);
  if (socket.writable) socket.write("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\n\r\n");
  socket.destroy();
}

function ignore(): void {
  // The connection is being given up.
}
