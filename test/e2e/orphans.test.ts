import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { startCluster, type NodeAccount } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient } from "./raw";

const SESSIONS = 40;

describe("sessions whose owners die", () => {
  let backends: Backends;
  const stops: (() => unknown)[] = [];

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(() => backends.stop());

  test("nobody asks for them any more: the others take them over, and find out by a ping", async () => {
    const env = { PING_INTERVAL: "1000", PING_TIMEOUT: "1000" };
    const cluster = await startCluster({ nodes: 3, ...backends.urls, env });
    stops.push(() => cluster.killAll());
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => RawClient.open(cluster.urls[0]!)));
    const sids = clients.map(({ sid }) => sid).sort();
    await cluster.kill(0);
    const accounts = await waitFor(
      "the end of every session",
      async () => {
        const all = [await cluster.account(1), await cluster.account(2)];
        const ended = all.flatMap(({ closes }) => closes).length;
        if (ended >= SESSIONS) return all;
        const seen = all.map(({ connections, others, stats }) => ({ adopted: connections.length, others, stats }));
        throw new Error(`${ended} have ended: ${JSON.stringify(seen)}`);
      },
      30_000,
    );
    const ends = accounts.flatMap(({ closes }) => closes);
    assert.deepEqual(ends.map(({ sid }) => sid).sort(), sids);
    assert.deepEqual(new Set(ends.map(({ reason }) => reason)), new Set(["ping timeout"]));
    const adopted = (account: NodeAccount): string[] =>
      account.connections.filter(({ recovered }) => recovered).map(({ sid }) => sid);
    assert.deepEqual(accounts.flatMap(adopted).sort(), sids, "each at one node");
    assert.ok(
      accounts.every((account) => adopted(account).length > SESSIONS / 8),
      "one node took nearly all",
    );
  });

  test("a message that its node does not survive ends two of them, and then its session", async () => {
    const app = join(__dirname, "../helpers/poison-app.cjs");
    const cluster = await startCluster({ nodes: 3, ...backends.urls, app });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const client = new Socket(nginx.url, { transports: ["polling"] });
    stops.push(() => client.close());
    await new Promise<void>((resolve) => client.once("open", () => resolve()));
    client.send("harmless");
    await new Promise((resolve) => client.once("message", resolve));
    const closed = new Promise((resolve) => client.once("close", resolve));
    client.send("poison");
    await closed;
    await waitFor("the death of two nodes", () => cluster.running.length <= 1);
    assert.equal(cluster.running.length, 1, "one node survives");
    const [survivor = assert.fail()] = cluster.running;
    const { closes } = await waitFor("the end of the session", async () => {
      const account = await cluster.account(survivor);
      return account.closes.length > 0 && account;
    });
    assert.equal(closes[0]!.reason, "transport error");
    assert.match(closes[0]!.why ?? "", /two nodes ended/);
  });
});
