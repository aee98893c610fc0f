import { join } from "node:path";
import { randomBytes } from "node:crypto";
import type { ServerOptions } from "../src/index";
import type { Listening } from "./apps/node";
import { WORKER_LINE } from "./apps/served";
import { ROOT } from "./machine";
import type { Command } from "./options";
import { Child, type Part } from "./processes";
import { startNats, startRedis, type ServerProcess } from "./servers";

/** Servers under way, to be measured. */
export interface Running {
  readonly ports: readonly number[];
  readonly parts: readonly Part[];
  stop(): Promise<void>;
}

export interface Contender {
  readonly id: string;
  readonly name: string;
  /** Whether a session's requests go round the ports; else each session keeps to one. */
  readonly roaming: boolean;
  /** Whether it runs on Redis and NATS. */
  readonly servers?: true;
  readonly start: () => Promise<Running>;
}

const NODES = 3;

const POLLING: readonly Contender[] = [
  {
    id: "a",
    name: "ours, 3 nodes on Redis and NATS, every request on the next node",
    roaming: true,
    servers: true,
    start: () => startCluster(NODES),
  },
  {
    id: "b",
    name: "ours embedded, 3 workers addressed directly, every request on the next",
    roaming: true,
    start: () => startEmbedded("workers"),
  },
  { id: "c", name: "ours embedded, 3 workers behind front", roaming: false, start: () => startEmbedded("front") },
  {
    id: "d",
    name: "engine.io, 3 processes, ideal stickiness",
    roaming: false,
    start: () => startApps("worker", NODES, () => ["apps/engine-io.js"]),
  },
  { id: "e", name: "engine.io, node:cluster, 3 workers, sticky as shipped", roaming: false, start: startSticky },
  {
    id: "f",
    name: "engine.io, one process",
    roaming: false,
    start: () => startApps("worker", 1, () => ["apps/engine-io.js"]),
  },
  { id: "g", name: "ours, one process", roaming: false, start: startAlone },
];

const WEBSOCKET: readonly Contender[] = [
  { id: "a", name: "ours, one process", roaming: false, start: startAlone },
  {
    id: "b",
    name: "ours, a node on Redis and NATS, its own sessions",
    roaming: false,
    servers: true,
    start: () => startCluster(1),
  },
  {
    id: "c",
    name: "ours, 3 nodes on Redis and NATS, each session owned by another node",
    roaming: true,
    servers: true,
    start: () => startCluster(NODES),
  },
  {
    id: "d",
    name: "engine.io, one process",
    roaming: false,
    start: () => startApps("worker", 1, () => ["apps/engine-io.js"]),
  },
];

/** All that can be measured so, by what is measured. */
export const CONTENDERS: Readonly<Record<Command, readonly Contender[]>> = {
  echo: POLLING,
  handshake: POLLING,
  websocket: WEBSOCKET,
};

/** Starts so many apps of this folder, each on a port of its own. */
async function startApps(role: string, count: number, app: () => [file: string, ...args: string[]]): Promise<Running> {
  const children: Child[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.stop()));
  };
  try {
    const ports: number[] = [];
    for (let i = 0; i < count; i++) {
      const [file, ...args] = app();
      const child = Child.fork(file, args, "server");
      children.push(child);
      ports.push(listening(await child.message()).port);
    }
    return { ports, parts: children.map(({ pid }) => ({ role, pid })), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startAlone(): Promise<Running> {
  return startApps("worker", 1, () => ["apps/ours.js"]);
}

async function startCluster(nodes: number): Promise<Running> {
  const servers: ServerProcess[] = [];
  const stopServers = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    const redis = await startRedis();
    servers.push(redis);
    const nats = await startNats();
    servers.push(nats);
    const prefix = `bench-${randomBytes(4).toString("hex")}`;
    const options: ServerOptions = { cluster: { redis: redis.url, nats: nats.url, prefix } };
    const apps = await startApps("worker", nodes, () => ["apps/ours.js", JSON.stringify(options)]);
    return {
      ports: apps.ports,
      parts: [...apps.parts, ...servers.map(({ part }) => part)],
      stop: async () => {
        await apps.stop();
        await stopServers();
      },
    };
  } catch (error) {
    await stopServers();
    throw error;
  }
}

/** The command `serve` with its primary's memory as the store. */
async function startEmbedded(through: "front" | "workers"): Promise<Running> {
  const app = join(__dirname, "apps/served.js");
  const args = ["serve", "--workers", String(NODES), "--port", "0", "--host", "127.0.0.1", "--app", app];
  // What this benchmark happens to run in must not configure what it measures.
  const env = { REDIS_URL: "", NATS_URL: "", LOG_FORMAT: "json", LOG_LEVEL: "info", DRAIN_TIMEOUT: "0" };
  const primary = Child.serve(join(ROOT, "dist/cluster/cli.js"), args, env);
  try {
    const front = await primary.until("line that it listens", () => {
      const found = /"port":(\d+)[^\n]*"msg":"listening"/.exec(primary.output)?.[1];
      return found === undefined ? undefined : Number(found);
    });
    const workers = await primary.until("line of each worker", () => {
      const lines = [...primary.output.matchAll(WORKER_LINE)];
      return lines.length < NODES
        ? undefined
        : lines.map(([, pid, port]) => ({ pid: Number(pid), port: Number(port) }));
    });
    return {
      ports: through === "front" ? [front] : workers.map(({ port }) => port),
      parts: [{ role: "primary", pid: primary.pid }, ...workers.map(({ pid }) => ({ role: "worker", pid }))],
      stop: () => primary.stop(),
    };
  } catch (error) {
    await primary.stop();
    throw error;
  }
}

async function startSticky(): Promise<Running> {
  const primary = Child.fork("apps/sticky.js", [String(NODES)], "server");
  try {
    const { port, workers } = listening(await primary.message());
    return {
      ports: [port],
      parts: [{ role: "primary", pid: primary.pid }, ...workers.map((pid) => ({ role: "worker", pid }))],
      stop: () => primary.stop(),
    };
  } catch (error) {
    await primary.stop();
    throw error;
  }
}

function listening(message: unknown): Listening {
  if (typeof message === "object" && message !== null && "type" in message && message.type === "listening") {
    return message as Listening;
  }
  throw new Error(`a server said ${JSON.stringify(message)} and not where it listens`);
}
