import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { assertFlawless, startLoad, type Load } from "../helpers/checked-load";
import { startCluster, startServe, type Cluster, type NodeAccount } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";

const SOAK = process.env["SOAK"] === "1";
/** Owners killed one after the other, under the same sessions. */
const KILLS = SOAK ? 20 : 1;
/** Of three nodes the one with the most owns 50 at least. */
const SESSIONS = 148;
const LEAST_OWNED = 50;
/** Echoes between two kills, and behind the last: of each session. */
const BETWEEN = 10;
const USER_AGENT = "a client with a name";

/** What a test kills: nodes by their process ids, the ones that follow them included. */
interface Victims {
  readonly url: string;
  accounts(): Promise<readonly NodeAccount[]>;
  /** `kill -9`; resolves when the process is gone. */
  kill(pid: number): Promise<void>;
  /** Resolves when there are three nodes again. */
  complete(): Promise<void>;
}

describe("kill -9 of owners of polling sessions", () => {
  let backends: Backends;
  const stops: (() => Promise<unknown>)[] = [];

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(() => backends.stop());

  test(`${KILLS} behind nginx: their sessions go on, nothing is lost, doubled or refused`, async () => {
    const cluster = await startCluster({ nodes: 3, ...backends.urls });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    await killUnderLoad({
      url: nginx.url,
      accounts: async () => [...(await cluster.accounts()).values()],
      kill: (pid) => cluster.kill(nodeOf(cluster, pid)),
      complete: async () => {
        for (const i of [0, 1, 2]) if (!cluster.running.includes(i)) await cluster.start(i, cluster.ports[i]);
      },
    });
    await nginx.stop();
    const { refused, retried } = await nginx.counts();
    assert.deepEqual(refused, []);
    assert.ok(retried > 0, "no request was under way at an owner when it was killed");
  });

  test(`${KILLS} behind the front: their sessions go on, nothing is lost, doubled or refused`, async () => {
    const server = await startServe({ workers: 3, balancer: "front" });
    stops.push(() => server.stop());
    await killUnderLoad({
      url: server.url,
      accounts: () => server.accounts(),
      kill: async (pid) => {
        process.kill(pid, "SIGKILL");
        await waitFor(`the end of ${pid}`, () => !isThere(pid));
      },
      // The primary starts another one by itself.
      complete: () => Promise.resolve(),
    });
  });
});

async function killUnderLoad(victims: Victims): Promise<void> {
  const load = startLoad({
    url: victims.url,
    sessions: SESSIONS,
    messages: Infinity,
    client: { extraHeaders: { "user-agent": USER_AGENT, "x-test": "kept" } },
    timeoutMs: 60_000 + KILLS * 30_000,
  });
  try {
    await load.opened;
    for (let kill = 1; kill <= KILLS; kill++) await killOne(victims, load);
    await load.whenEchoed(load.verdict().echoed + SESSIONS * BETWEEN);
    load.finish();
    const verdict = await load.done;
    if (verdict.dropped > 0) {
      // Which of the nodes ended a session, and why.
      for (const { pid, closes } of await victims.accounts()) console.log(`${pid} closed: ${JSON.stringify(closes)}`);
    }
    assertFlawless(verdict);
  } finally {
    load.abort();
  }
}

async function killOne(victims: Victims, load: Load): Promise<void> {
  await load.whenEchoed(load.verdict().echoed + SESSIONS * BETWEEN);
  const before = await victims.accounts();
  const [victim] = [...before].sort((a, b) => b.sids.length - a.sids.length);
  assert.ok(victim !== undefined);
  const sids = new Set(victim.sids);
  assert.ok(sids.size >= LEAST_OWNED, `${sids.size} sessions are owned by the one with the most`);
  const heardBefore = new Map(before.map(({ pid, connections }) => [pid, connections.length]));
  const first = new Map(victim.connections.map(({ sid, request }) => [sid, request]));
  await victims.kill(victim.pid);
  const recovered = await waitFor("all its sessions to be adopted", async () => {
    const accounts = (await victims.accounts()).filter(({ pid }) => pid !== victim.pid);
    const since = accounts.flatMap(({ pid, connections }) => connections.slice(heardBefore.get(pid) ?? 0));
    const adopted = since.filter(({ sid }) => sids.has(sid));
    return new Set(adopted.map(({ sid }) => sid)).size === sids.size && adopted;
  });
  assert.equal(recovered.length, sids.size, "a session was adopted more than once");
  for (const { sid, recovered: flag, request } of recovered) {
    assert.equal(flag, true);
    assert.deepEqual(request, first.get(sid), "the rebuilt request is not the one of the handshake");
    assert.equal(request.method, "GET");
    assert.match(request.url, /^\/engine\.io\/\?EIO=4&transport=polling&t=/);
    assert.equal(request.query["transport"], "polling");
    assert.equal(request.headers["user-agent"], USER_AGENT);
    assert.equal(request.headers["x-test"], "kept");
    // Both balancers say whose request it is.
    assert.match(String(request.headers["x-forwarded-for"]), /127\.0\.0\.1$/);
  }
  await victims.complete();
}

function nodeOf(cluster: Cluster, pid: number): number {
  const found = cluster.running.find((i) => cluster.node(i).process.pid === pid);
  assert.ok(found !== undefined, `no node has the process ${pid}`);
  return found;
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
