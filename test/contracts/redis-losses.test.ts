import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Cluster } from "ioredis";
import { eventually, startRedisCluster } from "../helpers/redis";
import { ManualClock } from "../helpers/manual-clock";
import { closeAll, kindOf, openMany, ownServer, storeOn, type Bench } from "./redis-kit";
import { commit, commitOk, CONTRACT_LIMITS, openOk, opening, recordOf, takeRecord, turnOf } from "./store-kit";

describe("a Redis that loses data, and no connection breaks", () => {
  const { url, redis } = ownServer();

  /** A store with one session and a lease, and the generations in which it said that it is back. */
  async function leased(more: Parameters<typeof storeOn>[1] = {}): Promise<Bench & { returns: number[] }> {
    const bench = storeOn(url(), more);
    const returns: number[] = [];
    bench.store.onReturn = () => returns.push(bench.store.generation);
    await bench.store.ready();
    await openMany(bench.store, 1);
    assert.equal((await bench.store.lease("n1", 1)).kind, "ok");
    return { ...bench, returns };
  }

  it("raises the generation before it reads a list of leases without this node's own", async () => {
    const { store, returns, prefix } = await leased();
    await redis().del(`${prefix}{nodes}:l`);
    let before: number[] = [];
    const result = await store.lease("n1", 1).then((told) => {
      before = [...returns];
      return told;
    });
    assert.deepEqual([result, before], [{ kind: "ok", nodes: [{ node: "n1", incarnation: 1 }] }, [2]]);
    assert.equal((await store.lease("n1", 1)).kind, "ok");
    assert.deepEqual([store.generation, returns], [2, [2]], "once");
    await store.close();
  });

  it("raises it before it says that a session is unknown", async () => {
    const asks: [string, (store: Bench["store"]) => Promise<string>][] = [
      ["commit", (store) => kindOf(store, turnOf("s0", "n1", 1))],
      ["look", async (store) => (await store.look("s0")).kind],
      ["claim", async (store) => (await store.claim("s0", "n1", 0)).kind],
      ["handshake", async (store) => (await store.handshake("s0")).kind],
    ];
    for (const [what, ask] of asks) {
      const { store, returns } = await leased();
      await redis().flushall();
      let generation = 0;
      assert.equal(await ask(store).finally(() => (generation = store.generation)), "unknown");
      assert.deepEqual([generation, returns], [2, [2]], what);
      // What a session lost is its owner's to write again, and the leases stand again with the next call.
      assert.deepEqual(await store.restore("s0", recordOf("n1", 1)), { kind: "ok" });
      assert.equal((await store.lease("n1", 1)).kind, "ok");
      assert.equal(store.generation, 2, what);
      await store.close();
    }
  });

  it("asks once for all that are unknown at one time, and believes a Redis that has the lease", async () => {
    const { store } = await leased();
    const { calls } = store.stats;
    const told = await Promise.all(Array.from({ length: 50 }, (_, i) => store.look(`never${i}`)));
    assert.ok(told.every(({ kind }) => kind === "unknown"));
    assert.ok(store.stats.calls - calls <= 55, `${store.stats.calls - calls} calls`);
    assert.equal(await kindOf(store, turnOf("never", "n1", 1)), "unknown");
    assert.equal(store.generation, 1);
    await store.close();
  });

  it("says nothing of a lease that may have ended, was given back, or was never taken", async () => {
    const clock = new ManualClock();
    const gone: [string, (bench: Bench) => Promise<unknown>][] = [
      ["ended", async () => clock.advance(CONTRACT_LIMITS.leaseTtl)],
      ["given back", ({ store }) => store.lease("n1", 1, false)],
      ["released", ({ store }) => store.release("n1")],
    ];
    for (const [why, ends] of gone) {
      const bench = await leased({ clock });
      await ends(bench);
      await redis().del(`${bench.prefix}{nodes}:l`);
      assert.deepEqual(await bench.store.look("never"), { kind: "unknown" });
      assert.equal((await bench.store.lease("n1", 1)).kind, "ok");
      assert.equal(bench.store.generation, 1, why);
      await bench.store.close();
    }
    const { store, prefix } = storeOn(url());
    await redis().del(`${prefix}{nodes}:l`);
    assert.deepEqual(await store.look("never"), { kind: "unknown" });
    assert.equal(store.generation, 1);
    await store.close();
  });

  it("does not renew the lease by asking", async () => {
    const { store, prefix } = await leased();
    const lease = () => redis().hget(`${prefix}{nodes}:l`, "n1");
    const before = await lease();
    await sleep(5);
    await store.look("never");
    assert.equal(await lease(), before);
    await store.close();
  });

  describe("a part of a record", () => {
    it("without its handshake a session is unknown to who would claim it, and its owner goes on", async () => {
      const { store, prefix } = await leased();
      await redis().del(`${prefix}{s0}:s`);
      assert.deepEqual(await store.claim("s0", "n2", 0), { kind: "unknown" });
      const found = await store.look("s0");
      assert.equal(found.kind === "found" && found.owner, "n1", "nothing was written");
      await commitOk(store, turnOf("s0", "n1", 1));
      await store.close();
    });

    it("packets that are gone are written again by the owner, whose turn is not refused for ever", async () => {
      const { store, prefix } = await leased();
      await commitOk(store, turnOf("s0", "n1", 1, { packets: ["4a", "4b"], posts: ["p1"] }));
      await redis().del(`${prefix}{s0}:p`);
      assert.deepEqual(await store.claim("s0", "n2", 1), { kind: "unknown" }, "it would go on with a gap");
      const turn = turnOf("s0", "n1", 2, { packets: ["4c"], posts: ["p2"] });
      for (let i = 0; i < 2; i++) assert.deepEqual(await commit(store, turn), { kind: "behind" }, "each time");
      assert.equal(await redis().lrange(`${prefix}{s0}:h`, 0, -1).then(String), "p1", "nothing of the turn is written");
      const copy = recordOf("n1", 1, { packets: ["4a", "4b"], handled: ["p1"] });
      assert.deepEqual(await store.restore("s0", copy), { kind: "ok" });
      await commitOk(store, turn);
      const { packets, handled, turn: stands } = await takeRecord(store, "s0");
      assert.deepEqual([packets, handled, stands], [["4a", "4b", "4c"], ["p1", "p2"], 3]);
      await store.close();
    });

    it("packets that nobody counts are not given to who claims", async () => {
      const { store, prefix } = await leased();
      await commitOk(store, turnOf("s0", "n1", 1, { packets: ["4a"] }));
      await redis().rpush(`${prefix}{s0}:p`, "2:4x");
      assert.deepEqual((await takeRecord(store, "s0")).packets, ["4a"]);
      await store.close();
    });
  });
});

describe("a Redis Cluster, one of whose masters is away", () => {
  afterEach(closeAll);

  it("loses data once, however often the client tries to reach it", async () => {
    const cluster = await startRedisCluster(["--cluster-require-full-coverage", "no"]);
    const client = new Cluster([...cluster.nodes]);
    client.on("error", () => undefined);
    try {
      const limits = { ...CONTRACT_LIMITS, awayAfter: 1_500 };
      const { store } = storeOn(client, { limits });
      let gone = 0;
      client.on("-node", () => gone++);
      await store.ready();
      const sids = Array.from({ length: 60 }, (_, i) => `s${i}`);
      for (const sid of sids) await openOk(store, opening(sid, "n1"));
      for (const sid of sids) await commitOk(store, turnOf(sid, "n1", 1));
      const generation = store.generation;
      await cluster.servers[2]!.kill();
      await eventually("the loss is known", () => store.generation > generation);
      const began = performance.now();
      const lasts = (): number => performance.now() - began;
      while (lasts() < 2_000 || (gone <= 3 && lasts() < 15_000)) {
        await Promise.all(sids.map((sid) => kindOf(store, turnOf(sid, "n1", 2))));
        await sleep(20);
      }
      assert.ok(gone > 3, `the client made and dropped ${gone} connections`);
      assert.ok(store.generation <= generation + 2, `raised ${store.generation - generation} times`);
      await store.close();
    } finally {
      client.disconnect();
      await cluster.stop();
    }
  });
});
