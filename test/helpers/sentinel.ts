import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePort } from "../../testing/free-port";
import { startRedis, type RedisServer } from "../../testing/redis";
import { startProcess, type RunningProcess } from "./processes";
import { TcpProxy } from "./tcp-proxy";
import { waitFor } from "./wait-for";

const MASTER_NAME = "main";

/** What a master fails over to when it is down for half a second: a replica whose link to it the test can delay. */
export interface WatchedRedis {
  readonly master: RedisServer;
  readonly replica: RedisServer;
  /** The replica's way to its master. */
  readonly replication: TcpProxy;
  /** Options of the client. */
  readonly options: {
    readonly sentinels: readonly { readonly host: string; readonly port: number }[];
    readonly name: string;
  };
  /** Begins a failover though the master is well. */
  failOver(): Promise<void>;
  /** Resolves when the sentinel names the replica as the master. */
  failedOver(): Promise<void>;
  /** Resolves when the first master has been told that it is none any more: about 8 s after the sentinel knows. */
  demoted(): Promise<void>;
  stop(): Promise<void>;
}

/** A master, a replica and a sentinel of the test's own, which know each other. */
export async function startWatchedRedis(): Promise<WatchedRedis> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const master = await startRedis();
    stops.push(() => master.stop());
    const replication = await TcpProxy.start(master.port);
    stops.push(() => replication.stop());
    const replica = await startRedis(["--replicaof", `127.0.0.1 ${replication.port}`]);
    stops.push(() => replica.stop());
    const sentinel = await startSentinel(master.port);
    stops.push(() => sentinel.stop());
    const client = new Redis(sentinel.port, "127.0.0.1", { maxRetriesPerRequest: null });
    client.on("error", () => undefined);
    stops.push(() => {
      client.disconnect();
      return Promise.resolve();
    });
    await waitFor("the sentinel to know the replica", async () => {
      const text = JSON.stringify(await client.call("SENTINEL", "REPLICAS", MASTER_NAME));
      return text.includes('"master-link-status","ok"');
    });
    return {
      master,
      replica,
      replication,
      options: { sentinels: [{ host: "127.0.0.1", port: sentinel.port }], name: MASTER_NAME },
      failOver: async () => {
        await client.call("SENTINEL", "FAILOVER", MASTER_NAME);
      },
      failedOver: async () => {
        await waitFor("the sentinel to name another master", async () => {
          const address = await client.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME);
          return Array.isArray(address) && address[1] === String(replica.port);
        });
      },
      demoted: async () => {
        const old = new Redis(master.port, "127.0.0.1", { maxRetriesPerRequest: null });
        old.on("error", () => undefined);
        try {
          await waitFor("the old master to be a replica", async () =>
            (await old.info("replication")).includes("role:slave"),
          );
        } finally {
          old.disconnect();
        }
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startSentinel(masterPort: number): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "sentinel-test-"));
  const port = await freePort();
  const file = join(folder, "sentinel.conf");
  // The replica says that its master is the proxy; a sentinel mends that when the time to fail over is past.
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} 1
sentinel down-after-milliseconds ${MASTER_NAME} 500
sentinel failover-timeout ${MASTER_NAME} 60000
`,
  );
  const process: RunningProcess = startProcess("redis-server", [file, "--sentinel"], { name: "sentinel" });
  return {
    port,
    stop: async () => {
      await process.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
