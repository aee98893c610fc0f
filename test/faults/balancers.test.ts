import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import { assertFlawless, type Load, type Verdict } from "../../testing/checked-load";
import { Kit } from "../../testing/kit";
import { replaced, startShipped, type BalancerKind, type ShippedBalancer } from "../helpers/shipped-balancers";
import { LEASE, SOAK } from "./fault-world";

const POLLING = SOAK ? 60 : 16;
const UNNAMED = SOAK ? 24 : 8;
const WEBSOCKETS = SOAK ? 12 : 3;
const EVERY = 300;
const RESTART_AFTER = 1_000;

const KINDS: readonly BalancerKind[] = ["nginx", "haproxy", "caddy"];

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
  let kit: Kit | undefined;
  let balancers: ShippedBalancer[] = [];

  afterEach(async () => {
    await kit?.stop();
    await Promise.all(balancers.map((balancer) => balancer.stop()));
    kit = undefined;
    balancers = [];
  });

  const start = async (): Promise<Kit> =>
    (kit = await Kit.start({
      links: true,
      command: [process.execPath, "--enable-source-maps", join(__dirname, "../helpers/kit-node.cjs")],
      env: {
        TEST_APP: join(__dirname, "../helpers/ready-app.cjs"),
        // So that one that cannot join can be asked.
        TEST_LISTEN: "early",
        TEST_OPTIONS: JSON.stringify({ cluster: { leaseTtl: LEASE, linger: 1_500 } }),
      },
    }));

  /** Clients of a balancer of its own. */
  const clients = async (world: Kit, kind: BalancerKind, edit?: (text: string) => string): Promise<Clients> => {
    const upstreams = world.nodes.map(({ port }) => port);
    const balancer = await startShipped(kind, { upstreams, ...(edit === undefined ? {} : { edit }) });
    balancers.push(balancer);
    const shared = { url: balancer.url, messages: Infinity, everyMs: EVERY, timeoutMs: 200_000 };
    const polling = world.load({ ...shared, sessions: POLLING });
    const unnamed = world.load({ ...shared, sessions: UNNAMED, client: { timestampRequests: false } });
    const websockets = world.load({ ...shared, sessions: WEBSOCKETS, transports: ["websocket"], reopen: true });
    await Promise.all([polling.opened, unnamed.opened, websockets.opened]);
    return { polling, unnamed, websockets };
  };

  /** Until those clients that lose nothing have had two echoes more, on average. */
  const goOn = (all: readonly Clients[]): Promise<unknown> =>
    Promise.all(all.map(({ polling }) => polling.whenEchoed(polling.verdict().echoed + 2 * POLLING)));

  const end = async ({ polling, unnamed, websockets }: Clients): Promise<Verdicts> => {
    for (const load of [polling, unnamed, websockets]) load.finish();
    return { polling: await polling.done, unnamed: await unnamed.done, websockets: await websockets.done };
  };

  test("kill -9 of each node in turn, under the clients of nginx, haproxy and Caddy", async (t) => {
    const world = await start();
    const [nginx, haproxy, caddy] = (await Promise.all(KINDS.map((kind) => clients(world, kind)))) as [
      Clients,
      Clients,
      Clients,
    ];
    const bare = await clients(world, "nginx", withoutRetries);
    await goOn([nginx, haproxy, caddy]);
    for (const node of world.nodes) {
      await node.kill();
      await sleep(RESTART_AFTER);
      await node.start();
      await goOn([nginx, haproxy]);
    }
    const [ofNginx, ofHaproxy, ofCaddy, ofBare] = (await Promise.all([nginx, haproxy, caddy, bare].map(end))) as [
      Verdicts,
      Verdicts,
      Verdicts,
      Verdicts,
    ];
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
  });

  test("a node that has not joined answers 503, which another node makes good", async (t) => {
    const world = await start();
    const nginx = await clients(world, "nginx");
    const haproxy = await clients(world, "haproxy");
    const strict = await clients(world, "nginx", without503);
    await goOn([nginx, haproxy]);
    const node = world.node(0);
    await node.kill();
    node.links!.redis.cut();
    await node.start();
    await goOn([nginx, haproxy]);
    node.links!.redis.heal();
    await goOn([nginx, haproxy]);
    const [ofNginx, ofHaproxy, ofStrict] = (await Promise.all([nginx, haproxy, strict].map(end))) as [
      Verdicts,
      Verdicts,
      Verdicts,
    ];
    await t.test("nginx: nothing is dropped, lost or doubled", () => assertAllFlawless(ofNginx));
    await t.test("haproxy: nothing is dropped, lost or doubled", () => assertAllFlawless(ofHaproxy));
    await t.test("nginx that does not send a 503 again: clients are dropped", () => {
      assert.ok(ofStrict.polling.dropped > 0, JSON.stringify(ofStrict.polling));
      assertOnlyDropped(ofStrict.polling, /xhr (poll|post) error/);
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
