import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { waitFor } from "../helpers/wait-for";
import { accountOf, FaultWorld, LEASE } from "./fault-world";

/** A node that stands still and goes on (SIGSTOP, SIGCONT), for twice its lease. */
describe("nodes that stand still", () => {
  let world: FaultWorld | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = undefined;
  });

  /** The sessions of the node that stood still are others' now, and it has said so. */
  const tellsWhatItLost = async ({ kit }: FaultWorld, owned: readonly string[]): Promise<void> => {
    await waitFor("it to know what it lost", async () => {
      const { sids } = await accountOf(kit.node(0));
      return owned.every((sid) => !sids.includes(sid));
    });
    const { closes } = await accountOf(kit.node(0));
    const reasons = new Map(closes.map(({ sid, reason }) => [sid, reason]));
    for (const sid of owned) assert.equal(reasons.get(sid), "taken over");
  };

  test("the balancer leaves requests with it: they wait until it goes on, and nothing is lost or doubled", async () => {
    world = await FaultWorld.start();
    world.websocketsMayEnd = true;
    const node = world.kit.node(0);
    const polling = new Set(world.polling.sids());
    const owned = (await accountOf(node)).sids.filter((sid) => polling.has(sid));
    assert.ok(owned.length > 0);
    node.pause();
    await sleep(2 * LEASE);
    node.resume();
    const verdict = await world.ends({ silence: 2 * LEASE + 1_000 });
    assert.ok(verdict.longestSilenceMs > LEASE, "no request waited at the node that stood still");
  });

  test("its sessions whose requests are elsewhere go on without it, and it is refused when it wakes", async () => {
    world = await FaultWorld.start({
      // A reload of nginx closes the connections that clients keep. One that was just used again is reset, and the XMLHttpRequest
      // of the stock client in Node then makes a second request that it never ends.
      keepAlive: false,
    });
    world.websocketsMayEnd = true;
    const { kit, polling } = world;
    const node = kit.node(0);
    await kit.nginx.reconfigure({ upstreams: kit.nodes.slice(1).map(({ port }) => port) });
    // Until none of the polls that came before is at the node any more.
    await waitFor("no request to be left with it", async () => {
      const { stats } = await accountOf(node);
      return stats?.held === 0;
    });
    const mine = new Set(polling.sids());
    const owned = (await accountOf(node)).sids.filter((sid) => mine.has(sid));
    assert.ok(owned.length > 0);
    node.pause();
    await sleep(2 * LEASE);
    await waitFor("others to have all its sessions", async () => {
      const taken = new Set(await world!.takenFrom(node));
      return owned.every((sid) => taken.has(sid));
    });
    node.resume();
    await tellsWhatItLost(world, owned);
    await world.ends({ silence: LEASE + 1_000 });
  });
});
