import type { Server as HttpServer } from "node:http";
import { Server as NetServer } from "node:net";

/** When a worker dies its requests go to the others in one burst, and clients come back in one. The kernel caps it. */
export const BACKLOG = 65_535;

/**
 * Takes no more connections. Not by the HTTP server's own `close`, nor is `closeIdleConnections` called: both destroy connections
 * whose answers have ended and are not written yet.
 */
export function stopListening(server: HttpServer): void {
  NetServer.prototype.close.call(server);
}
