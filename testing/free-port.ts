import { once } from "node:events";
import { createServer, type Server } from "node:net";

/**
 * Below those that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere): one of those took a port between
 * the moment in which it was free and that in which a server that had been away came back to it. Redis Cluster needs the port 10,000
 * above too.
 */
const FIRST = 12_000;
const LAST = 22_000;

/**
 * A process has ports of its own, a block at a time. Of one range for all, a test took the port of a node that another test was
 * restarting just then: its NATS answered that test's clients, and did not come back itself.
 */
export const BLOCK = 40;
/** Blocks that are tried before it is given up: each of the 250 some times. */
const TRIES = 2_000;

/** Ports of this process that nobody was given yet. */
const left: number[] = [];

/** A port of the loopback address that nobody listens on now, and that this process and others like it are not given again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = left.shift();
    if (port === undefined) left.push(...(await takeBlock()));
    else if (await isFree(port)) return port;
  }
}

/** So many of them, each another one. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** The ports of a block that is this process's until it ends: it listens on the first of them for as long. */
async function takeBlock(): Promise<number[]> {
  for (let tries = 0; tries < TRIES; tries++) {
    const first = FIRST + BLOCK * Math.floor(Math.random() * ((LAST - FIRST) / BLOCK));
    const server = await listen(first);
    if (server === undefined) continue;
    server.unref();
    return Array.from({ length: BLOCK - 1 }, (_, i) => first + 1 + i);
  }
  throw new Error(`no ports are left between ${FIRST} and ${LAST}: end the processes that listen there`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  server.close();
  await once(server, "close");
  return true;
}

async function listen(port: number): Promise<Server | undefined> {
  // A worker of node:cluster would else share the port of its primary's other workers.
  const server = createServer().listen({ port, host: "127.0.0.1", exclusive: true });
  try {
    await once(server, "listening");
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    return undefined;
  }
}
