import type { EventEmitter } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { resolvePath, type AttachOptions } from "../options";

/** An HTTP or HTTPS server. */
export type RequestSource = EventEmitter;

/** What is attached. */
export interface RequestTaker {
  handleRequest(request: IncomingMessage, response: ServerResponse): void;
  close(): unknown;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Requests below the path go to the engine, all others to the listeners that were there before. */
export function attachTo(server: RequestSource, engine: RequestTaker, options: AttachOptions): void {
  const path = resolvePath(options);
  const others = server.listeners("request") as Listener[];
  server.removeAllListeners("request");
  server.on("close", () => {
    engine.close();
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (request.url?.startsWith(path) === true) engine.handleRequest(request, response);
    else for (const other of others) other.call(server, request, response);
  });
}
