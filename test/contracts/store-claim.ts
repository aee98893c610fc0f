import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  commit,
  commitOk,
  CONTRACT_LIMITS,
  fresh,
  openOk,
  opening,
  turnOf,
  useHarness,
  type StoreFactory,
} from "./store-kit";

export function claimTests(factory: StoreFactory): void {
  describe("claim", () => {
    const use = useHarness(factory);

    it("makes the node the owner, raises the turn and answers with the whole record", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1", { protocol: 3, handshake: "h" }));
      await commitOk(
        store,
        turnOf(sid, "n1", 1, { packets: ["4a", "4b"], posts: ["p1"], inflight: { t: "t1", upTo: 2 }, data: "d" }),
      );
      await commitOk(store, turnOf(sid, "n1", 2, { acked: 1, posts: ["p2"], inflight: { t: "t2", upTo: 2 } }));
      const record = {
        owner: "n2",
        turn: 3,
        protocol: 3,
        transport: "polling",
        phase: "open",
        acked: 1,
        packets: ["4b"],
        inflight: { t: "t2", upTo: 2 },
        answered: ["t1"],
        handled: ["p1", "p2"],
        handshake: "h",
        data: "d",
      };
      assert.deepEqual(await store.claim(sid, "n2", 2), { kind: "ok", record });
      assert.deepEqual(await store.claim(sid, "n2", 2), { kind: "ok", record }, "sent again");
      const { owner, turn, protocol, transport, phase } = record;
      assert.deepEqual(await store.look(sid), { kind: "found", owner, turn, protocol, transport, phase });
    });

    it("lets the new owner go on at the next turn, and refuses the old one", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await store.claim(sid, "n2", 0);
      assert.deepEqual(await commit(store, turnOf(sid, "n1", 1)), { kind: "fenced", owner: "n2", turn: 1 });
      await commitOk(store, turnOf(sid, "n2", 2));
    });

    it("is no when the turn differs, in both directions, and changes nothing", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1));
      for (const turn of [0, 2]) {
        assert.deepEqual(await store.claim(sid, "n2", turn), { kind: "no", owner: "n1", turn: 1 });
      }
      await commitOk(store, turnOf(sid, "n1", 2));
    });

    it("is no when sent again after the new owner's first turn", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await store.claim(sid, "n2", 0);
      await commitOk(store, turnOf(sid, "n2", 2));
      assert.deepEqual(await store.claim(sid, "n2", 0), { kind: "no", owner: "n2", turn: 2 });
    });

    it("raises the turn for the owner itself too", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(sid, "n1", 1));
      const claimed = await store.claim(sid, "n1", 1);
      assert.ok(claimed.kind === "ok" && claimed.record.turn === 2);
    });

    it("is unknown without a record", async () => {
      assert.deepEqual(await use().store.claim(fresh("never"), "n1", 0), { kind: "unknown" });
    });

    it("has exactly one winner when two clients race, and the loser hears who", async () => {
      const { store, another } = use();
      const other = await another();
      for (let round = 0; round < 30; round++) {
        const sid = fresh("sid");
        await openOk(store, opening(sid, "dead"));
        const [a, b] = await Promise.all([store.claim(sid, "n1", 0), other.claim(sid, "n2", 0)]);
        assert.deepEqual([a.kind, b.kind].sort(), ["no", "ok"]);
        const winner = a.kind === "ok" ? "n1" : "n2";
        assert.deepEqual(a.kind === "no" ? a : b, { kind: "no", owner: winner, turn: 1 });
      }
    });

    it("has one winner between a claim and a commit of the owner", async () => {
      const { store, another } = use();
      const other = await another();
      for (let round = 0; round < 30; round++) {
        const sid = fresh("sid");
        await openOk(store, opening(sid, "n1"));
        const [written, claimed] = await Promise.all([
          commit(store, turnOf(sid, "n1", 1, { packets: ["4a"] })),
          other.claim(sid, "n2", 0),
        ]);
        if (written.kind === "ok") assert.deepEqual(claimed, { kind: "no", owner: "n1", turn: 1 });
        else {
          assert.deepEqual(written, { kind: "fenced", owner: "n2", turn: 1 });
          assert.ok(claimed.kind === "ok");
          assert.deepEqual(claimed.record.packets, []);
        }
      }
    });

    it("moves the time to live on: of an open record fully, of a closed one by `linger`", async () => {
      const { store, advance, checkTimesToLive } = use();
      const open = fresh("sid");
      const closed = fresh("sid");
      for (const sid of [open, closed]) await openOk(store, opening(sid, "n1"));
      await commitOk(store, turnOf(open, "n1", 1, { packets: ["4a"], posts: ["p"], data: "1" }));
      await commitOk(store, turnOf(closed, "n1", 1, { phase: "closed", packets: ["1"] }));
      await advance(CONTRACT_LIMITS.linger - 1_000);
      for (const sid of [open, closed]) assert.equal((await store.claim(sid, "n2", 1)).kind, "ok");
      await checkTimesToLive?.();
      await advance(CONTRACT_LIMITS.linger + 1_000);
      assert.deepEqual(await store.look(closed), { kind: "unknown" });
      await advance(CONTRACT_LIMITS.recordTtl - CONTRACT_LIMITS.linger - 2_000);
      const claimed = await store.claim(open, "n3", 2);
      assert.ok(claimed.kind === "ok");
      assert.deepEqual([claimed.record.packets, claimed.record.handled, claimed.record.data], [["4a"], ["p"], "1"]);
    });

    it("shares nothing with the caller", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const packets = ["4a"];
      const posts = ["p"];
      await openOk(store, opening(sid, "n1"));
      const told = commit(store, turnOf(sid, "n1", 1, { packets, posts }));
      packets.push("4x");
      posts.push("x");
      assert.deepEqual(await told, { kind: "ok" });
      const first = await store.claim(sid, "n2", 1);
      assert.ok(first.kind === "ok");
      (first.record.packets as string[]).push("4y");
      (first.record.handled as string[]).length = 0;
      const second = await store.claim(sid, "n3", 2);
      assert.ok(second.kind === "ok");
      assert.deepEqual([second.record.packets, second.record.handled], [["4a"], ["p"]]);
    });
  });
}
