import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertFlawless, runLoad } from "../helpers/checked-load";
import { startCluster, startServe, type Cluster, type ServeProcess } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { startBackends, type Backends } from "./backends";
import { waitFor } from "../helpers/wait-for";
import { RawClient, type RawWebSocket } from "./raw";

/** What NATS carries in one message as it is configured here, and by default. */
const NATS_LIMIT = 1_048_576;
const SIZE = 3_000_000;

describe("messages larger than one of NATS", () => {
  let backends: Backends;
  let cluster: Cluster;

  before(async () => {
    backends = await startBackends();
    cluster = await startCluster({ nodes: 3, ...backends.urls, options: { maxHttpBufferSize: 5e6 } });
  });

  after(async () => {
    await cluster.stopAll();
    await backends.stop();
  });

  test("a POST at one node, its echo to a poll at another, and neither owns the session", async () => {
    const [owner = "", poller = "", poster = ""] = cluster.urls;
    const client = await RawClient.open(owner);
    const before = await Promise.all([0, 2].map(async (i) => (await cluster.account(i)).stats?.links));
    for (const message of [`4${"é€😀a".repeat(SIZE / 10)}`, `b${Buffer.alloc(SIZE, 7).toString("base64")}`]) {
      const polled = client.poll(poller);
      assert.deepEqual(await client.post(poster, message), { status: 200, body: "ok" });
      const { status, body } = await polled;
      assert.equal(status, 200);
      assert.ok(body === message, `${body.length} characters came back`);
    }
    const after = await Promise.all([0, 2].map(async (i) => (await cluster.account(i)).stats?.links));
    for (const [i, links] of after.entries()) {
      const sent = (links?.["messagesSent"] ?? 0) - (before[i]?.["messagesSent"] ?? 0);
      // Each of both messages went in pieces, the poster's to the owner and the owner's to the poller.
      assert.ok(sent >= 2 * Math.ceil(SIZE / NATS_LIMIT), `${sent} messages`);
    }
  });

  for (const transports of [["polling"], ["polling", "websocket"], ["websocket"]]) {
    test(`stock clients by ${transports.join(" and ")} behind nginx`, async () => {
      const nginx = await startNginx({ upstreams: cluster.ports });
      try {
        assertFlawless(await runLoad({ url: nginx.url, sessions: 4, messages: 4, size: 1_500_000, transports }));
      } finally {
        await nginx.stop();
      }
      assert.deepEqual((await nginx.counts()).refused, []);
    });
  }
});

/** To each client, in one tick, in so many messages. */
const BURST = 1_000_000;
const MESSAGES = 8;
const BURST_WITHIN = 30_000;

/** Those who got a burst, with all of it, in order; fails where somebody got some of it, and not all in time. */
async function whoGot(count: number, clients: readonly RawWebSocket[]): Promise<void> {
  const got = await waitFor(
    `all messages at ${count} clients`,
    () => {
      const some = clients.filter(({ messages }) => messages.length > 0);
      const closed = clients.filter(({ isClosed }) => isClosed).length;
      assert.equal(closed, 0, "websockets closed");
      return some.length >= count && some.every(({ messages }) => messages.length >= MESSAGES) && some;
    },
    BURST_WITHIN,
  );
  assert.equal(got.length, count);
  for (const { messages } of got) {
    const numbers = messages.map((message) => Number(message.slice(1, message.indexOf(" "))));
    assert.deepEqual(
      numbers,
      Array.from({ length: MESSAGES }, (_, i) => i),
    );
    for (const message of messages.splice(0)) assert.ok(message.length >= BURST / MESSAGES);
  }
}

describe("more than a bus takes at once, for all the websockets of one node together", () => {
  const open = (count: number, owner: string, gateway: string): Promise<RawWebSocket[]> =>
    Promise.all(
      Array.from({ length: count }, async () => {
        const websocket = await (await RawClient.open(owner)).upgrade(gateway);
        websocket.send("4there");
        assert.equal(await websocket.next(), "4there");
        return websocket;
      }),
    );
  const burst = "x".repeat(BURST / MESSAGES);

  test("on NATS: to all clients, and from all, everything arrives, in order, and nothing is lost", async () => {
    const backends = await startBackends();
    const cluster = await startCluster({ nodes: 2, ...backends.urls });
    try {
      const [owner = "", gateway = ""] = cluster.urls;
      const clients = await open(110, owner, gateway);
      assert.equal(await cluster.node(0).pushAll(burst, MESSAGES), clients.length);
      await whoGot(clients.length, clients);
      // And back: the application echoes.
      for (const client of clients) for (let n = 0; n < MESSAGES; n++) client.send(`4${n} ${burst}`);
      await whoGot(clients.length, clients);
      for (const i of [0, 1]) {
        const { closes, stats } = await cluster.account(i);
        assert.deepEqual([closes, stats?.links["losses"]], [[], 0]);
        assert.ok((stats?.links["congestions"] ?? 0) > 0, `node ${i} never had to wait`);
      }
      for (const client of clients) client.terminate();
    } finally {
      await cluster.stopAll();
      await backends.stop();
    }
  });

  test("on the hub of a primary: to all clients of one worker", async () => {
    const serve: ServeProcess = await startServe({ workers: 2, balancer: "round-robin" });
    try {
      // Half of them at each worker, and half of those at their own.
      const clients = await open(300, serve.url, serve.url);
      const sent = await serve.pushAll(burst, MESSAGES);
      assert.ok(sent > 100, `${sent} sessions are there`);
      await whoGot(sent, clients);
      const links = (await serve.accounts()).map(({ closes, stats }) => {
        assert.deepEqual(closes, []);
        return stats?.links;
      });
      for (const each of links) assert.equal(each?.["losses"], 0);
      assert.ok(links.some((each) => (each?.["congestions"] ?? 0) > 0));
      for (const client of clients) client.terminate();
    } finally {
      await serve.stop();
    }
  });
});
