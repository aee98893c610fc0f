import type { ServerInfo } from "nats";

/** Below it nearly every request would be cut into pieces, and many would not fit at all. NATS' own default is 1 MB. */
export const LEAST_PAYLOAD = 4096;

/** Throws when a server would not carry what nodes say to each other, with what to set. */
export function inspectServer(info: ServerInfo | undefined): void {
  if (info === undefined) return;
  if (info.headers !== true)
    throw new Error(
      "its server has headers turned off (no_header_support), without which it tells no one of a node that is gone",
    );
  if (info.max_payload < LEAST_PAYLOAD)
    throw new Error(
      `its server takes messages of ${String(info.max_payload)} bytes at most: set max_payload in its configuration ` +
        `to ${String(LEAST_PAYLOAD)} or more (its default is 1MB), and start it again or reload it`,
    );
}
