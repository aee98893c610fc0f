import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { startWatchedRedis, type WatchedRedis } from "../helpers/sentinel";
import { FaultWorld } from "./fault-world";

/** How far the replica is behind its master. */
const LAG = 1_000;

/** A failover to a replica that has not got the last second of writes. All owners live, and write again what is missing. */
describe("a failover of Redis, to a replica that lags", () => {
  let world: FaultWorld | undefined;
  let redis: WatchedRedis | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    await redis?.stop();
    world = redis = undefined;
  });

  const start = async (): Promise<{ world: FaultWorld; redis: WatchedRedis }> => {
    redis = await startWatchedRedis();
    world = await FaultWorld.start({ env: { TEST_REDIS: JSON.stringify(redis.options) } });
    redis.replication.delay(LAG);
    // By now the replica has nothing of the last second.
    await sleep(LAG + 500);
    return { world, redis };
  };

  /** Behind it no session changes its owner, also when there was time to take each other for dead. */
  const ends = async (world: FaultWorld, silence: number): Promise<void> => {
    await world.goesOn(10);
    assert.deepEqual(
      (await world.accounts()).flatMap((account) => account.takeovers),
      [],
    );
    const restores = (await world.accounts()).map(({ stats }) => stats?.counts["restores"] ?? 0);
    assert.ok(
      restores.some((count) => count > 0),
      "the replica did not lag",
    );
    await world.ends({ silence });
  };

  test("the master is killed", async () => {
    const { world, redis } = await start();
    await redis.master.kill();
    // What was on its way to the replica is lost with it.
    redis.replication.cut();
    await redis.failedOver();
    await ends(world, 5_000);
  });

  test("the master lives, and is told to be a replica later than its successor is master", async () => {
    const { world, redis } = await start();
    await redis.failOver();
    await redis.failedOver();
    await redis.demoted();
    await ends(world, 5_000);
  });
});
