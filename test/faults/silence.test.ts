import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import type { KitNode } from "../../testing/kit-node";
import type { Silenced } from "../../testing/tcp-proxy";
import { waitFor } from "../helpers/wait-for";
import { accountOf, FaultWorld, isReady, LEASE, WITHDRAWN_WITHIN, type Owned } from "./fault-world";

/** Until a node knows that NATS is silent: its client pings each second, and gives up at the third. Of Redis its own lease tells. */
const NOTICED_WITHIN = 3_000;
const REPLACED_WITHIN = LEASE + 15_000;

/** A node has its connections to Redis or NATS and nothing comes through, one way or either; or it has none. The others go on. */
describe("one node's links are silent", () => {
  let world: FaultWorld;

  afterEach(() => world.kit.stop());

  const ownedBy = async (node: KitNode): Promise<Owned> => {
    const owned = await world.ownedBy(node);
    assert.ok(owned.polling.length > 0, JSON.stringify(owned));
    return owned;
  };

  /** It is heard again: it serves, it has said what it lost, and its own websockets never noticed. */
  const isBack = async (node: KitNode, { polling, websockets }: Owned): Promise<void> => {
    await waitFor("it to be ready again", () => isReady(node));
    await waitFor("it to know what it lost", async () => {
      const { closes } = await accountOf(node);
      const reasons = new Map(closes.map(({ sid, reason }) => [sid, reason]));
      for (const sid of websockets) assert.equal(reasons.get(sid), undefined);
      return polling.every((sid) => reasons.get(sid) === "taken over");
    });
  };

  /** Two nodes suffer at once; there is one at least that has all. */
  const suffer = async (redis: readonly [number, Silenced], nats: readonly [number, Silenced]): Promise<void> => {
    const nodes = [world.kit.node(redis[0]), world.kit.node(nats[0])] as const;
    const owned = await Promise.all(nodes.map(ownedBy));
    assert.ok(owned.some(({ websockets }) => websockets.length > 0));
    nodes[0].links!.redis.silence(redis[1]);
    nodes[1].links!.nats.silence(nats[1]);
    await Promise.all(nodes.map((node, i) => world.isReplaced(node, owned[i]!, REPLACED_WITHIN)));
    // Without them, which answer nobody now.
    await world.goesOn(5);
    nodes[0].links!.redis.heal();
    nodes[1].links!.nats.heal();
    await Promise.all(nodes.map((node, i) => isBack(node, owned[i]!)));
    await world.goesOn();
  };

  test("for a moment: nobody takes anything; longer than a lease: others have its polling sessions, its own websockets go on", async () => {
    world = await FaultWorld.start({ links: true, nodes: 5, websockets: 20 });
    world.relayedMayEnd = true;
    const began = performance.now();
    world.kit.node(0).links!.redis.silence();
    world.kit.node(1).links!.nats.silence();
    await sleep(LEASE / 4);
    world.kit.node(0).links!.redis.heal();
    world.kit.node(1).links!.nats.heal();
    const silent = performance.now() - began;
    await waitFor("all to be ready", async () => (await Promise.all(world.kit.nodes.map(isReady))).every(Boolean));
    await world.goesOn(2);
    const takeovers = (await world.accounts()).flatMap(({ takeovers }) => takeovers);
    // Where this process stood still meanwhile it was no moment, and a lease may have ended.
    if (silent <= LEASE / 2) assert.deepEqual(takeovers, []);
    else console.log(`the moment was ${Math.round(silent)} ms: ${takeovers.length} takeovers`);
    await suffer([0, "both"], [1, "both"]);
    // What it says is done, and it hears no answers; what it says is not heard, and it hears the others.
    await suffer([2, "server"], [3, "client"]);
    await world.ends({ silence: NOTICED_WITHIN + WITHDRAWN_WITHIN + 1_000 });
  });

  // It cannot know whether it is alone, and waits. Where it reaches NATS again well before Redis it learns that it is, and what waits
  // there is served by others.
  test("cut to both at once, longer than its lease: others have its polling sessions; what waits there is served when it is back", async () => {
    world = await FaultWorld.start({ links: true });
    world.relayedMayEnd = true;
    const node = world.kit.node(0);
    const owned = await ownedBy(node);
    const began = performance.now();
    node.links!.redis.cut();
    node.links!.nats.cut();
    await world.isReplaced(node, owned, REPLACED_WITHIN);
    const waiting = (await accountOf(node)).stats!.held;
    assert.ok(waiting > 0, "no request waits at the node");
    await sleep(1_000);
    assert.ok(
      (await accountOf(node)).stats!.held >= waiting,
      "it let go of requests, of which it cannot know whether others serve",
    );
    node.links!.redis.heal();
    node.links!.nats.heal();
    const away = performance.now() - began;
    await isBack(node, owned);
    await world.ends({ silence: away + LEASE / 3 + 1_500 });
  });
});
