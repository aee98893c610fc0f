import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { Redis } from "ioredis";
import { freePort } from "./free-port";

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends it and removes its folder. */
  readonly stop: () => Promise<void>;
  /** As a crash would; the folder stays until `stop`. */
  readonly kill: () => Promise<void>;
  /** In good order, by SIGTERM; the folder stays until `stop`. */
  readonly terminate: () => Promise<void>;
  /**
   * The same port again, after `kill` or `terminate`: empty, since nothing is saved. One that was started with arguments that make it save what it
   * has comes back with that, unless it is told to forget.
   */
  readonly restart: (options?: { readonly forget?: boolean }) => Promise<void>;
  /** Stops it from running, its connections open, until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
}

export interface RedisCluster {
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  readonly servers: readonly RedisServer[];
  readonly stop: () => Promise<void>;
}

const HOST = "127.0.0.1";

/** A server of this test's own, on a free port, that saves nothing. Resolves when it answers. */
export async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "eio-redis-"));
  let port = 0;
  let child: ChildProcess | undefined;
  for (let tries = 0; child === undefined && tries < 5; tries++) {
    port = await freePort();
    child = await run(folder, port, args);
  }
  if (child === undefined) throw new Error("redis-server does not start");
  let current = child;
  const kill = () => end(current);
  return {
    url: `redis://${HOST}:${port}`,
    port,
    get pid() {
      return current.pid ?? 0;
    },
    kill,
    terminate: () => end(current, "SIGTERM"),
    pause: () => void current.kill("SIGSTOP"),
    resume: () => void current.kill("SIGCONT"),
    restart: async ({ forget = false } = {}) => {
      if (forget) for (const saved of await readdir(folder)) await rm(join(folder, saved), { recursive: true });
      const next = await run(folder, port, args);
      if (next === undefined) throw new Error(`redis-server does not start again on port ${port}`);
      current = next;
    },
    stop: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Three masters that share the slots, without replicas. Resolves when each of them sees all slots served. */
export async function startRedisCluster(args: readonly string[] = []): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    // The bus port is 10,000 above: a free one below 55,536 is needed, so it is asked for again until it fits.
    while (servers.length < 3) {
      servers.push(await startRedis(["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", ...args]));
    }
    const clients = servers.map(({ port }) => new Redis(port, HOST));
    try {
      await join3(servers, clients);
    } finally {
      for (const client of clients) client.disconnect();
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { nodes: servers.map(({ port }) => ({ host: HOST, port })), servers, stop };
}

async function join3(servers: readonly RedisServer[], clients: readonly Redis[]): Promise<void> {
  const share = Math.ceil(16_384 / clients.length);
  for (const [i, client] of clients.entries()) {
    const last = Math.min((i + 1) * share, 16_384) - 1;
    await client.call("CLUSTER", "ADDSLOTSRANGE", String(i * share), String(last));
    await client.call("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
  }
  for (const { port } of servers.slice(1)) await clients[0]?.call("CLUSTER", "MEET", HOST, String(port));
  for (const client of clients) {
    await eventually(`a cluster of ${clients.length}`, async () => {
      const info = String(await client.call("CLUSTER", "INFO"));
      return (
        info.includes("cluster_state:ok") && info.includes("cluster_size:3") && info.includes("cluster_known_nodes:3")
      );
    });
  }
}

export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`did not happen within 20 s: ${what}`);
    await setTimeout(20);
  }
}

/** `undefined` when it ended by itself: the port was taken meanwhile. */
async function run(folder: string, port: number, args: readonly string[]): Promise<ChildProcess | undefined> {
  const child = spawn(
    "redis-server",
    ["--port", String(port), "--bind", HOST, "--dir", folder, "--save", "", "--appendonly", "no", ...args],
    { stdio: "ignore" },
  );
  let failed: Error | undefined;
  child.once("error", (error) => (failed = error));
  // A test that is torn down hard must not leave it behind.
  const killAtExit = () => child.kill("SIGKILL");
  process.once("exit", killAtExit);
  child.once("exit", () => process.off("exit", killAtExit));
  const client = new Redis(port, HOST, { lazyConnect: true, retryStrategy: () => 20, maxRetriesPerRequest: 0 });
  client.on("error", () => undefined);
  try {
    await eventually(`redis-server answers on port ${port}`, async () => {
      if (failed !== undefined) throw failed;
      if (child.exitCode !== null) return true;
      // It itself, and not another server that was quicker to take the port.
      return client.info("server").then(
        (info) => info.includes(`process_id:${child.pid}\r`),
        () => false,
      );
    });
  } finally {
    client.disconnect();
  }
  return child.exitCode === null ? child : undefined;
}

async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill(signal);
  await ended;
}
