import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** What a server's process tells whoever forked it, when it serves. */
export interface Listening {
  readonly type: "listening";
  readonly port: number;
  /** Its worker processes. */
  readonly workers: readonly number[];
}

/** Alike for all contenders; above the time for which the driver's connections are idle. */
const KEEP_ALIVE_TIMEOUT = 65_000;

/** An HTTP server as every contender has it. */
export function makeHttpServer(): Server {
  return createServer({ keepAliveTimeout: KEEP_ALIVE_TIMEOUT });
}

/** Listens on a free port. */
export function listenAnywhere(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      resolve((server.address() as AddressInfo).port);
    });
  });
}

export function tellListening(port: number, workers: readonly number[] = []): void {
  const message: Listening = { type: "listening", port, workers };
  process.send?.(message);
}

/** Ends in good order, as a CPU profile needs it; and never outlives the benchmark. */
export function endWhenTold(): void {
  process.once("SIGTERM", () => process.exit(0));
  process.once("disconnect", () => process.exit(0));
}
