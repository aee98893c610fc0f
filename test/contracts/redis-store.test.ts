import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { RedisStore } from "../../src/store/redis";
import { decodeName, encodeName } from "../../src/store/redis/keys";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { eventually, startRedis } from "../helpers/redis";
import { kindOf, openMany, ownServer, quietClient, storeOn } from "./redis-kit";
import { commit, commitOk, CONTRACT_LIMITS, openOk, opening, recordOf, takeRecord, turnOf } from "./store-kit";

describe("RedisStore on a server", () => {
  const { url, redis } = ownServer();

  it("costs one script for a turn, and one call for all turns of a tick", async () => {
    const { store } = storeOn(redis());
    const sids = await openMany(store, 150);
    const before = { ...store.stats };
    await Promise.all(sids.map((sid) => commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"] }))));
    const { calls, scripts, commits } = store.stats;
    assert.deepEqual([calls - before.calls, scripts - before.scripts, commits - before.commits], [1, 150, 150]);
    await store.close();
  });

  it("keeps leases by the clock of Redis: what time a node thinks it is does not matter", async (t) => {
    const [one, two] = [storeOn(redis()), storeOn(redis())];
    const prefix = one.prefix;
    const other = new RedisStore({
      redis: redis(),
      prefix,
      clock: runtimeClock,
      tick: two.tick,
      limits: CONTRACT_LIMITS,
    });
    const names = async (store: RedisStore, node: string): Promise<string[]> => {
      const result = await store.lease(node, 1);
      assert.ok(result.kind === "ok");
      return result.nodes.map(({ node: name }) => name).sort();
    };
    const year = 365 * 24 * 3600 * 1000;
    const now = Date.now();
    t.mock.method(Date, "now", () => now + year);
    assert.deepEqual(await names(one.store, "ahead"), ["ahead"]);
    t.mock.method(Date, "now", () => now - year);
    assert.deepEqual(await names(other, "behind"), ["ahead", "behind"]);
    assert.deepEqual(await names(one.store, "ahead"), ["ahead", "behind"]);
    await Promise.all([one.store.close(), two.store.close(), other.close()]);
  });

  it("splits what would hold Redis up: by sessions and by size, within the same tick", async () => {
    const { store } = storeOn(redis());
    const sids = await openMany(store, 450);
    let before = store.stats.calls;
    await Promise.all(sids.map((sid) => commitOk(store, turnOf(sid, "n1", 1))));
    assert.equal(store.stats.calls - before, 3);
    before = store.stats.calls;
    const big = "x".repeat(600_000);
    await Promise.all(sids.slice(0, 4).map((sid) => commitOk(store, turnOf(sid, "n1", 2, { packets: [big] }))));
    assert.equal(store.stats.calls - before, 2);
    await store.close();
  });

  it("does not let a session with broken keys hurt the others of its call, nor grow", async () => {
    const { store, prefix, errors } = storeOn(redis());
    const sids = await openMany(store, 20);
    const broken = { s3: "m", s7: "p", s11: "h", s15: "g" };
    const turn = (sid: string, number: number) =>
      turnOf(sid, "n1", number, { packets: ["4a"], posts: ["p"], inflight: { t: `t${number}`, upTo: 1 } });
    await Promise.all(sids.map((sid) => commitOk(store, turn(sid, 1))));
    for (const [sid, key] of Object.entries(broken)) {
      await redis().del(`${prefix}{${sid}}:${key}`);
      await (key === "m" ? redis().rpush(`${prefix}{${sid}}:m`, "x") : redis().set(`${prefix}{${sid}}:${key}`, "x"));
    }
    for (let again = 0; again < 3; again++) {
      const kinds = await Promise.all(sids.map((sid) => kindOf(store, turn(sid, 2))));
      for (const [i, sid] of sids.entries()) assert.equal(kinds[i], sid in broken ? "away" : "ok", sid);
    }
    assert.ok(errors.length > 0 && errors.every((error) => /WRONGTYPE.*key prefix/.test(error)), errors.join("\n"));
    assert.deepEqual((await takeRecord(store, "s4")).packets, ["4a", "4a"]);
    assert.equal(await redis().llen(`${prefix}{s15}:p`), 1, "what failed half way left no packet");
    await store.close();
  });

  it("asks the owner for its copy where the list is not what the record counts, and appends nothing", async () => {
    const { store, prefix } = storeOn(redis());
    await openMany(store, 1);
    await commitOk(store, turnOf("s0", "n1", 1, { packets: ["4a", "4b"] }));
    await redis().rpop(`${prefix}{s0}:p`);
    for (let again = 0; again < 3; again++)
      assert.equal(await kindOf(store, turnOf("s0", "n1", 2, { packets: ["4c"] })), "behind");
    assert.equal(await redis().llen(`${prefix}{s0}:p`), 1);
    await store.close();
  });

  it("goes on when the server has forgotten the scripts", async () => {
    const { store } = storeOn(redis());
    const sids = await openMany(store, 250);
    await redis().script("FLUSH");
    await Promise.all([
      ...sids.map((sid) => commitOk(store, turnOf(sid, "n1", 1))),
      openOk(store, opening("other", "n1")),
      store.lease("n1", 1),
    ]);
    await redis().script("FLUSH");
    assert.equal((await store.claim("s0", "n2", 1)).kind, "ok");
    assert.deepEqual(await store.renew("n1", sids.slice(1)), { kind: "ok", lost: [] });
    await redis().script("FLUSH");
    assert.equal((await store.look("s0")).kind, "found");
    assert.deepEqual(await store.restore("new", recordOf("n1", 3)), { kind: "ok" });
    await store.close();
  });

  it("keeps the record's hash compact, and takes a long t nevertheless", async () => {
    const { store, prefix } = storeOn(redis());
    const node = "n".repeat(24);
    await openOk(store, opening("s", node, { handshake: "h".repeat(2_000) }));
    await commitOk(
      store,
      turnOf("s", node, 1, {
        packets: ["x".repeat(5_000)],
        inflight: { t: "Pq3fXyZ.0", upTo: 1 },
        data: "d".repeat(500),
      }),
    );
    assert.match(String(await redis().object("ENCODING", `${prefix}{s}:m`)), /listpack|ziplist/);
    const long = "t".repeat(5_000);
    await commitOk(store, turnOf("s", node, 2, { inflight: { t: long, upTo: 1 } }));
    await commitOk(store, turnOf("s", node, 3, { inflight: null }));
    assert.deepEqual((await takeRecord(store, "s")).answered, ["Pq3fXyZ.0", long]);
    await store.close();
  });

  it("lets records and leases end by Redis' own time", async () => {
    const limits = { ...CONTRACT_LIMITS, recordTtl: 150, linger: 150, leaseTtl: 150 };
    const { store } = storeOn(redis(), { limits });
    await openOk(store, opening("s", "n1"));
    await store.lease("a", 1);
    await eventually("the record ends", async () => (await store.look("s")).kind === "unknown");
    await eventually("the lease ends", async () => {
      const result = await store.lease("b", 1);
      return result.kind === "ok" && result.nodes.length === 1;
    });
    await store.close();
  });

  it("does not read, nor take over, a record of another format", async () => {
    const { store, prefix, errors } = storeOn(redis());
    await openMany(store, 1);
    await redis().hset(`${prefix}{s0}:m`, "v", "9");
    assert.deepEqual(await store.look("s0"), { kind: "away" });
    assert.deepEqual(await store.claim("s0", "n2", 0), { kind: "away" });
    assert.deepEqual(await redis().hmget(`${prefix}{s0}:m`, "o", "n"), ["n1", "0"]);
    assert.match(errors[0] ?? "", /format "9".*update/);
    await store.close();
  });

  it("tells the other waiters when one of them throws, and throws it where an event would", async () => {
    const thrown: unknown[] = [];
    const clock = {
      ...runtimeClock,
      defer: (run: () => void) =>
        runtimeClock.defer(() => {
          try {
            run();
          } catch (error) {
            thrown.push(error);
          }
        }),
    };
    const { store } = storeOn(redis(), { clock });
    await openMany(store, 2);
    store.commit(turnOf("s0", "n1", 1), {
      onCommitResult: () => {
        throw new Error("by the application");
      },
    });
    assert.deepEqual(await commit(store, turnOf("s1", "n1", 1)), { kind: "ok" });
    await setImmediate();
    assert.match(String(thrown[0]), /by the application/);
    assert.equal(await kindOf(store, turnOf("s0", "n1", 2)), "ok");
    await store.close();
  });

  it("says it when Redis is out of memory, and changes nothing then", async () => {
    const full = await startRedis();
    try {
      const { store, errors } = storeOn(full.url);
      await store.ready();
      const sids = await openMany(store, 3);
      const admin = quietClient(full.url);
      await admin.config("SET", "maxmemory", "1");
      const turn = { packets: ["4a"], posts: ["p"] };
      for (const sid of sids) assert.equal(await kindOf(store, turnOf(sid, "n1", 1, turn)), "away");
      assert.match(errors[0] ?? "", /OOM.*maxmemory/);
      assert.deepEqual(await store.open(opening("new", "n1")), { kind: "away" });
      assert.deepEqual(await store.restore("lost", recordOf("n1", 1)), { kind: "away" });
      for (const sid of ["new", "lost"]) assert.deepEqual(await store.look(sid), { kind: "unknown" });
      await admin.config("SET", "maxmemory", "0");
      for (const sid of sids) await commitOk(store, turnOf(sid, "n1", 1, turn));
      assert.deepEqual((await takeRecord(store, "s0")).handled, ["p"]);
      admin.disconnect();
      await store.close();
    } finally {
      await full.stop();
    }
  });

  it("leaves the application's client open and without its listeners", async () => {
    const own = quietClient(url());
    await own.ping();
    const listeners = () => own.eventNames().map((name) => [name, own.listenerCount(name)]);
    const before = listeners();
    const { store } = storeOn(own);
    await store.ready();
    await openMany(store, 1);
    await store.close();
    assert.deepEqual(listeners(), before);
    assert.equal(await own.ping(), "PONG");
    own.disconnect();
  });
});

describe("keys of Redis", () => {
  it("are coded one to one, and plainly", () => {
    const names = [
      "",
      "a",
      "%",
      "%%",
      "%41",
      "A",
      "{",
      "}",
      "\n",
      "é",
      "e\u0301",
      "\ud83d",
      "\ufffd",
      "😀",
      "%u0041",
      "*",
      "\0",
    ];
    const coded = names.map(encodeName);
    assert.equal(new Set(coded).size, names.length);
    for (const code of coded) assert.match(code, /^[A-Za-z0-9_%-]+$/);
    assert.deepEqual(coded.map(decodeName), names);
  });

  it("refuse a prefix that would break the hash tag", () => {
    const options = { redis: {}, clock: runtimeClock, tick: new Tick(runtimeClock), limits: CONTRACT_LIMITS };
    assert.throws(() => new RedisStore({ ...options, prefix: "{app}:" }), /brace/);
  });
});
