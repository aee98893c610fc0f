import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { ResendingProxy, type Resends } from "../helpers/resending-proxy";
import { FaultWorld } from "./fault-world";

const KINDS: readonly (readonly [Resends, string])[] = [
  ["answered", "after a node answered, whose answer never arrives"],
  ["under way", "while the first node is still at it"],
  ["broken", "and breaks the first connection, as nginx does"],
];

/** A balancer that sends requests, GETs and POSTs, to a second node though the first one lives and has them. */
describe("requests that are sent twice", () => {
  let world: FaultWorld | undefined;
  let proxy: ResendingProxy | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = proxy = undefined;
  });

  for (const [how, what] of KINDS) {
    for (const named of [true, false]) {
      test(`${what}: each is handled once, ${named ? "named by its client" : "named by the balancer alone"}`, () =>
        sendsTwice(how, named));
    }
  }

  async function sendsTwice(how: Resends, named: boolean): Promise<void> {
    // Redis takes a while at one node, so that the second attempt comes while the first one's turn is committed.
    world = await FaultWorld.start({
      links: true,
      websockets: 0,
      client: { timestampRequests: named },
      balancer: async (kit) => {
        kit.node(0).links!.redis.delay(30);
        proxy = await ResendingProxy.start(
          kit.nodes.map(({ port }) => port),
          how,
          3,
        );
        return proxy;
      },
    });
    await world.goesOn(12);
    const { sent } = await world.ends({ silence: 3_000 });
    const { GET, POST } = proxy!.resent;
    assert.ok(GET > 50 && POST > 50, `${GET} GETs and ${POST} POSTs were sent twice`);
    assert.deepEqual(proxy!.different, []);
    // And the last message of each session, which the load does not count.
    const sessions = world.polling.sids().length;
    assert.equal(await world.handled(), sent + sessions);
  }
});
