import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { assertFlawless, startLoad } from "./checked-load";
import { startCluster, startServe, type Cluster, type ServeProcess } from "./cluster";
import { startNats } from "./nats";
import { startRedis } from "./redis";

interface Backend {
  readonly url: string;
  stop(): Promise<unknown>;
}

describe("a server for tests", () => {
  let server: ServeProcess | undefined;

  afterEach(() => server?.kill());

  test("one process: echoes, gives account, pushes, ends by SIGTERM", async () => {
    server = await startServe();
    const node = server;
    const load = startLoad({
      url: node.url,
      sessions: 2,
      messages: 10,
      pushes: { count: 3, push: async (sid, text) => assert.ok(await node.push(sid, text)) },
    });
    await load.opened;
    const [sid = ""] = load.sids();
    assertFlawless(await load.done);
    const account = await node.account();
    assert.equal(account.pid, node.process.pid);
    assert.equal(account.connections.length, 2);
    const connection = account.connections.find((one) => one.sid === sid);
    assert.ok(connection !== undefined);
    assert.equal(connection.recovered, false);
    assert.equal(connection.request.query["transport"], "polling");
    // Ten messages and the fence.
    assert.equal(account.messages[sid], 11);
    assert.equal(await node.push("nobody", "hello"), false);
    assert.deepEqual(await node.stop(), { code: 0, signal: null });
  });

  for (const balancer of ["front", "round-robin"] as const) {
    test(`three workers behind ${balancer}: gives account of each, and reaches the owner of each session`, async () => {
      server = await startServe({ workers: 3, balancer });
      const load = startLoad({ url: server.url, sessions: 6, messages: 1_000, everyMs: 100 });
      await load.opened;
      const accounts = await server.accounts();
      assert.equal(new Set(accounts.map(({ pid }) => pid)).size, 3);
      assert.deepEqual(accounts.flatMap(({ sids }) => sids).sort(), load.sids().sort());
      for (const sid of load.sids()) assert.ok(await server.closeSession(sid), sid);
      const { closes } = await load.done;
      assert.equal(closes.length, 6);
    });
  }
});

describe("a cluster for tests", () => {
  let redis: Backend | undefined;
  let nats: Backend | undefined;
  let cluster: Cluster | undefined;

  before(async () => {
    redis = await startRedis();
    nats = await startNats();
  });

  after(async () => {
    await nats?.stop();
    await redis?.stop();
  });

  afterEach(() => cluster?.killAll());

  test("can be killed, paused and started again, node by node", async () => {
    cluster = await startCluster({ nodes: 2, redisUrl: redis?.url ?? "", natsUrl: nats?.url ?? "" });
    const [a, b] = cluster.ports;
    assert.notEqual(a, b);
    const load = startLoad({ url: cluster.urls[0] ?? "", sessions: 2, messages: 5 });
    await load.opened;
    const [sid = ""] = load.sids();
    assert.equal(await cluster.ownerOf(sid), 0);
    assertFlawless(await load.done);

    const pid = (await cluster.account(1)).pid;
    cluster.stop(1);
    cluster.cont(1);
    assert.equal((await cluster.account(1)).pid, pid);
    await cluster.kill(1);
    assert.deepEqual(cluster.running, [0]);
    await cluster.restart(1);
    assert.deepEqual(cluster.running, [0, 1]);
    assert.equal(cluster.ports[1], b);
    assert.notEqual((await cluster.account(1)).pid, pid);
    assert.equal(cluster.logs(1).match(/"msg":"listening"/g)?.length, 2);
    await cluster.stopAll();
    assert.deepEqual(cluster.running, []);
  });
});
