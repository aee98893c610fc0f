import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { assertFlawless, type Load, type Verdict } from "../../testing/checked-load";
import type { Kit } from "../../testing/kit";
import { replaced, startShipped, type BalancerKind, type ShippedBalancer } from "../helpers/shipped-balancers";
import { FaultWorld, SOAK, type Balancer } from "./fault-world";

const POLLING = SOAK ? 60 : 16;
const UNNAMED = SOAK ? 24 : 8;
const WEBSOCKETS = SOAK ? 12 : 3;
const EVERY = 300;
const RESTART_AFTER = 1_000;

/** What deploy/nginx.conf would be without the line that this is about. */
const withoutRetries = (text: string): string =>
  replaced(text, /proxy_next_upstream error timeout http_503 non_idempotent;/, "proxy_next_upstream off;");
const without503 = (text: string): string => replaced(text, " http_503", "");

interface Clients {
  readonly polling: Load;
  /** Polling clients whose requests have no `t`, as those of other languages: it is the balancer that names them. */
  readonly unnamed: Load;
  readonly websockets: Load;
}

interface Verdicts {
  readonly polling: Verdict;
  readonly unnamed: Verdict;
  readonly websockets: Verdict;
}

describe("balancers with the configurations of deploy/", () => {
  let world: FaultWorld | undefined;
  let balancers: ShippedBalancer[] = [];

  afterEach(async () => {
    await world?.kit.stop();
    await Promise.all(balancers.map((balancer) => balancer.stop()));
    world = undefined;
    balancers = [];
  });

  const startBalancer = async (kit: Kit, kind: BalancerKind, edit?: (text: string) => string): Promise<Balancer> => {
    const upstreams = kit.nodes.map(({ port }) => port);
    const balancer = await startShipped(kind, { upstreams, ...(edit === undefined ? {} : { edit }) });
    balancers.push(balancer);
    return balancer;
  };

  const shared = { messages: Infinity, everyMs: EVERY, timeoutMs: 200_000 };
  const nameless = { ...shared, sessions: UNNAMED, client: { timestampRequests: false } };

  /** The world's own clients are those of nginx with the configuration as it is. */
  const start = async (): Promise<{ readonly world: FaultWorld; readonly nginx: Clients }> => {
    world = await FaultWorld.start({
      links: true,
      env: {
        TEST_APP: join(__dirname, "../helpers/ready-app.cjs"),
        // So that one that cannot join can be asked.
        TEST_LISTEN: "early",
      },
      // Some clients are dropped, and what nobody asks for any more is found by its ping.
      options: { pingInterval: 5_000, pingTimeout: 8_000, cluster: { storeAwayAfter: 10_000 } },
      polling: POLLING,
      // So many that some of those that go over to one are relayed.
      websockets: Math.max(8, WEBSOCKETS),
      everyMs: EVERY,
      timeoutMs: shared.timeoutMs,
      balancer: (kit) => startBalancer(kit, "nginx"),
    });
    const { kit, balancer, polling, websockets } = world;
    const unnamed = kit.load({ ...nameless, url: balancer.url });
    await unnamed.opened;
    return { world, nginx: { polling, unnamed, websockets } };
  };

  /** Clients of another balancer. */
  const clients = async (kit: Kit, kind: BalancerKind, edit?: (text: string) => string): Promise<Clients> => {
    const { url } = await startBalancer(kit, kind, edit);
    const polling = kit.load({ ...shared, url, sessions: POLLING });
    const unnamed = kit.load({ ...nameless, url });
    const websockets = kit.load({ ...shared, url, sessions: WEBSOCKETS, transports: ["websocket"], reopen: true });
    await Promise.all([polling.opened, unnamed.opened, websockets.opened]);
    return { polling, unnamed, websockets };
  };

  /** What is wrong with what is left behind the end of all clients. Before the parts of a test, each of which ends the world behind it. */
  const findLeft = async (world: FaultWorld): Promise<unknown> => {
    for (const balancer of balancers) if (balancer !== world.balancer) await balancer.stop();
    return world.leavesNothing().then(
      () => undefined,
      (error: unknown) => error,
    );
  };

  /** Until those clients that lose nothing have had two echoes more, on average. */
  const goOn = (all: readonly Clients[]): Promise<unknown> =>
    Promise.all(all.map(({ polling }) => polling.whenEchoed(polling.verdict().echoed + 2 * POLLING)));

  const end = async ({ polling, unnamed, websockets }: Clients): Promise<Verdicts> => {
    for (const load of [polling, unnamed, websockets]) load.finish();
    return { polling: await polling.done, unnamed: await unnamed.done, websockets: await websockets.done };
  };

  /** Of the world's own clients and those beside them. */
  const endOfWorld = async (world: FaultWorld, { unnamed }: Clients): Promise<Verdicts> => {
    const { polling, websockets } = await world.settle();
    unnamed.finish();
    return { polling, unnamed: await unnamed.done, websockets };
  };

  test("kill -9 of each node in turn, under the clients of nginx, haproxy and Caddy", async (t) => {
    const { world, nginx } = await start();
    const { kit } = world;
    const [haproxy, caddy] = await Promise.all([clients(kit, "haproxy"), clients(kit, "caddy")]);
    const bare = await clients(kit, "nginx", withoutRetries);
    await goOn([nginx, haproxy, caddy]);
    for (const node of kit.nodes) {
      await node.kill();
      await sleep(RESTART_AFTER);
      await node.start();
      await goOn([nginx, haproxy]);
    }
    const [ofNginx, ofHaproxy, ofCaddy, ofBare] = await Promise.all([
      endOfWorld(world, nginx),
      end(haproxy),
      end(caddy),
      end(bare),
    ]);
    const left = await findLeft(world);
    await t.test("nginx: nothing is dropped, lost or doubled", () => assertAllFlawless(ofNginx));
    await t.test("haproxy: nothing is dropped, lost or doubled", () => assertAllFlawless(ofHaproxy));
    await t.test(
      "Caddy: of a killed node, only clients whose POST came to it are dropped, and nothing is doubled",
      () => {
        // And those that a node told, as it started, that it has not joined yet.
        assertOnlyDropped(ofCaddy.polling, /xhr (post error|poll error \(503\))/);
      },
    );
    await t.test("nginx without retries: clients are dropped", () => {
      assert.ok(ofBare.polling.dropped > 0, JSON.stringify(ofBare.polling));
      assertOnlyDropped(ofBare.polling, /xhr (poll|post) error/);
    });
    await t.test("websockets pass, and those of living nodes lose nothing", () => {
      for (const { websockets } of [ofNginx, ofHaproxy, ofCaddy]) {
        assert.ok(websockets.echoed > 0);
        assertOnlyDropped(websockets);
      }
    });
    await t.test("nothing is left", () => {
      assert.ifError(left);
    });
  });

  test("a node that has not joined answers 503, which another node makes good", async (t) => {
    const { world, nginx } = await start();
    const { kit } = world;
    const haproxy = await clients(kit, "haproxy");
    const strict = await clients(kit, "nginx", without503);
    await goOn([nginx, haproxy]);
    const node = kit.node(0);
    await node.kill();
    node.links!.redis.cut();
    await node.start();
    await goOn([nginx, haproxy]);
    node.links!.redis.heal();
    await goOn([nginx, haproxy]);
    const [ofNginx, ofHaproxy, ofStrict] = await Promise.all([endOfWorld(world, nginx), end(haproxy), end(strict)]);
    const left = await findLeft(world);
    await t.test("nginx: nothing is dropped, lost or doubled", () => assertAllFlawless(ofNginx));
    await t.test("haproxy: nothing is dropped, lost or doubled", () => assertAllFlawless(ofHaproxy));
    await t.test("nginx that does not send a 503 again: clients are dropped", () => {
      assert.ok(ofStrict.polling.dropped > 0, JSON.stringify(ofStrict.polling));
      assertOnlyDropped(ofStrict.polling, /xhr (poll|post) error/);
    });
    await t.test("nothing is left", () => {
      assert.ifError(left);
    });
  });
});

function assertAllFlawless({ polling, unnamed }: Verdicts): void {
  assertFlawless(polling);
  assertFlawless(unnamed);
}

/** What is missing is missing of sessions that were dropped, for the reason given. */
function assertOnlyDropped(verdict: Verdict, reason = /./): void {
  const { lost, lostByDropped, doubled, outOfOrder, corrupted } = verdict;
  assert.deepEqual(
    { lost: lost - lostByDropped, doubled, outOfOrder, corrupted },
    { lost: 0, doubled: 0, outOfOrder: 0, corrupted: 0 },
    JSON.stringify(verdict),
  );
  for (const close of verdict.closes) assert.match(close, reason);
}
