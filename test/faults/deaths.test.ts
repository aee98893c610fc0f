import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { FaultWorld, LEASE, SOAK } from "./fault-world";

const RESTART_AFTER = 2_000;
/** How often each node is killed. */
const ROUNDS = SOAK ? 5 : 1;

/** Nodes that end, one at a time and together, behind nginx. */
describe("nodes that die", () => {
  let world: FaultWorld | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = undefined;
  });

  test("kill -9 of each node in turn, started again after 2 s", async () => {
    world = await FaultWorld.start();
    world.websocketsMayEnd = true;
    for (let round = 1; round <= ROUNDS; round++) {
      for (const node of world.kit.nodes) {
        await node.kill();
        await sleep(RESTART_AFTER);
        await node.start();
        await world.goesOn(1);
      }
    }
    await world.ends({ silence: LEASE + 1_000, p99: 500 });
  });

  test("two of three are killed together: owners and holders of the same sessions", async () => {
    world = await FaultWorld.start();
    world.websocketsMayEnd = true;
    const { nodes } = world.kit;
    for (const [one, two] of SOAK
      ? ([
          [0, 1],
          [1, 2],
          [2, 0],
        ] as const)
      : ([[0, 1]] as const)) {
      const both = [nodes[one]!, nodes[two]!];
      await Promise.all(both.map((node) => node.kill()));
      await sleep(RESTART_AFTER);
      await Promise.all(both.map((node) => node.start()));
      await world.goesOn(2);
    }
    await world.ends({ silence: LEASE + 1_000 });
  });

  test("each is killed while it hands its sessions over, 100 ms after SIGTERM", async () => {
    world = await FaultWorld.start();
    world.websocketsMayEnd = true;
    for (const node of world.kit.nodes) {
      node.process.signal("SIGTERM");
      await sleep(100);
      await node.kill();
      await node.start();
      await world.goesOn(2);
    }
    await world.ends({ silence: LEASE + 1_000 });
  });

  test("one is killed while Redis restarts with its data", async () => {
    world = await FaultWorld.start({ redisArgs: ["--appendonly", "yes", "--appendfsync", "always"] });
    world.websocketsMayEnd = true;
    const { redis, nodes } = world.kit;
    await redis.kill();
    await nodes[0]!.kill();
    await sleep(1_000);
    await redis.restart();
    await nodes[0]!.start();
    await world.goesOn(2);
    await world.ends({ silence: 1_000 + 2 * LEASE + 1_000 });
  });
});
