import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { assertFlawless } from "../../testing/checked-load";
import { raw } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";
import type { KitNode } from "../../testing/kit-node";
import { accountOf, FaultWorld, LEASE, SOAK } from "./fault-world";

/** POSTs that owners remember at least, however old: those of a session that is in a hurry are forgotten soon (H6). */
const REMEMBERED = 64;

/**
 * So long nginx waits for an answer; no poll is silent for as long where all is well, since messages come. One whose session's owner
 * stands still waits at the two nodes that live, one after the other, and is answered 504 where the session is not another's by
 * then: twice this time must be well above a lease and a third, and what the last POST has waited at the node before.
 */
const READ_TIMEOUT = 1.5 * LEASE;

/** POSTs, by session, that nginx gave up at this node and had answered by another one, with how many came behind them since. */
function givenUp({ kit }: FaultWorld, node: KitNode): Map<string, number> {
  const since = new Map<string, number>();
  for (const line of kit.nginx.accessLog().split("\n")) {
    const [, sid = ""] = /^200 POST \S*[?&]sid=([^& ]+)/.exec(line) ?? [];
    if (sid === "") continue;
    const count = since.get(sid);
    if (line.includes(`[127.0.0.1:${node.port}, `) && line.endsWith("[504, 200]")) since.set(sid, 0);
    else if (count !== undefined) since.set(sid, count + 1);
  }
  return since;
}

function statusOf({ process }: KitNode): string {
  return readFileSync(`/proc/${process.pid}/status`, "utf8");
}

/** A node that stands still and goes on (SIGSTOP, SIGCONT), for less than its lease and for longer. */
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
    world.relayedMayEnd = true;
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

  test("for less than its lease: nobody takes anything, and no websocket ends", async () => {
    world = await FaultWorld.start();
    const node = world.kit.node(0);
    const began = performance.now();
    node.pause();
    await sleep(LEASE / 4);
    node.resume();
    const still = performance.now() - began;
    await world.goesOn(2);
    const taken = await world.takenFrom(node);
    // Where this process stood still meanwhile it was longer, and the lease may have ended.
    if (still <= LEASE / 2) assert.deepEqual(taken, []);
    else console.log(`it stood still for ${Math.round(still)} ms: ${taken.length} takeovers`);
    world.relayedMayEnd = still > LEASE / 2;
    await world.ends({ silence: still + 1_000 });
  });

  test("its sessions whose requests are elsewhere go on without it, and it is refused when it wakes", async () => {
    world = await FaultWorld.start({
      // A reload of nginx closes the connections that clients keep. One that was just used again is reset, and the XMLHttpRequest
      // of the stock client in Node then makes a second request that it never ends.
      keepAlive: false,
    });
    world.relayedMayEnd = true;
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

  test("the balancer gives it up and repeats its requests elsewhere: nothing is lost or doubled", async () => {
    world = await FaultWorld.start({
      readTimeoutMs: READ_TIMEOUT,
      // A client that goes over waits for its POST, and so says nothing by its websocket: nginx gives up both in the same millisecond,
      // and the stock client hangs then (U7).
      upgraded: 0,
    });
    world.websocketsMayEnd = true;
    const { kit, polling } = world;
    const node = kit.node(0);
    node.pause();
    // So long that what came first is given up, and what came last is not.
    const pause = READ_TIMEOUT + LEASE;
    await sleep(pause);
    node.resume();
    await world.ends({ silence: pause + 1_000 });
    const mine = new Set(polling.sids());
    const posts = [...givenUp(world, node).keys()].filter((sid) => mine.has(sid));
    assert.ok(posts.length > 0, "no POST was given up");
  });

  test("a turn that it was about to commit is refused when it wakes, and another node's of the same POST counts", async () => {
    world = await FaultWorld.start({
      readTimeoutMs: READ_TIMEOUT,
      websockets: 0,
      // See above.
      keepAlive: false,
    });
    const { kit, polling } = world;
    const node = kit.node(0);
    const mine = new Set(polling.sids());
    const owned = (await accountOf(node)).sids.filter((sid) => mine.has(sid));
    assert.ok(owned.length > 0);
    await raw(`${node.url}/__test/stop-at-post?own`);
    await waitFor("it to stop with a POST in its hands", () => /^State:\s+T/m.test(statusOf(node)));
    await kit.nginx.reconfigure({
      upstreams: kit.nodes.slice(1).map(({ port }) => port),
      readTimeoutMs: READ_TIMEOUT,
    });
    await waitFor("others to have all its sessions, and what it was asked", async () => {
      const taken = new Set(await world!.takenFrom(node));
      return owned.every((sid) => taken.has(sid)) && givenUp(world!, node).size > 0;
    });
    await sleep(LEASE);
    node.resume();
    await tellsWhatItLost(world, owned);
    const { sent } = await world.ends({ silence: 2 * READ_TIMEOUT + 1_000 });
    // And the last message of each session, which the load does not count.
    const once = sent + world.polling.sids().length;
    const times = await world.handled();
    assert.ok(times > once, `${times} messages were handled, of ${once}: no turn was refused whose handlers had run`);
  });

  test("requests that were given up are not handled again when it wakes, though all have forgotten them", async () => {
    world = await FaultWorld.start({
      readTimeoutMs: READ_TIMEOUT,
      websockets: 0,
      // See above.
      keepAlive: false,
      ...(SOAK ? {} : { polling: 12 }),
    });
    const { kit } = world;
    const node = kit.node(0);
    const hurry = kit.load({ sessions: 8, messages: Infinity, everyMs: 20, keepAlive: false, timeoutMs: 400_000 });
    await hurry.opened;
    await hurry.whenEchoed(8 * 10);
    // POSTs of its own sessions wait at the others, for it.
    const its = new Set((await accountOf(node)).sids);
    const hurried = new Set(hurry.sids().filter((sid) => !its.has(sid)));
    // One POST is in its hands then, and it goes on with that before it reads anything; the others lie in its connections.
    await raw(`${node.url}/__test/stop-at-post`);
    // A session has one POST under way: the third at the latest comes to this node.
    await sleep(500);
    await kit.nginx.reconfigure({
      upstreams: kit.nodes.slice(1).map(({ port }) => port),
      readTimeoutMs: READ_TIMEOUT,
    });
    await waitFor(
      "POSTs to be given up, answered by others and forgotten",
      async () => {
        await sleep(200);
        const counts = [...givenUp(world!, node)].filter(([sid]) => hurried.has(sid)).map(([, since]) => since);
        return counts.length >= hurried.size / 2 && counts.every((since) => since > REMEMBERED);
      },
      60_000,
    );
    // They know all of the last lease, too.
    await sleep(LEASE + 500);
    node.resume();
    await world.goesOn();
    hurry.finish();
    // Handlers may have run twice all the same: the node was stopped between some of them and their commits.
    assertFlawless(await hurry.done);
    await world.ends({ silence: 2 * READ_TIMEOUT + 1_000 });
  });
});
