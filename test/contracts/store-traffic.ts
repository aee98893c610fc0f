import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { CommitResult } from "../../src/store/port";
import {
  commit,
  commitOk,
  fresh,
  openOk,
  opening,
  takeRecord,
  turnOf,
  useHarness,
  type StoreFactory,
} from "./store-kit";

export function trafficTests(factory: StoreFactory): void {
  describe("many operations at once", () => {
    const use = useHarness(factory);

    it("never answers inside commit", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      let inside = true;
      await new Promise<void>((resolve, reject) => {
        store.commit(turnOf(sid, "n1", 1), {
          onCommitResult: () => {
            if (inside) reject(new Error("answered inside commit"));
            else resolve();
          },
        });
        inside = false;
      });
    });

    it("answers commits of one session in the order given, in one tick and over several", async () => {
      const { store } = use();
      const sid = fresh("sid");
      await openOk(store, opening(sid, "n1"));
      const answers: string[] = [];
      const told: Promise<void>[] = [];
      for (let turn = 1; turn <= 30; turn++) {
        told.push(
          commit(store, turnOf(sid, "n1", turn, { acked: turn - 1, packets: [`4${turn}`] })).then(({ kind }) => {
            answers.push(`${turn} ${kind}`);
          }),
        );
        if (turn % 10 === 0) await setImmediate();
      }
      await Promise.all(told);
      assert.deepEqual(
        answers,
        Array.from({ length: 30 }, (_, i) => `${i + 1} ok`),
      );
      const record = await takeRecord(store, sid);
      assert.deepEqual([record.turn, record.packets], [31, ["430"]]);
    });

    it("takes the commits of many sessions in one tick, each told once and none hurt by another", async () => {
      const { store } = use();
      const sids = Array.from({ length: 500 }, () => fresh("many"));
      await Promise.all(sids.map((sid) => store.open(opening(sid, "n1"))));
      const expected = (i: number): CommitResult["kind"] =>
        i % 5 === 1 ? "fenced" : i % 5 === 2 ? "behind" : i % 5 === 3 ? "unknown" : i % 5 === 4 ? "overflow" : "ok";
      const answers = new Map<number, CommitResult[]>();
      await new Promise<void>((resolve) => {
        let open = sids.length;
        for (const [i, sid] of sids.entries()) {
          const kind = expected(i);
          const packets = Array.from({ length: kind === "overflow" ? 13 : i % 3 }, (_, n) => `4${i}.${n}`);
          const what = turnOf(
            kind === "unknown" ? `${sid}x` : sid,
            kind === "fenced" ? "n2" : "n1",
            kind === "behind" ? 2 : 1,
            {
              packets,
              posts: [`p${i}`],
              inflight: { t: `t${i}`, upTo: packets.length },
            },
          );
          store.commit(what, {
            onCommitResult: (result) => {
              answers.set(i, [...(answers.get(i) ?? []), result]);
              if (--open === 0) resolve();
            },
          });
        }
      });
      for (const [i, sid] of sids.entries()) {
        const kind = expected(i);
        assert.deepEqual(
          answers.get(i),
          [kind === "fenced" ? { kind, owner: "n1", turn: 0 } : { kind }],
          `commit ${i}`,
        );
        if (i % 25 !== 0) continue;
        const record = await takeRecord(store, sid);
        assert.deepEqual(record.handled, [`p${i}`]);
        assert.deepEqual(record.inflight, { t: `t${i}`, upTo: record.packets.length });
      }
    });

    it("tells the other waiters of a tick when one of them commits again inside its answer", async () => {
      const { store } = use();
      const sids = [fresh("sid"), fresh("sid"), fresh("sid")];
      for (const sid of sids) await openOk(store, opening(sid, "n1"));
      const told = sids.map(async (sid) => {
        for (let turn = 1; turn <= 5; turn++) await commitOk(store, turnOf(sid, "n1", turn));
      });
      await Promise.all(told);
      for (const sid of sids) assert.equal((await takeRecord(store, sid)).turn, 6);
    });

    it("carries packets of 1 MB, several in one tick", async () => {
      const { store } = use();
      const sids = [fresh("big"), fresh("big"), fresh("big")];
      for (const sid of sids) await openOk(store, opening(sid, "n1"));
      const big = (i: number) => `4${i}` + "é".repeat(500_000) + "x".repeat(500_000);
      await Promise.all(sids.map((sid, i) => commitOk(store, turnOf(sid, "n1", 1, { packets: [big(i), "4small"] }))));
      for (const [i, sid] of sids.entries()) {
        const { packets } = await takeRecord(store, sid);
        assert.ok(packets.length === 2 && packets[0] === big(i) && packets[1] === "4small");
      }
    });

    it("carries any text; a lone surrogate survives or becomes U+FFFD", async () => {
      const { store } = use();
      const sid = fresh("sid");
      const exact = ["4", "4\0", "4\r\n", "4:1:", "12:3", "4é€😀", "4\u2028\ufeff\u00a0", "4\u001e", "bAQID", "~4x"];
      const lone = ["4\ud83d", "\ude00", "4a\ud83db\ude00\ud83d\ude00"];
      await openOk(store, opening(sid, "n1", { handshake: "\ud83d" }));
      await commitOk(
        store,
        turnOf(sid, "n1", 1, { packets: exact, posts: exact, keep: 99, inflight: { t: "€\0", upTo: 3 }, data: "😀" }),
      );
      await commitOk(
        store,
        turnOf(sid, "n1", 2, { acked: 10, packets: lone, posts: lone, keep: 99, inflight: { t: "\ud83d", upTo: 10 } }),
      );
      const record = await takeRecord(store, sid);
      const softened = (text: string) =>
        text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
      assert.deepEqual(record.packets.map(softened), lone.map(softened));
      assert.deepEqual(record.handled.map(softened), [...exact, ...lone].map(softened));
      assert.deepEqual(record.answered, ["€\0"]);
      assert.equal(softened(record.inflight?.t ?? ""), "\ufffd");
      assert.deepEqual([softened(record.handshake), record.data], ["\ufffd", "😀"]);
    });
  });
}
