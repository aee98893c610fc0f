import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { assertFlawless, runLoad } from "../helpers/checked-load";
import { startCluster, type Cluster } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { startBackends, type Backends } from "./backends";
import { RawClient } from "./raw";

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
