import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { assertFlawless, startLoad, type Load } from "../helpers/checked-load";
import { startCluster, startServe, type Cluster, type NodeAccount, type ServeProcess } from "../helpers/cluster";
import { startNginx, type Nginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient } from "./raw";

const SESSIONS = 200;
const MESSAGES = 50;
const PUSHES = 5;

describe("polling on three nodes with Redis and NATS", () => {
  let backends: Backends;
  let cluster: Cluster;
  let nginx: Nginx | undefined;

  before(async () => {
    backends = await startBackends();
    cluster = await startCluster({ nodes: 3, ...backends.urls });
  });

  afterEach(() => nginx?.stop());

  after(async () => {
    await cluster.stopAll();
    await backends.stop();
  });

  test(`${SESSIONS} sessions behind nginx, each request at the next node: nothing is lost, doubled or refused`, async () => {
    nginx = await startNginx({ upstreams: cluster.ports });
    const verdict = await startLoad({
      url: nginx.url,
      sessions: SESSIONS,
      messages: MESSAGES,
      pushes: { count: PUSHES, push: (sid, text) => cluster.push(sid, text) },
    }).done;
    assertFlawless(verdict);
    assert.equal(verdict.echoed, SESSIONS * MESSAGES);
    assert.equal(verdict.received, SESSIONS * PUSHES);
    const accounts = [...(await cluster.accounts()).values()];
    assertAllServeForOthers(accounts);
    await nginx.stop();
    const counts = await nginx.counts();
    assert.deepEqual(counts.refused, []);
    assert.equal(counts.retried, 0);
    for (const port of cluster.ports) assert.ok((counts.byUpstream[port] ?? 0) > SESSIONS, JSON.stringify(counts));
  });

  test("a push reaches a poll at once, whichever node holds it", async () => {
    for (const owner of cluster.running) {
      const client = await RawClient.open(cluster.urls[owner]!);
      for (const holder of cluster.running) {
        for (let n = 1; n <= 5; n++) {
          const reply = client.poll(cluster.urls[holder]!);
          await waitFor("the poll to be held", async () => ((await cluster.account(holder)).stats?.held ?? 0) > 0);
          const text = `push ${n} of ${owner} through ${holder}`;
          const start = performance.now();
          assert.ok(await cluster.node(owner).push(client.sid, text));
          assert.deepEqual(await reply, { status: 200, body: `4${text}` });
          // The next ping is 25 s away.
          const took = performance.now() - start;
          assert.ok(took < 5_000, `${took} ms`);
        }
      }
    }
  });
});

for (const balancer of ["front", "round-robin"] as const) {
  describe(`polling on the embedded default, three workers behind ${balancer}`, () => {
    let server: ServeProcess;

    before(async () => {
      server = await startServe({ workers: 3, balancer });
    });

    after(() => server.stop());

    test(`${SESSIONS} sessions: nothing is lost, doubled or refused`, async () => {
      const load: Load = startLoad({
        url: server.url,
        sessions: SESSIONS,
        messages: MESSAGES,
        pushes: {
          count: PUSHES,
          push: (sid, text) => pushFromAnywhere(server, sid, text),
        },
        // By connection, only new connections come to other workers.
        keepAlive: balancer === "front",
      });
      const verdict = await load.done;
      // Stock clients end their session on any answer but 200.
      assertFlawless(verdict);
      assert.equal(verdict.echoed, SESSIONS * MESSAGES);
      assert.equal(verdict.received, SESSIONS * PUSHES);
      assertAllServeForOthers(await server.accounts());
    });

    test("a push reaches a poll at once", async () => {
      const pushes = { count: 30, push: (sid: string, text: string) => pushFromAnywhere(server, sid, text) };
      const load = startLoad({ url: server.url, sessions: 5, messages: 1, pushes, keepAlive: balancer === "front" });
      const verdict = await load.done;
      assertFlawless(verdict);
      assert.ok(verdict.longestSilenceMs < 5_000, `${verdict.longestSilenceMs} ms`);
    });
  });
}

/** Whichever worker gets it: the owner hears of it over the cluster. */
async function pushFromAnywhere(server: ServeProcess, sid: string, text: string): Promise<void> {
  assert.deepEqual(await server.clusterSend([sid], text), [true]);
}

/** Each of the nodes has served GETs and POSTs of sessions that others own. */
function assertAllServeForOthers(accounts: readonly NodeAccount[]): void {
  assert.equal(accounts.length, 3);
  for (const { pid, stats, connections } of accounts) {
    const counts = stats?.counts ?? {};
    assert.ok(connections.length > 0, `${pid} owned no session`);
    assert.ok((counts["polls.remote"] ?? 0) > SESSIONS, `${pid}: ${JSON.stringify(counts)}`);
    assert.ok((counts["posts.remote"] ?? 0) > SESSIONS, `${pid}: ${JSON.stringify(counts)}`);
  }
}
