import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  commitOk,
  CONTRACT_LIMITS,
  fresh,
  openOk,
  opening,
  recordOf,
  takeRecord,
  turnOf,
  useHarness,
  type StoreFactory,
} from "./store-kit";

/** Ids that a careless key would break on, or let reach into another session. */
const NASTY_SIDS = [
  "",
  " ",
  "{",
  "}",
  "{}",
  "}{",
  "{a}b",
  "a:m",
  "a:p",
  "*",
  "?",
  "[a-z]",
  "a\nb",
  "a\r\n$3\r\nfoo",
  "\0",
  "%",
  "%7B",
  "a%00",
  "../../x",
  "__proto__",
  "constructor",
  "å",
  "a\u030a",
  "日本語",
  "😀",
  "\ud83d",
  "\ude00",
  "\ufffd",
  "x".repeat(256),
  "\u0001".repeat(64),
];

export function openTests(factory: StoreFactory): void {
  describe("open and look", () => {
    const use = useHarness(factory);

    it("makes the record with turn 0, and look tells what a node must know", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1", { protocol: 3, transport: "websocket" }));
      assert.deepEqual(await store.look(sid), {
        kind: "found",
        owner: "n1",
        turn: 0,
        protocol: 3,
        transport: "websocket",
        phase: "open",
      });
    });

    it("keeps the handshake as it was given, and starts with nothing else", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const handshake = JSON.stringify({ url: "/?a=%7B}\n", headers: { cookie: "ü=😀; x=\0" } });
      await openOk(store, opening(sid, "n1", { handshake }));
      assert.deepEqual(await takeRecord(store, sid), {
        owner: "reader",
        turn: 1,
        protocol: 4,
        transport: "polling",
        phase: "open",
        acked: 0,
        packets: [],
        inflight: null,
        answered: [],
        handled: [],
        handshake,
        data: "",
      });
    });

    it("tells the handshake, whoever owns the session and however often it was committed, until it is over", async () => {
      const { store, another, advance } = use();
      const sid = fresh("sid");
      const handshake = JSON.stringify({ url: "/?a=%7B}\n", headers: { cookie: "ü=😀; x=\0" } });
      assert.deepEqual(await store.handshake(sid), { kind: "unknown" });
      await openOk(store, opening(sid, "n1", { handshake }));
      const other = await another();
      const found = { kind: "found", handshake };
      assert.deepEqual(await other.handshake(sid), found);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"] }));
      assert.equal((await other.claim(sid, "n2", 1)).kind, "ok");
      assert.deepEqual(await store.handshake(sid), found);
      await store.restore(sid, recordOf("n2", 9, { handshake: "of a copy" }));
      assert.deepEqual(await store.handshake(sid), { kind: "found", handshake: "of a copy" });
      await advance(CONTRACT_LIMITS.recordTtl + 1_000);
      assert.deepEqual(await store.handshake(sid), { kind: "unknown" });
    });

    it("tells it of any id", async () => {
      const { store } = use();
      for (const [i, sid] of NASTY_SIDS.entries()) {
        const own = `h-${sid}`;
        await openOk(store, opening(own, "n", { handshake: `h${i}` }));
      }
      for (const [i, sid] of NASTY_SIDS.entries()) {
        assert.deepEqual(await store.handshake(`h-${sid}`), { kind: "found", handshake: `h${i}` }, JSON.stringify(sid));
      }
    });

    it("does not let that move the time to live on", async () => {
      const { store, advance } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      assert.equal((await store.handshake(sid)).kind, "found");
      await advance(2_000);
      assert.deepEqual(await store.handshake(sid), { kind: "unknown" });
    });

    it("is ok again for the same owner while the turn is still 0", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1));
      assert.deepEqual(await store.open(opening(sid, "n1")), { kind: "exists" });
    });

    it("exists for another owner, and changes nothing then", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1", { handshake: "first" }));
      assert.deepEqual(await store.open(opening(sid, "n2", { handshake: "second" })), { kind: "exists" });
      const record = await takeRecord(store, sid);
      assert.equal(record.handshake, "first");
    });

    it("exists after a claim, also for the node that opened it", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      assert.equal((await store.claim(sid, "n1", 0)).kind, "ok");
      assert.deepEqual(await store.open(opening(sid, "n1")), { kind: "exists" });
    });

    it("exists while a closed record lingers", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1, { phase: "closed" }));
      assert.deepEqual(await store.open(opening(sid, "n1")), { kind: "exists" });
    });

    it("gives one winner when two clients open the same id", async () => {
      const { store, another } = use();
      const other = await another();
      for (let round = 0; round < 20; round++) {
        const sid = fresh("sid");
        const results = await Promise.all([store.open(opening(sid, "n1")), other.open(opening(sid, "n2"))]);
        assert.deepEqual(results.map((result) => result.kind).sort(), ["exists", "ok"]);
        const found = await other.look(sid);
        assert.ok(found.kind === "found");
        assert.equal(found.owner, results[0].kind === "ok" ? "n1" : "n2");
      }
    });

    it("finds nothing where nothing was opened", async () => {
      assert.deepEqual(await use().store.look(fresh("never")), { kind: "unknown" });
    });

    it("ends a record when its time is over, and the id can be opened again with nothing left of the first", async () => {
      const { store, advance } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1", { handshake: "first" }));
      await commitOk(
        store,
        turnOf(sid, "n1", 1, { packets: ["4a"], posts: ["p"], inflight: { t: "t", upTo: 1 }, data: "1" }),
      );
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      assert.equal((await store.look(sid)).kind, "found");
      await advance(2_000);
      assert.deepEqual(await store.look(sid), { kind: "unknown" });
      await openOk(store, opening(sid, "n2", { handshake: "second" }));
      const { packets, handled, inflight, data, handshake } = await takeRecord(store, sid);
      assert.deepEqual(
        { packets, handled, inflight, data, handshake },
        { packets: [], handled: [], inflight: null, data: "", handshake: "second" },
      );
    });

    it("moves the time to live on when it is sent again", async () => {
      const { store, advance } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      await openOk(store, opening(sid, "n1"));
      await advance(2_000);
      assert.equal((await store.look(sid)).kind, "found");
    });

    it("does not let look move it on", async () => {
      const { store, advance } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      assert.equal((await store.look(sid)).kind, "found");
      await advance(2_000);
      assert.deepEqual(await store.look(sid), { kind: "unknown" });
    });

    it("keeps apart and gives back any id, whatever is in it", async () => {
      const { store, checkTimesToLive } = use();
      for (const [i, sid] of NASTY_SIDS.entries()) {
        await openOk(store, opening(sid, `owner${i}`, { handshake: `h${i}` }));
        await commitOk(store, turnOf(sid, `owner${i}`, 1, { packets: [`4p${i}`], posts: [`k${i}`], data: `${i}` }));
      }
      await checkTimesToLive?.();
      for (const [i, sid] of NASTY_SIDS.entries()) {
        const found = await store.look(sid);
        assert.ok(found.kind === "found" && found.owner === `owner${i}`, JSON.stringify(sid));
        const record = await takeRecord(store, sid);
        assert.deepEqual(
          [record.handshake, record.packets, record.handled, record.data],
          [`h${i}`, [`4p${i}`], [`k${i}`], `${i}`],
          JSON.stringify(sid),
        );
      }
    });

    it("names owners with any characters", async () => {
      const { store } = use();
      for (const node of ["a b", "{n}", "n:1", "n\n", "é😀", "-1"]) {
        const sid = fresh("sid");
        await openOk(store, opening(sid, node));
        await commitOk(store, turnOf(sid, node, 1));
        assert.equal(((await store.look(sid)) as { owner?: string }).owner, node);
        assert.deepEqual(await store.claim(sid, "other", 0), { kind: "no", owner: node, turn: 1 });
      }
    });
  });
}
