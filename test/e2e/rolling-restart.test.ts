import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { assertFlawless, startLoad } from "../helpers/checked-load";
import { startCluster } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { startBackends, type Backends } from "./backends";
import { RawWebSocket } from "./raw";

const SOAK = process.env["SOAK"] === "1";
const SESSIONS = SOAK ? 200 : 60;
const WEBSOCKETS = SOAK ? 50 : 12;
/** A message each way and session every so many milliseconds. */
const EVERY = SOAK ? 1000 : 200;
const DRAIN = 4_000;
/** From one message of a session to its next, beyond the time between two: a request that had to be sent again, at most. */
const LONGEST_SILENCE = 1_500;

describe("rolling restart", () => {
  let backends: Backends;
  const stops: (() => Promise<unknown>)[] = [];

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(() => backends.stop());

  test("every node in turn, by SIGTERM: polling goes on, websockets end with 1001, no request is answered an error", async () => {
    const env = { DRAIN_TIMEOUT: String(DRAIN) };
    const cluster = await startCluster({ nodes: 3, ...backends.urls, env });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const load = startLoad({ url: nginx.url, sessions: SESSIONS, messages: Infinity, everyMs: EVERY });
    try {
      await load.opened;
      for (const i of [0, 1, 2]) {
        await load.whenEchoed(load.verdict().echoed + 5 * SESSIONS);
        const websockets = await Promise.all(
          Array.from({ length: WEBSOCKETS }, () => RawWebSocket.session(cluster.urls[i]!)),
        );
        const since = performance.now();
        const closes = websockets.map(async ({ websocket }) => {
          const code = await websocket.closed;
          return { code, at: performance.now() - since };
        });
        const { code, signal } = await cluster.node(i).stop();
        assert.deepEqual({ code, signal }, { code: 0, signal: null }, cluster.logs(i));
        const took = performance.now() - since;
        const ends = await Promise.all(closes);
        assert.deepEqual(new Set(ends.map((end) => end.code)), new Set([1001]));
        const times = ends.map(({ at }) => at).sort((a, b) => a - b);
        assert.ok(times.at(-1)! - times[0]! > DRAIN / 4, `websockets closed at ${times.map(Math.round).join(", ")} ms`);
        console.log(
          `node ${i} left in ${Math.round(took)} ms, its last websocket closed at ${Math.round(times.at(-1)!)} ms`,
        );
        await cluster.start(i, cluster.ports[i]);
      }
      await load.whenEchoed(load.verdict().echoed + 5 * SESSIONS);
      load.finish();
      const verdict = await load.done;
      assertFlawless(verdict);
      console.log(`longest silence ${verdict.longestSilenceMs} ms`);
      assert.ok(verdict.longestSilenceMs < EVERY + LONGEST_SILENCE, `${verdict.longestSilenceMs} ms of silence`);
    } finally {
      load.abort();
    }
    // "transport close": the clients left, when all was done.
    const reasons = ["taken over", "forced close", "transport close"];
    for (const account of (await cluster.accounts()).values())
      for (const { reason } of account.closes) assert.ok(reasons.includes(reason), reason);
    await nginx.stop();
    const { refused, retried } = await nginx.counts();
    console.log(`${retried} requests were sent to a second node`);
    assert.deepEqual(refused, []);
  });
});
