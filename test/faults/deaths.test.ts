import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import type { KitNode } from "../../testing/kit-node";
import { waitFor } from "../helpers/wait-for";
import { accountOf, FaultWorld, LEASE, SOAK } from "./fault-world";
import { killInTurn, P99 } from "./turns";

const RESTART_AFTER = 2_000;
/** What a node's turns take, in milliseconds, for its sessions not to be handed over all at once. */
const SLOW = 400;
/** Nothing is added in the soak, where nothing else runs. */
const SOUND = { silence: LEASE + 1_000, patience: SOAK ? 0 : 3_000 };

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
    await killInTurn(world);
    await world.ends({ ...SOUND, p99: P99, everyTimer: true });
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
    await world.ends(SOUND);
  });

  test("each is killed while it hands its sessions over, when some are others' already", async () => {
    world = await FaultWorld.start({ links: true });
    world.websocketsMayEnd = true;
    const all = { handovers: 0, takeovers: 0 };
    for (const node of world.kit.nodes) {
      node.links!.redis.delay(SLOW);
      await world.goesOn(1);
      const owned = await world.ownedBy(node);
      const before = await changesAt(world, node);
      node.process.signal("SIGTERM");
      await waitFor("the first handover", async () => (await changesAt(world!, node)).handovers > before.handovers);
      await node.kill();
      node.links!.redis.heal();
      await world.isInherited(node, owned, LEASE + 10_000);
      const { handovers, takeovers } = await changesAt(world, node);
      all.handovers += handovers - before.handovers;
      all.takeovers += takeovers - before.takeovers;
      await node.start();
      await world.goesOn(2);
    }
    console.log(`sessions that were handed over: ${all.handovers}; taken over: ${all.takeovers}`);
    assert.ok(all.handovers > 0 && all.takeovers > 0, "no node was killed in the middle of it");
    await world.ends(SOUND);
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

/** Of sessions that were another node's, at all nodes but this one. */
async function changesAt(world: FaultWorld, but: KitNode): Promise<{ handovers: number; takeovers: number }> {
  const accounts = await Promise.all(world.kit.nodes.filter((node) => node !== but).map(accountOf));
  const sum = (name: string): number => accounts.reduce((all, { stats }) => all + (stats?.counts[name] ?? 0), 0);
  return { handovers: sum("handovers"), takeovers: sum("takeovers") };
}
