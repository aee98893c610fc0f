import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  commit,
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

const FULL = {
  protocol: 3,
  acked: 4,
  packets: ["4e", "4f"],
  inflight: { t: "t9", upTo: 6 },
  answered: ["t7", "t8"],
  handled: ["p1", "p2"],
  handshake: "h",
  data: "d",
} as const;

export function restoreTests(factory: StoreFactory): void {
  describe("restore and renew", () => {
    const use = useHarness(factory);

    it("writes the copy where there is none, and the same commit goes on from it", async () => {
      const { store, checkTimesToLive } = use();
      const sid = fresh("sid");
      assert.deepEqual(await store.restore(sid, recordOf("n1", 9, FULL)), { kind: "ok" });
      await checkTimesToLive?.();
      await commitOk(store, turnOf(sid, "n1", 10, { acked: 5, packets: ["4g"], inflight: FULL.inflight }));
      assert.deepEqual(await takeRecord(store, sid), {
        ...recordOf("reader", 11, FULL),
        acked: 5,
        packets: ["4f", "4g"],
      });
    });

    it("replaces an older record whoever owns it, with nothing left of it", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n2"));
      await commitOk(
        store,
        turnOf(sid, "n2", 1, { packets: ["4a", "4b", "4c"], posts: ["x"], inflight: { t: "y", upTo: 1 }, data: "z" }),
      );
      await commitOk(store, turnOf(sid, "n2", 2, { inflight: null }));
      assert.deepEqual(await store.restore(sid, recordOf("n1", 3)), { kind: "ok" });
      assert.deepEqual(await takeRecord(store, sid), recordOf("reader", 4));
    });

    it("keeps a record of the same owner that is not older", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"] }));
      assert.deepEqual(await store.restore(sid, recordOf("n1", 1, { packets: ["4x"] })), { kind: "ok" });
      assert.deepEqual(await store.restore(sid, recordOf("n1", 0)), { kind: "ok" });
      assert.deepEqual((await takeRecord(store, sid)).packets, ["4a"]);
    });

    it("is fenced by another owner's record that is not older", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await store.claim(sid, "n2", 0);
      for (const turn of [0, 1]) {
        assert.deepEqual(await store.restore(sid, recordOf("n1", turn)), { kind: "fenced", owner: "n2", turn: 1 });
      }
      await commitOk(store, turnOf(sid, "n2", 2));
    });

    it("changes nothing more when sent again, also after later turns", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const copy = recordOf("n1", 9, FULL);
      await store.restore(sid, copy);
      assert.deepEqual(await store.restore(sid, copy), { kind: "ok" });
      await commitOk(store, turnOf(sid, "n1", 10, { acked: 6 }));
      assert.deepEqual(await store.restore(sid, copy), { kind: "ok" });
      assert.deepEqual((await takeRecord(store, sid)).packets, []);
    });

    it("counts what it restored against the limits", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const packets = ["€".repeat(CONTRACT_LIMITS.maxPacketChars - 1)];
      await store.restore(sid, recordOf("n1", 1, { packets }));
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 2, { packets: ["4x"] })), { kind: "overflow" });
      await commitOk(store, turnOf(sid, "n1", 2, { packets: ["1"] }));
      await commitOk(store, turnOf(sid, "n1", 3, { acked: 1, packets: ["4x"] }));
    });

    it("keeps an open copy for the full time and a closed one for `linger`", async () => {
      const { store, advance } = use();
      const open = fresh("sid");
      const closed = fresh("sid");
      await store.restore(open, recordOf("n1", 1, FULL));
      await store.restore(closed, recordOf("n1", 1, { phase: "closed" }));
      await advance(CONTRACT_LIMITS.linger + 1_000);
      assert.deepEqual(await store.look(closed), { kind: "unknown" });
      await advance(CONTRACT_LIMITS.recordTtl - CONTRACT_LIMITS.linger - 2_000);
      assert.deepEqual((await takeRecord(store, open)).packets, FULL.packets);
    });

    it("shares nothing with the caller", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const packets = ["4a"];
      await store.restore(sid, recordOf("n1", 1, { packets }));
      packets.push("4x");
      assert.deepEqual((await takeRecord(store, sid)).packets, ["4a"]);
    });

    it("renews the records that the node owns, and names the others", async () => {
      const { store, advance, checkTimesToLive } = use();
      const own = fresh("own");
      const foreign = fresh("foreign");
      const taken = fresh("taken");
      const never = fresh("never");
      await openOk(store, opening(own, "n1", { transport: "websocket" }));
      await openOk(store, opening(foreign, "n2"));
      await openOk(store, opening(taken, "n1"));
      await store.claim(taken, "n2", 0);
      await commitOk(store, turnOf(own, "n1", 1, { packets: ["4a"], posts: ["p"], data: "1" }));
      await advance(CONTRACT_LIMITS.recordTtl - 1_000);
      const renewed = await store.renew("n1", [foreign, own, never, taken]);
      assert.ok(renewed.kind === "ok");
      assert.deepEqual([...renewed.lost].sort(), [foreign, never, taken].sort());
      await checkTimesToLive?.();
      await advance(2_000);
      assert.deepEqual(await store.look(foreign), { kind: "unknown" });
      const record = await takeRecord(store, own);
      assert.deepEqual([record.packets, record.handled, record.data], [["4a"], ["p"], "1"]);
    });

    it("renews nothing, many, and any id", async () => {
      const { store } = use();
      assert.deepEqual(await store.renew("n1", []), { kind: "ok", lost: [] });
      const sids = Array.from({ length: 700 }, () => fresh("many"));
      await Promise.all(sids.map((sid) => store.open(opening(sid, "n1"))));
      const strangers = ["{x}", "\n", "\ud83d\ude00", "\ud83d"];
      const renewed = await store.renew("n1", [...sids.slice(0, 350), ...strangers, ...sids.slice(350)]);
      assert.ok(renewed.kind === "ok");
      assert.deepEqual([...renewed.lost].sort(), [...strangers].sort());
    });

    it("neither loses nor moves on a closed record", async () => {
      const { store, advance } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1, { phase: "closed" }));
      await advance(CONTRACT_LIMITS.linger - 1_000);
      assert.deepEqual(await store.renew("n1", [sid]), { kind: "ok", lost: [] });
      await advance(2_000);
      assert.deepEqual(await store.look(sid), { kind: "unknown" });
    });
  });
}
