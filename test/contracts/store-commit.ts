import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SessionStore } from "../../src/store/port";
import {
  commit,
  commitOk,
  CONTRACT_LIMITS,
  fresh,
  openOk,
  opening,
  takeRecord,
  turnOf,
  useHarness,
  type StoreFactory,
} from "./store-kit";

export function commitTests(factory: StoreFactory): void {
  describe("commit", () => {
    const use = useHarness(factory);

    async function opened(store: SessionStore): Promise<string> {
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      return sid;
    }

    it("writes all of a turn", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(
        store,
        turnOf(sid, "n1", 1, {
          packets: ["4a", "4b"],
          posts: ["p1"],
          inflight: { t: "t1", upTo: 1 },
          data: '{"a":1}',
          transport: "websocket",
          phase: "closing",
          refresh: true,
        }),
      );
      assert.deepEqual(await takeRecord(store, sid), {
        owner: "reader",
        turn: 2,
        protocol: 4,
        transport: "websocket",
        phase: "closing",
        acked: 0,
        packets: ["4a", "4b"],
        inflight: { t: "t1", upTo: 1 },
        answered: [],
        handled: ["p1"],
        handshake: '{"url":"/"}',
        data: '{"a":1}',
      });
    });

    it("leaves alone what a turn does not say: transport, data, phase", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1, { transport: "websocket", data: "1", phase: "closing" }));
      await commitOk(store, turnOf(sid, "n1", 2));
      const { transport, data, phase } = await takeRecord(store, sid);
      assert.deepEqual({ transport, data, phase }, { transport: "websocket", data: "1", phase: "closing" });
    });

    it("drops what has arrived and numbers on", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a", "4b", "4c"] }));
      await commitOk(store, turnOf(sid, "n1", 2, { acked: 2, packets: ["4d"] }));
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 2 }));
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.acked, record.packets], [2, ["4c", "4d"]]);
    });

    it("drops everything that has arrived, and takes packets again after that", async () => {
      const { store, checkTimesToLive } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"] }));
      await commitOk(store, turnOf(sid, "n1", 2, { acked: 1 }));
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 1, packets: ["4b"] }));
      await checkTimesToLive?.();
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.acked, record.packets], [1, ["4b"]]);
    });

    it("never takes back that something arrived", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a", "4b"] }));
      await commitOk(store, turnOf(sid, "n1", 2, { acked: 2 }));
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 1, packets: ["4c"] }));
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.acked, record.packets], [2, ["4c"]]);
    });

    it("sets in flight as it is said, null included; the old t goes to answered, oldest first", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"], inflight: { t: "t1", upTo: 1 } }));
      await commitOk(store, turnOf(sid, "n1", 2, { packets: ["4b"], inflight: { t: "t1", upTo: 1 } }));
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 1, inflight: { t: "t2", upTo: 2 } }));
      await commitOk(store, turnOf(sid, "n1", 4, { acked: 2, inflight: null }));
      await commitOk(store, turnOf(sid, "n1", 5, { acked: 2, inflight: { t: "t3", upTo: 2 } }));
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.inflight, record.answered], [{ t: "t3", upTo: 2 }, ["t1", "t2"]]);
    });

    it("keeps a t of any length and content, the empty one included", async () => {
      const { store } = use();
      const ts = ["", "x".repeat(2_000), "ü😀\n\0", "0", "-1"];
      const sid = await opened(store);
      for (const [i, t] of ts.entries())
        await commitOk(store, turnOf(sid, "n1", i + 1, { inflight: { t, upTo: 0 }, keep: 9 }));
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.inflight, record.answered], [{ t: "-1", upTo: 0 }, ts.slice(0, -1)]);
    });

    it("keeps at least the newest `keep` of answered polls and handled POSTs, and not without bound", async () => {
      const { store } = use();
      const sid = await opened(store);
      const turns = 60;
      for (let turn = 1; turn <= turns; turn++) {
        await commitOk(
          store,
          turnOf(sid, "n1", turn, { posts: [`p${turn}`], inflight: { t: `t${turn}`, upTo: 0 }, keep: 5 }),
        );
      }
      const { answered, handled } = await takeRecord(store, sid);
      const newest = (letter: string, upTo: number, count: number) =>
        Array.from({ length: count }, (_, i) => `${letter}${upTo - count + 1 + i}`);
      assert.deepEqual(handled.slice(-5), newest("p", turns, 5));
      assert.deepEqual(answered.slice(-5), newest("t", turns - 1, 5));
      assert.ok(handled.length <= 15 && answered.length <= 15, `${handled.length}, ${answered.length}`);
    });

    it("keeps all POSTs of a turn with more of them than usual", async () => {
      const { store } = use();
      const sid = await opened(store);
      const posts = Array.from({ length: 40 }, (_, i) => `p${i}`);
      await commitOk(store, turnOf(sid, "n1", 1, { posts, keep: 40 }));
      assert.deepEqual((await takeRecord(store, sid)).handled, posts);
    });

    it("is unknown without a record", async () => {
      const { store } = use();
      assert.deepEqual(await commit(store, turnOf(fresh("never"), "n1", 1)), { kind: "unknown" });
    });

    it("is ok and changes nothing when sent again, also after later turns", async () => {
      const { store } = use();
      const sid = await opened(store);
      const first = turnOf(sid, "n1", 1, { packets: ["4a"], posts: ["p1"], inflight: { t: "t1", upTo: 1 }, data: "1" });
      const second = turnOf(sid, "n1", 2, {
        acked: 1,
        packets: ["4b"],
        posts: ["p2"],
        inflight: { t: "t2", upTo: 2 },
        data: "2",
      });
      await commitOk(store, first);
      await commitOk(store, first);
      await commitOk(store, second);
      await commitOk(store, first);
      await commitOk(store, second);
      assert.deepEqual(await takeRecord(store, sid), {
        owner: "reader",
        turn: 3,
        protocol: 4,
        transport: "polling",
        phase: "open",
        acked: 1,
        packets: ["4b"],
        inflight: { t: "t2", upTo: 2 },
        answered: ["t1"],
        handled: ["p1", "p2"],
        handshake: '{"url":"/"}',
        data: "2",
      });
    });

    it("is behind when a turn leaves a gap, and changes nothing", async () => {
      const { store } = use();
      const sid = await opened(store);
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 2, { packets: ["4a"] })), { kind: "behind" });
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.turn, record.packets], [1, []]);
    });

    it("is fenced for another node at or below the record's turn, with who owns it and at which turn", async () => {
      const { store } = use();
      const sid = await opened(store);
      await commitOk(store, turnOf(sid, "n1", 1));
      assert.equal((await store.claim(sid, "n2", 1)).kind, "ok");
      const fenced = { kind: "fenced", owner: "n2", turn: 2 };
      // Turn 2 was the old owner's next; turn 3 is the new one's next, from the wrong node; turn 1 was committed before.
      for (const turn of [2, 3, 1])
        assert.deepEqual(await commit(store, turnOf(sid, "n1", turn, { packets: ["4x"] })), fenced);
      assert.deepEqual((await takeRecord(store, sid)).packets, []);
    });

    it("is behind for another node whose turns went further than the record", async () => {
      const { store } = use();
      const sid = await opened(store);
      assert.deepEqual(await commit(store, turnOf(sid, "n2", 2)), { kind: "behind" });
      assert.deepEqual(await commit(store, turnOf(sid, "n2", 1)), { kind: "fenced", owner: "n1", turn: 0 });
    });

    it("overflows over the number of packets, and changes nothing then", async () => {
      const { store } = use();
      const sid = await opened(store);
      const full = Array.from({ length: CONTRACT_LIMITS.maxPackets }, (_, i) => `4${i}`);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: full, inflight: { t: "t1", upTo: 1 } }));
      const over = turnOf(sid, "n1", 2, {
        packets: ["4x"],
        posts: ["p"],
        inflight: null,
        data: "1",
        transport: "websocket",
      });
      assert.deepEqual(await commit(store, over), { kind: "overflow" });
      assert.deepEqual(await commit(store, over), { kind: "overflow" });
      // What has arrived makes room in the same turn.
      await commitOk(store, turnOf(sid, "n1", 2, { acked: 1, packets: ["4x"], inflight: { t: "t1", upTo: 1 } }));
      const record = await takeRecord(store, sid);
      assert.deepEqual(
        [record.packets, record.handled, record.answered, record.data, record.transport],
        [[...full.slice(1), "4x"], [], [], "", "polling"],
      );
    });

    it("overflows over the number of characters, counted as JavaScript counts them", async () => {
      const { store } = use();
      const sid = await opened(store);
      const limit = CONTRACT_LIMITS.maxPacketChars;
      const wide = "€".repeat(limit - 10);
      await commitOk(store, turnOf(sid, "n1", 1, { packets: [wide] }));
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 2, { packets: ["12345678901"] })), { kind: "overflow" });
      await commitOk(store, turnOf(sid, "n1", 2, { packets: ["12345678😀"] }));
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 3, { packets: ["x"] })), { kind: "overflow" });
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 1, packets: ["x".repeat(limit - 10)] }));
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 4, { acked: 1, packets: ["x"] })), { kind: "overflow" });
      await commitOk(store, turnOf(sid, "n1", 4, { acked: 2, packets: ["1234567890"] }));
    });

    it("never overflows without packets: a full session can be closed", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const packets = Array.from({ length: CONTRACT_LIMITS.maxPackets + 3 }, (_, i) => `4${i}`);
      const { handshake } = opening(sid, "n1");
      const copy = {
        protocol: 4,
        transport: "polling",
        phase: "open",
        acked: 0,
        inflight: null,
        handshake,
        data: "",
      } as const;
      await store.restore(sid, { ...copy, owner: "n1", turn: 7, packets, answered: [], handled: [] });
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 8, { packets: ["4x"] })), { kind: "overflow" });
      await commitOk(store, turnOf(sid, "n1", 8, { phase: "closed" }));
    });

    it("moves the time to live on only when it is due", async () => {
      const { store, advance, checkTimesToLive } = use();
      const still = await opened(store);
      const moved = await opened(store);
      const turn = { packets: ["4a"], posts: ["p"], data: "1", inflight: { t: "t", upTo: 1 } };
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      await commitOk(store, turnOf(still, "n1", 1, turn));
      await commitOk(store, turnOf(moved, "n1", 1, { ...turn, refresh: true }));
      await checkTimesToLive?.();
      await advance(2_000);
      assert.deepEqual(await store.look(still), { kind: "unknown" });
      assert.deepEqual((await takeRecord(store, moved)).packets, ["4a"]);
    });

    it("keeps what is written late for as long as the record", async () => {
      const { store, advance } = use();
      const sid = await opened(store);
      await advance(CONTRACT_LIMITS.recordTtl - 5_000);
      await commitOk(
        store,
        turnOf(sid, "n1", 1, { packets: ["4a"], posts: ["p"], data: "1", inflight: { t: "t", upTo: 1 } }),
      );
      await commitOk(store, turnOf(sid, "n1", 2, { inflight: null }));
      await advance(3_000);
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.packets, record.handled, record.answered, record.data], [["4a"], ["p"], ["t"], "1"]);
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      assert.deepEqual((await takeRecord(store, sid)).packets, ["4a"]);
    });

    it("keeps a closed record for `linger` only, whole, and moves it on by that at most", async () => {
      const { store, advance } = use();
      const sid = await opened(store);
      await commitOk(
        store,
        turnOf(sid, "n1", 1, { packets: ["4a", "1"], inflight: { t: "t", upTo: 2 }, phase: "closed" }),
      );
      assert.equal(((await store.look(sid)) as { phase?: string }).phase, "closed");
      await advance(CONTRACT_LIMITS.linger - 1_000);
      await commitOk(store, turnOf(sid, "n1", 2, { inflight: { t: "t", upTo: 2 }, refresh: true }));
      await advance(CONTRACT_LIMITS.linger - 1_000);
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.phase, record.packets, record.inflight], ["closed", ["4a", "1"], { t: "t", upTo: 2 }]);
      await advance(CONTRACT_LIMITS.linger + 1_000);
      assert.deepEqual(await store.look(sid), { kind: "unknown" });
    });
  });
}
