import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { Redis } from "ioredis";
import { startCluster, startServe, type NodeAccount } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient } from "./raw";

const INTERVAL = 400;
const TIMEOUT = 4_000;
const LINGER = 1_000;
/** So many pings each session must see, and answer. */
const PINGS = 5;
const SESSIONS = 30;

describe("heartbeat", () => {
  let backends: Backends;
  const stops: (() => Promise<unknown>)[] = [];

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(() => backends.stop());

  test("behind nginx idle sessions live on, silent ones end, and the store forgets both", async () => {
    const options = { pingInterval: INTERVAL, pingTimeout: TIMEOUT, cluster: { linger: LINGER } };
    const cluster = await startCluster({ nodes: 3, ...backends.urls, options });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const redis = new Redis(backends.redis.url);
    stops.push(() => redis.quit());
    const accounts = async (): Promise<NodeAccount[]> => [...(await cluster.accounts()).values()];

    const sids = await idle(nginx.url, ["polling"], accounts);
    const silent = await silence(cluster.urls, accounts);
    await waitFor("the store to forget all of them", async () => {
      const keys = await redis.keys(`${cluster.prefix}{*`);
      return ![...sids, ...silent].some((sid) => keys.some((key) => key.includes(sid)));
    });
    // What is left is about the nodes: their leases, and no index of sessions.
    assert.deepEqual(await redis.keys(`${cluster.prefix}{*`), [`${cluster.prefix}{nodes}:l`]);
  });

  test("behind nginx idle websockets live on, upgraded at whichever node", async () => {
    const env = { PING_INTERVAL: String(INTERVAL), PING_TIMEOUT: String(TIMEOUT) };
    const cluster = await startCluster({ nodes: 3, ...backends.urls, env });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const accounts = async (): Promise<NodeAccount[]> => [...(await cluster.accounts()).values()];
    await idle(nginx.url, ["polling", "websocket"], accounts);
    await idle(nginx.url, ["websocket"], accounts);
  });

  for (const balancer of ["front", "round-robin"] as const) {
    test(`embedded behind ${balancer} idle sessions live on, and silent ones end`, async () => {
      const env = { PING_INTERVAL: String(INTERVAL), PING_TIMEOUT: String(TIMEOUT) };
      const server = await startServe({ workers: 3, balancer, env });
      stops.push(() => server.stop());
      await idle(server.url, ["polling"], () => server.accounts());
      await silence([server.url], () => server.accounts());
    });
  }
});

/** Stock clients that say nothing but what the protocol asks them; their sessions' ids, when they have left. */
async function idle(
  url: string,
  transports: string[],
  accounts: () => Promise<readonly NodeAccount[]>,
): Promise<string[]> {
  let pings = 0;
  const closes: string[] = [];
  let leaving = false;
  const pinged = new Map<Socket, number>();
  const clients = Array.from({ length: SESSIONS }, () => {
    const client = new Socket(url, { transports });
    client.on("ping", () => {
      pings++;
      pinged.set(client, (pinged.get(client) ?? 0) + 1);
    });
    client.on("close", (reason) => {
      if (!leaving) closes.push(reason);
    });
    return client;
  });
  try {
    await waitFor(`${PINGS} pings at each client`, () => {
      assertNoneClosed(closes);
      return clients.every((client) => (pinged.get(client) ?? 0) >= PINGS);
    });
    assertNoneClosed(closes);
    assert.ok(pings >= SESSIONS * PINGS);
    assert.deepEqual(
      (await accounts()).flatMap((account) => account.closes).filter(({ reason }) => reason === "ping timeout"),
      [],
    );
    const owned = (await accounts()).flatMap(({ sids }) => sids);
    return clients.map((client) => {
      const { id } = client as unknown as { readonly id: string };
      assert.ok(owned.includes(id));
      return id;
    });
  } finally {
    leaving = true;
    for (const client of clients) client.close();
    await waitFor("the clients to have left", () => clients.every(({ readyState }) => readyState === "closed"));
  }
}

function assertNoneClosed(closes: readonly string[]): void {
  assert.deepEqual(closes, []);
}

/** Clients that poll on and never answer a ping; their sessions' ids, when these have ended. */
async function silence(urls: readonly string[], accounts: () => Promise<readonly NodeAccount[]>): Promise<string[]> {
  // Before any of them is open: a session's time begins when the node opens it.
  const start = performance.now();
  const clients = await Promise.all(Array.from({ length: 6 }, (_, i) => RawClient.open(urls[i % urls.length]!)));
  const ends = await Promise.all(
    clients.map(async (client, i) => {
      for (let poll = i; ; poll++) {
        const { status, body } = await client.poll(urls[poll % urls.length]!);
        if (status !== 200 || body.endsWith("1")) return { at: performance.now() - start, status, body };
        assert.equal(body, "2");
      }
    }),
  );
  for (const { at, status, body } of ends) {
    assert.deepEqual({ status, body }, { status: 200, body: "1" });
    // Timers can be a little early.
    assert.ok(at >= INTERVAL + TIMEOUT - 5, `closed after ${at} ms`);
  }
  const sids = clients.map(({ sid }) => sid);
  const closes = (await accounts()).flatMap((account) => account.closes).filter(({ sid }) => sids.includes(sid));
  assert.deepEqual(
    closes.map(({ sid, reason }) => `${sid} ${reason}`).sort(),
    sids.map((sid) => `${sid} ping timeout`).sort(),
  );
  return sids;
}
