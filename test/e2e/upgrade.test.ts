import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { assertFlawless, runLoad, type LoadOptions, type Verdict } from "../helpers/checked-load";
import { startCluster, startServe, type NodeAccount } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { startBackends, type Backends } from "./backends";

const SESSIONS = 200;
const MESSAGES = 50;
const PUSHES = 10;
const MANY = 500;

/** Something that sessions are served by, whatever it is made of. */
interface Served {
  readonly url: string;
  accounts(): Promise<readonly NodeAccount[]>;
  /** `engine.cluster.send` at any node. */
  send(sid: string, text: string): Promise<void>;
  /** Fails when a request was refused. */
  assertNoneRefused(): Promise<void>;
  stop(): Promise<void>;
}

describe("websockets", () => {
  let backends: Backends;
  let served: Served | undefined;

  before(async () => {
    backends = await startBackends();
  });

  afterEach(() => served?.stop());

  after(() => backends.stop());

  const places: readonly [name: string, start: () => Promise<Served>][] = [
    ["on three nodes behind nginx", () => nodesBehindNginx(backends)],
    ["on the embedded default", embedded],
  ];

  for (const [where, start] of places) {
    test(`${SESSIONS} sessions ${where} upgrade while messages flow both ways: nothing is lost, doubled or refused`, async () => {
      served = await start();
      const verdict = await run(served, { sessions: SESSIONS, transports: ["polling", "websocket"] });
      assert.equal(verdict.echoed, SESSIONS * MESSAGES);
      assert.equal(verdict.received, SESSIONS * PUSHES);
      await assertUpgraded(served, SESSIONS);
    });

    test(`${SESSIONS} sessions ${where} by websocket alone: nothing is lost or doubled`, async () => {
      served = await start();
      const verdict = await run(served, { sessions: SESSIONS, transports: ["websocket"] });
      assert.equal(verdict.echoed, SESSIONS * MESSAGES);
      assert.equal(verdict.received, SESSIONS * PUSHES);
      for (const { messagesBy, upgrades, stats, connections } of await served.accounts()) {
        assert.ok(connections.length > 0);
        assert.equal(messagesBy.polling, undefined);
        assert.equal(upgrades.begun, 0);
        assert.equal(stats?.counts["relayed"], undefined);
      }
    });
  }

  test(`${MANY} sessions on three nodes behind nginx upgrade at once while messages flow`, async () => {
    served = await nodesBehindNginx(backends);
    const options = { sessions: MANY, transports: ["polling", "websocket"], openingAtOnce: MANY };
    const verdict = await run(served, options);
    assert.equal(verdict.echoed, MANY * MESSAGES);
    await assertUpgraded(served, MANY);
    const atOnce = (await served.accounts()).reduce((sum, { upgrades }) => sum + upgrades.atOnce, 0);
    // How many depends on how fast the machine is beside its clients.
    assert.ok(atOnce > MANY / 10, `${atOnce} upgrades were under way at once at most`);
  });
});

async function run(served: Served, options: Omit<LoadOptions, "url" | "messages">): Promise<Verdict> {
  const verdict = await runLoad({
    url: served.url,
    messages: MESSAGES,
    // Several under way at any time, also in the moment of the upgrade.
    window: 3,
    pushes: { count: PUSHES, push: (sid, text) => served.send(sid, text) },
    ...options,
  });
  assertFlawless(verdict);
  await served.assertNoneRefused();
  return verdict;
}

/** Every session has gone over, most of them at another node than the one of their handshake; messages went both ways before and after. */
async function assertUpgraded(served: Served, sessions: number): Promise<void> {
  const accounts = await served.accounts();
  const sum = (of: (account: NodeAccount) => number | undefined): number =>
    accounts.reduce((all, account) => all + (of(account) ?? 0), 0);
  assert.equal(
    sum(({ upgrades }) => upgrades.done),
    sessions,
  );
  const relayed = sum(({ stats }) => stats?.counts["relayed"]);
  assert.ok(relayed > sessions / 2, `${relayed} of ${sessions} websockets came to another node than their session's`);
  assert.ok(relayed < sessions, "none came to the owner");
  const [polling, websocket] = [
    sum(({ messagesBy }) => messagesBy.polling),
    sum(({ messagesBy }) => messagesBy.websocket),
  ];
  assert.ok(polling >= sessions, `${polling} messages came by polling`);
  assert.ok(websocket >= sessions, `${websocket} messages came by websocket`);
}

async function nodesBehindNginx(backends: Backends): Promise<Served> {
  // On a slow machine the last of many that go over at once takes longer than the 10 s that are the default.
  const env = { UPGRADE_TIMEOUT: "60000" };
  const cluster = await startCluster({ nodes: 3, ...backends.urls, env });
  const nginx = await startNginx({ upstreams: cluster.ports });
  let next = 0;
  return {
    url: nginx.url,
    accounts: async () => [...(await cluster.accounts()).values()],
    send: async (sid, text) => {
      assert.deepEqual(await cluster.node(next++ % 3).clusterSend([sid], text), [true]);
    },
    assertNoneRefused: async () => {
      await nginx.stop();
      assert.deepEqual((await nginx.counts()).refused, []);
    },
    stop: async () => {
      await nginx.stop();
      await cluster.stopAll();
    },
  };
}

async function embedded(): Promise<Served> {
  const server = await startServe({ workers: 3, balancer: "front" });
  return {
    url: server.url,
    accounts: () => server.accounts(),
    send: async (sid, text) => {
      assert.deepEqual(await server.clusterSend([sid], text), [true]);
    },
    // Stock clients end their session on any answer but 200.
    assertNoneRefused: () => Promise.resolve(),
    stop: async () => {
      await server.stop();
    },
  };
}
