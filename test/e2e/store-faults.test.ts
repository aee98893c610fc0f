import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { assertFlawless, startLoad, type Load } from "../helpers/checked-load";
import { startCluster, type Cluster } from "../helpers/cluster";
import { startNats, type NatsProcess } from "../helpers/nats";
import { startNginx, type Nginx } from "../helpers/nginx";
import { startRedis, type RedisServer } from "../helpers/redis";

const SOAK = process.env["SOAK"] === "1";
const SESSIONS = SOAK ? 200 : 60;
/** A message each way and session every so many milliseconds. */
const EVERY = SOAK ? 1000 : 250;
const LEASE = 5_000;
/** From the end of a fault to the end of its last silence, at most. */
const BEYOND = 3_500;

interface World {
  readonly redis: RedisServer;
  readonly nats: NatsProcess;
  readonly cluster: Cluster;
  readonly nginx: Nginx;
  readonly load: Load;
}

/** Polling sessions whose servers fail under them. */
describe("faults of Redis and NATS", () => {
  const stops: (() => unknown)[] = [];

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const start = async (): Promise<World> => {
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const nats = await startNats();
    stops.push(() => nats.stop());
    const cluster = await startCluster({ nodes: 3, redisUrl: redis.url, natsUrl: nats.url });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const load = startLoad({
      url: nginx.url,
      sessions: SESSIONS,
      messages: Infinity,
      everyMs: EVERY,
      timeoutMs: 90_000,
    });
    stops.push(() => load.abort());
    await load.opened;
    await load.whenEchoed(4 * SESSIONS);
    return { redis, nats, cluster, nginx, load };
  };

  /** Behind the fault, which took that long, all sessions go on, and nothing is lost, doubled or refused. */
  const goesOn = async ({ nginx, load }: World, fault: number): Promise<void> => {
    await load.whenEchoed(load.verdict().echoed + 5 * SESSIONS);
    // Before the clients close: a poll that comes behind its session's end is refused by any server.
    assert.deepEqual((await nginx.counts()).refused, []);
    load.finish();
    const verdict = await load.done;
    assertFlawless(verdict);
    console.log(`longest silence ${verdict.longestSilenceMs} ms`);
    assert.ok(verdict.longestSilenceMs < fault + BEYOND, `${verdict.longestSilenceMs} ms of silence`);
  };

  /** Nobody took a session from an owner that lives. */
  const noTakeovers = async ({ cluster }: World): Promise<void> => {
    const accounts = [...(await cluster.accounts()).values()];
    const takeovers = accounts.flatMap((account) => account.takeovers);
    assert.deepEqual(takeovers, []);
  };

  test("Redis is killed, and back without its data after 3 s", async () => {
    const world = await start();
    const began = performance.now();
    await world.redis.kill();
    await sleep(3_000);
    await world.redis.restart();
    await goesOn(world, performance.now() - began);
    await noTakeovers(world);
  });

  test("Redis is killed for longer than a lease, and back without its data", async () => {
    const world = await start();
    const began = performance.now();
    await world.redis.kill();
    await sleep(LEASE + 1_500);
    await world.redis.restart();
    await goesOn(world, performance.now() - began);
    await noTakeovers(world);
  });

  test("Redis stands still for 3 s", async () => {
    const world = await start();
    const began = performance.now();
    process.kill(world.redis.pid, "SIGSTOP");
    try {
      await sleep(3_000);
    } finally {
      process.kill(world.redis.pid, "SIGCONT");
    }
    await goesOn(world, performance.now() - began);
    await noTakeovers(world);
  });

  test("NATS is killed, and back after 3 s", async () => {
    const world = await start();
    const began = performance.now();
    await world.nats.kill();
    await sleep(3_000);
    const again = await startNats("", world.nats.port);
    stops.push(() => again.stop());
    await goesOn(world, performance.now() - began);
  });
});
