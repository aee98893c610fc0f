import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, test } from "node:test";
import { startRedisCluster, type RedisCluster, type RedisServer } from "../../testing/redis";
import { FaultWorld, LEASE, SOAK } from "./fault-world";
import { killInTurn, P99, restartInTurn } from "./turns";

const AWAY = 1_000;
/**
 * A node that does not answer for `cluster-node-timeout` (2 s), as one that starts on a machine with much else to do, is marked as failed
 * by the others, and when it is back a master keeps the mark for twice that time: as long nobody is served.
 */
const MARKED = 4_000;
const ROUNDS = SOAK ? 5 : 1;

/** Three masters without replicas: while one is away, none of them serves anything. */
describe("a Redis Cluster whose nodes end in turn", () => {
  let world: FaultWorld | undefined;
  let redis: RedisCluster | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    await redis?.stop();
    world = redis = undefined;
  });

  const start = async (args: readonly string[]): Promise<FaultWorld> => {
    redis = await startRedisCluster(args);
    world = await FaultWorld.start({ env: { TEST_REDIS: JSON.stringify({ cluster: redis.nodes }) } });
    return world;
  };

  const inTurn = async (world: FaultWorld, ends: (server: RedisServer) => Promise<void>): Promise<void> => {
    for (let round = 1; round <= ROUNDS; round++) {
      for (const server of redis!.servers) {
        await ends(server);
        await sleep(AWAY);
        await server.restart();
        await world.goesOn(3);
      }
    }
  };

  const noTakeovers = async (world: FaultWorld): Promise<void> => {
    const takeovers = (await world.accounts()).flatMap((account) => account.takeovers);
    assert.deepEqual(takeovers, []);
  };

  test("kill -9, back without its data: living owners write it again", async () => {
    const world = await start([]);
    await inTurn(world, (server) => server.kill());
    await noTakeovers(world);
    await world.ends({ silence: AWAY + MARKED + 5_000 });
  });

  test("SIGTERM, back with its data, as in an update", async () => {
    const world = await start(["--appendonly", "yes"]);
    await inTurn(world, (server) => server.terminate());
    await noTakeovers(world);
    await world.ends({ silence: AWAY + MARKED + 5_000 });
  });
});

/** The store that they share is a cluster, and stays. */
describe("nodes that end in turn, on a Redis Cluster of three masters", () => {
  let world: FaultWorld | undefined;
  let redis: RedisCluster | undefined;

  beforeEach(async () => {
    redis = await startRedisCluster();
    world = await FaultWorld.start({ env: { TEST_REDIS: JSON.stringify({ cluster: redis.nodes }) } });
    world.websocketsMayEnd = true;
  });

  afterEach(async () => {
    await world?.kit.stop();
    await redis?.stop();
    world = redis = undefined;
  });

  test("kill -9 of each, started again after 2 s", async () => {
    await killInTurn(world!);
    await world!.ends({ silence: LEASE + 1_000, patience: SOAK ? 0 : 3_000, p99: P99 });
  });

  test("SIGTERM of each: nothing ends but websockets, nobody is answered an error, and nobody waits", async () => {
    await restartInTurn(world!);
    await world!.ends({ silence: 1_500, p99: P99 });
    const takeovers = (await world!.accounts()).map(({ stats }) => stats?.counts["takeovers"] ?? 0);
    assert.deepEqual(takeovers, [0, 0, 0]);
  });
});
