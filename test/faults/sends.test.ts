import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { FaultWorld, LEASE, POLLING, SOAK, type Bounds, type WorldOptions } from "./fault-world";
import { Receivers } from "./receivers";
import { killInTurn, restartInTurn } from "./turns";

/** Sessions that are sent to; the load has so many less. */
const RECEIVERS = SOAK ? 60 : 24;
const AWAY = 3_000;
/** From the end of a server's absence to the end of its last silence, at most. */
const BEYOND = 2_500;

/** Messages of any node to any session (`engine.cluster.send`) while something fails: what was taken is there once and in order. */
describe("sends beside faults", () => {
  let world: FaultWorld | undefined;
  let receivers: Receivers | undefined;

  afterEach(async () => {
    receivers?.stop();
    await world?.kit.stop();
    world = receivers = undefined;
  });

  const bears = async (
    options: WorldOptions,
    bounds: Bounds,
    fault: (world: FaultWorld, receivers: Receivers) => Promise<void>,
  ): Promise<void> => {
    world = await FaultWorld.start({ websockets: 0, polling: POLLING - RECEIVERS, ...options });
    receivers = await Receivers.open(world.kit, RECEIVERS);
    await world.goesOn(2);
    await fault(world, receivers);
    await world.goesOn(2);
    await receivers.end();
    await receivers.leave();
    await world.ends(bounds);
  };

  test("kill -9 of each node in turn", () => bears({}, { silence: LEASE + 1_000 }, (world) => killInTurn(world)));

  test("SIGTERM of each node in turn", () => bears({}, { silence: LEASE + 1_000 }, (world) => restartInTurn(world)));

  test("a node stands still for twice its lease", () =>
    bears({}, { silence: 2 * LEASE + 1_000 }, async ({ kit }, receivers) => {
      const node = kit.node(0);
      receivers.avoided = node;
      node.pause();
      await sleep(2 * LEASE);
      node.resume();
      receivers.avoided = undefined;
    }));

  // As in e2e/store-faults: with Redis away some leases end and others do not. No session changes its owner all the same.
  const LASTING = { options: { cluster: { leaseTtl: 5_000 } } };

  test("Redis is killed, and back without its data after 3 s", () =>
    bears(LASTING, { silence: AWAY + BEYOND }, async ({ kit: { redis } }) => {
      await redis.kill();
      await sleep(AWAY);
      await redis.restart();
    }));

  test("NATS is killed, and back after 3 s", () =>
    bears(LASTING, { silence: AWAY + BEYOND }, async ({ kit: { nats } }) => {
      await nats.kill();
      await sleep(AWAY);
      await nats.restart();
    }));
});
