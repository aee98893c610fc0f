import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import type { Kit } from "../../testing/kit";
import { accountOf, FaultWorld, relayedOf, SOAK } from "../faults/fault-world";
import { mostWhile } from "../faults/most-while";

const POLLING = SOAK ? 200 : 60;
/** As many that begin with one, and as many that go over to one. */
const WEBSOCKETS = SOAK ? 25 : 8;
/** A message each way and session every so many milliseconds. */
const EVERY = SOAK ? 1_000 : 250;
/**
 * With 3 s of a fault, what it takes to connect anew, and the third of it that may be over when the last renewal fails, some leases
 * end and others do not. Websockets, relayed ones too, are to notice neither.
 */
const LEASE = 5_000;
/** From the end of a fault to the end of its last silence, at most; and what the world of these tests gives to a small machine besides. */
const BEYOND = SOAK ? 2_500 : 500;
/** What a node's memory may grow by while a server is away: a collection may be due. */
const GROWTH = 50_000_000;

/** Polling and websocket clients of three nodes whose servers fail under them. */
describe("faults of Redis and NATS", () => {
  let world: FaultWorld | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = undefined;
  });

  /**
   * All sessions go on behind the fault, with nothing lost, doubled or refused, and nobody took one from an owner that lives. What
   * waits meanwhile is no more than the clients have asked for.
   */
  const bears = async (relayedMayEnd: boolean, fault: (kit: Kit) => Promise<void>): Promise<void> => {
    const polling = { polling: POLLING, everyMs: EVERY };
    const options = { cluster: { leaseTtl: LEASE } };
    world = await FaultWorld.start({ ...polling, websockets: WEBSOCKETS, timeoutMs: 90_000, options });
    world.relayedMayEnd = relayedMayEnd;
    const before = await world.accounts();
    const upgraded = world.upgraded.sids();
    const began = performance.now();
    const { seen } = await mostWhile(
      () => world!.accounts(),
      () => fault(world!.kit),
    );
    const took = performance.now() - began;
    const calls = (await callsOf(world)).map((count, i) => count - (before[i]?.stats?.store["calls"] ?? 0));
    console.log(`meanwhile, of a node at most: ${JSON.stringify(seen)}, and ${calls.join(", ")} calls to the store`);
    checkMemory(seen, Math.max(...before.map(({ rss }) => rss)));
    await world.goesOn(5);
    // One that is at its session's owner needs no bus. Those that were opened in the place of others are not counted.
    const relayed = relayedOf(before);
    const behind = await world.accounts();
    const alive = new Set(behind.flatMap(({ sids }) => sids));
    const ended = upgraded.filter((sid) => !alive.has(sid)).length;
    console.log(`${ended} of ${upgraded.length} upgraded websockets have ended, and ${relayed} were relayed`);
    assert.ok(ended <= relayed, `${ended} websockets ended, and ${relayed} were relayed`);
    assert.deepEqual(
      behind.flatMap(({ takeovers }) => takeovers),
      [],
    );
    await world.ends({ silence: took + BEYOND });
    assert.deepEqual(
      (await world.accounts()).flatMap((account) => account.takeovers),
      [],
    );
  };

  test("Redis is killed, and back without its data after 3 s", () =>
    bears(false, async ({ redis }) => {
      await redis.kill();
      await sleep(3_000);
      await redis.restart();
    }));

  test("Redis is killed for longer than a lease, and back without its data", () =>
    bears(false, async ({ redis }) => {
      await redis.kill();
      await sleep(LEASE + 1_500);
      await redis.restart();
    }));

  test("Redis stands still for 3 s", () =>
    bears(false, async ({ redis }) => {
      redis.pause();
      await sleep(3_000);
      redis.resume();
    }));

  test("NATS is killed, and back after 3 s", () =>
    bears(true, async ({ nats }) => {
      await nats.kill();
      await sleep(3_000);
      await nats.restart();
    }));
});

function callsOf(world: FaultWorld): Promise<number[]> {
  return Promise.all(world.kit.nodes.map(async (node) => (await accountOf(node)).stats?.store["calls"] ?? Infinity));
}

/** A polling client has a poll and a POST under way, and a message each in its bodies and buffers for each time that one was due. */
function checkMemory(seen: Readonly<Record<string, number>>, rss: number): void {
  const clients = POLLING + 2 * WEBSOCKETS;
  const { rss: most = Infinity, bodyBytes = Infinity, ...counts } = seen;
  assert.ok(most - rss < GROWTH, `a node's memory has grown by ${most - rss} bytes`);
  assert.ok(bodyBytes < 100 * 1_000, `${bodyBytes} bytes of bodies at one node`);
  for (const [name, count] of Object.entries(counts)) {
    assert.ok(count <= 2 * clients, `${count} of ${name} at one node, with ${clients} clients`);
  }
}
