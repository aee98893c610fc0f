import type { RequestListener, Server as HttpServer } from "node:http";
import type { Duplex } from "node:stream";
import * as untyped from "@socket.io/sticky";

/** What a worker's HTTP server is asked for. */
export interface StickyTarget {
  prependListener(event: "request", listener: RequestListener): unknown;
  emit(event: "connection", connection: Duplex): unknown;
}

/** What a worker's engine is asked for. */
export interface StickyEngine {
  on(event: "connection", listener: (socket: StickySocket) => void): unknown;
}

interface StickySocket {
  readonly id: string;
  once(event: "close", listener: () => void): unknown;
}

/** The package as it is used here. Its own declarations want a server of Socket.IO, of which it touches no more than this. */
export interface StickyPackage {
  setupMaster(server: HttpServer, options: { readonly loadBalancingMethod: "round-robin" }): void;
  setupWorker(io: { readonly httpServer: StickyTarget; readonly engine: StickyEngine }): void;
}

export const sticky = untyped as unknown as StickyPackage;

/** What the package says over node:cluster's channel, as far as it matters on the way. */
export interface StickyMessage {
  readonly type: `sticky:${string}`;
  /** Of a request with a body, whose connection stays in the primary. */
  readonly connectionId?: string;
}

export function isStickyMessage(message: unknown): message is StickyMessage {
  return (
    typeof message === "object" &&
    message !== null &&
    "type" in message &&
    typeof message.type === "string" &&
    message.type.startsWith("sticky:")
  );
}
