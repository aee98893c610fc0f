import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import type { KitNode } from "../../testing/kit-node";
import type { TcpProxy } from "../../testing/tcp-proxy";
import { waitFor } from "../helpers/wait-for";
import { accountOf, FaultWorld, isReady, LEASE, WITHDRAWN_WITHIN } from "./fault-world";

/** Longer than it takes until others serve its clients. */
const LONG = 2 * WITHDRAWN_WITHIN;

type Link = "redis" | "nats";

/** One of three nodes reaches Redis or NATS badly, or not at all, while the others do. */
describe("one node's links", () => {
  let world: FaultWorld;

  afterEach(() => world.kit.stop());

  const linkOf = (node: KitNode, link: Link): TcpProxy => node.links![link];

  for (const link of ["redis", "nats"] as const) {
    test(`to ${link} cut for longer than its lease: others have its polling sessions, its own websockets go on`, async () => {
      world = await FaultWorld.start({ links: true });
      world.relayedMayEnd = true;
      const { nodes } = world.kit;
      const each = await Promise.all(nodes.map((node) => world!.ownedBy(node)));
      const at = each.findIndex(({ polling, websockets }) => polling.length > 0 && websockets.length > 0);
      const [node, owned] = [nodes[at], each[at]];
      assert.ok(node !== undefined && owned !== undefined, JSON.stringify(each));
      linkOf(node, link).cut();
      await world.isReplaced(node, owned, LEASE + 10_000);
      // Without it, which answers nobody now.
      await world.goesOn(LONG / 1_000);
      linkOf(node, link).heal();
      await waitFor("it to be ready again", () => isReady(node));
      await waitFor("it to know what it lost", async () => {
        const { sids } = await accountOf(node);
        return owned.polling.every((sid) => !sids.includes(sid));
      });
      const { closes } = await accountOf(node);
      const reasons = new Map(closes.map(({ sid, reason }) => [sid, reason]));
      for (const sid of owned.polling) assert.equal(reasons.get(sid), "taken over");
      for (const sid of owned.websockets) assert.equal(reasons.get(sid), undefined);
      await world.ends({ silence: WITHDRAWN_WITHIN + 1_000 });
    });
  }

  test("to nats cut for a moment: requests wait, or go to others", async () => {
    world = await FaultWorld.start({ links: true });
    world.relayedMayEnd = true;
    const node = world.kit.node(0);
    linkOf(node, "nats").cut();
    await sleep(LEASE / 2);
    linkOf(node, "nats").heal();
    await waitFor("it to be ready again", () => isReady(node));
    await world.ends({ silence: LEASE / 2 + 1_500 });
  });

  test("to nats cut at all of them, for longer than their leases: there is nobody better, and requests wait", async () => {
    world = await FaultWorld.start({ links: true });
    world.relayedMayEnd = true;
    for (const node of world.kit.nodes) linkOf(node, "nats").cut();
    await sleep(2 * LEASE);
    for (const node of world.kit.nodes) linkOf(node, "nats").heal();
    const { retried } = await world.kit.nginx.counts();
    assert.equal(retried, 0);
    await world.ends({ silence: 2 * LEASE + 1_500 });
  });

  for (const link of ["redis", "nats"] as const) {
    test(`to ${link} delayed by 200 ms: it is only slower`, async () => {
      // With a lease that a busy machine can be late for.
      world = await FaultWorld.start({ links: true, options: { cluster: { leaseTtl: 5_000 } } });
      const node = world.kit.node(0);
      linkOf(node, link).delay(200);
      await world.goesOn(6);
      assert.equal(await isReady(node), true);
      assert.deepEqual(await world.takenFrom(node), []);
      await world.ends({ silence: 2_000 });
    });
  }
});
