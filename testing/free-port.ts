import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below those that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere): one of those took a port between
 * the moment in which it was free and that in which a server that had been away came back to it. Redis Cluster needs the port 10,000
 * above too.
 */
const FIRST = 12_000;
const LAST = 22_000;

/** A port of the loopback address that nobody listens on now. Somebody may before it is used: callers try again. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

/** So many of them, each another one. One that is looked for when the last was let go can be the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = new Map<number, Server>();
  try {
    while (servers.size < count) {
      const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
      const server = createServer().listen(port, "127.0.0.1");
      try {
        await once(server, "listening");
        servers.set(port, server);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
      }
    }
    return [...servers.keys()];
  } finally {
    for (const server of servers.values()) server.close();
    await Promise.all([...servers.values()].map((server) => once(server, "close")));
  }
}
