import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import type { LivingNode, SessionStore } from "../../src/store/port";
import { commit, CONTRACT_LIMITS, fresh, opening, recordOf, turnOf, useHarness, type StoreFactory } from "./store-kit";

async function lease(store: SessionStore, node: string, incarnation = 1): Promise<LivingNode[]> {
  const result = await store.lease(node, incarnation);
  assert.ok(result.kind === "ok");
  return [...result.nodes].sort((a, b) => (a.node < b.node ? -1 : 1));
}

async function indexOf(store: SessionStore, node: string): Promise<string[]> {
  const sids = new Set<string>();
  let cursor = "0";
  do {
    const slice = await store.indexSlice(node, cursor);
    assert.ok(slice.kind === "ok");
    for (const sid of slice.sids) sids.add(sid);
    cursor = slice.cursor;
  } while (cursor !== "0");
  return [...sids].sort();
}

/** The index promises no moment at which a change is seen, so a test asks until it is. */
async function indexBecomes(store: SessionStore, node: string, sids: readonly string[]): Promise<void> {
  const want = [...sids].sort();
  for (let tries = 0; tries < 200; tries++) {
    const have = await indexOf(store, node);
    if (have.length === want.length && have.every((sid, i) => sid === want[i])) return;
    await setTimeout(10);
  }
  assert.deepEqual(await indexOf(store, node), want);
}

export function nodeTests(factory: StoreFactory): void {
  describe("lease", () => {
    const use = useHarness(factory);

    it("reads which leases stand, of all clients, and ends them when they are not renewed", async () => {
      const { store, another, advance, checkTimesToLive } = use();
      const other = await another();
      assert.deepEqual(await lease(store, "a"), [{ node: "a", incarnation: 1 }]);
      assert.deepEqual(await lease(other, "b", 7), [
        { node: "a", incarnation: 1 },
        { node: "b", incarnation: 7 },
      ]);
      await checkTimesToLive?.();
      await advance(CONTRACT_LIMITS.leaseTtl - 1_000);
      assert.equal((await lease(store, "a")).length, 2);
      await advance(2_000);
      assert.deepEqual(await lease(store, "a"), [{ node: "a", incarnation: 1 }], "a was renewed, b was not");
      await advance(CONTRACT_LIMITS.leaseTtl + 1_000);
      assert.deepEqual(await lease(other, "b", 8), [{ node: "b", incarnation: 8 }]);
      await other.release("b");
    });

    it("is taken again under the same id with a new incarnation, which a late call does not take back", async () => {
      const { store, advance } = use();
      const node = fresh("node");
      await lease(store, node, 1);
      await advance(CONTRACT_LIMITS.leaseTtl + 1_000);
      assert.deepEqual(await lease(store, node, 2), [{ node, incarnation: 2 }]);
      assert.deepEqual(await lease(store, node, 2), [{ node, incarnation: 2 }], "sent again");
      assert.deepEqual(await lease(store, node, 1), [{ node, incarnation: 2 }], "late");
      await store.release(node);
    });

    it("is gone once it was given back", async () => {
      const { store } = use();
      const [a, b] = [fresh("node"), fresh("node")];
      await lease(store, a);
      await lease(store, b);
      await store.release(a);
      await store.release(a);
      assert.deepEqual(await lease(store, b), [{ node: b, incarnation: 1 }]);
      await store.release(b);
    });

    it("is given back by one that only asks for the leases of others", async () => {
      const { store } = use();
      const [a, b] = [fresh("node"), fresh("node")];
      await lease(store, a, 2);
      await lease(store, b);
      const asked = async (incarnation: number): Promise<LivingNode[]> => {
        const result = await store.lease(b, incarnation, false);
        return result.kind === "ok" ? [...result.nodes] : assert.fail();
      };
      assert.deepEqual(await asked(0), [{ node: a, incarnation: 2 }], "late");
      assert.equal((await lease(store, a, 2)).length, 2, "a late call gives nothing back");
      assert.deepEqual(await asked(1), [{ node: a, incarnation: 2 }]);
      assert.deepEqual(await lease(store, a, 2), [{ node: a, incarnation: 2 }]);
      await store.release(a);
    });

    it("names nodes with any characters", async () => {
      const { store } = use();
      const nodes = ["a b", "n:1", "x}{y", "é😀", "n\n2"];
      for (const [i, node] of nodes.entries()) await lease(store, node, i + 1);
      const standing = await lease(store, "a b", 1);
      assert.deepEqual(standing.map(({ node }) => node).sort(), [...nodes].sort());
      for (const node of nodes) await store.release(node);
    });
  });

  describe("index", () => {
    const use = useHarness(factory);

    it("adds and removes, for each node apart, with any id", async () => {
      const { store, another } = use();
      const other = await another();
      const [a, b] = [fresh("node"), fresh("node")];
      assert.deepEqual(await indexOf(store, a), []);
      const sids = ["s1", "{s2}", "s\n3", "é😀", "\ud83d", "%41", ""];
      store.index(a, sids, []);
      store.index(b, ["s9"], ["s8"]);
      await indexBecomes(other, a, sids);
      await indexBecomes(other, b, ["s9"]);
      store.index(a, ["s4"], ["s1", "é😀", "never"]);
      await indexBecomes(other, a, ["{s2}", "s\n3", "\ud83d", "%41", "", "s4"]);
      store.index(a, [], ["{s2}", "s\n3", "\ud83d", "%41", "", "s4"]);
      await indexBecomes(other, a, []);
    });

    it("lets the last word of a tick count", async () => {
      const { store } = use();
      const node = fresh("node");
      store.index(node, ["stays", "goes"], []);
      store.index(node, [], ["stays", "goes"]);
      store.index(node, ["stays"], []);
      await indexBecomes(store, node, ["stays"]);
    });

    it("is read in slices that miss nothing, however much there is", async () => {
      const { store, checkTimesToLive } = use();
      const node = fresh("node");
      const sids = Array.from({ length: 12_000 }, (_, i) => `sid${i}`);
      store.index(node, sids, []);
      await indexBecomes(store, node, sids);
      await checkTimesToLive?.();
      const first = await store.indexSlice(node, "0");
      assert.ok(first.kind === "ok" && first.cursor !== "0" && first.sids.length < 6_000, "in slices");
    });

    it("does not hide what stays from a reader while others go", async () => {
      const { store } = use();
      const node = fresh("node");
      const stay = Array.from({ length: 3_000 }, (_, i) => `stay${i}`);
      const go = Array.from({ length: 3_000 }, (_, i) => `go${i}`);
      store.index(
        node,
        stay.flatMap((sid, i) => [go[i] ?? "", sid]),
        [],
      );
      await indexBecomes(store, node, [...stay, ...go]);
      const seen = new Set<string>();
      let cursor = "0";
      do {
        const slice = await store.indexSlice(node, cursor);
        assert.ok(slice.kind === "ok");
        for (const sid of slice.sids) seen.add(sid);
        cursor = slice.cursor;
        store.index(node, [], go.splice(0, 500));
      } while (cursor !== "0");
      for (const sid of stay) assert.ok(seen.has(sid), sid);
    });

    it("lives on with its node's lease, outlives it by the time of a record, and then ends", async () => {
      const { store, advance } = use();
      const node = fresh("node");
      await lease(store, node);
      store.index(node, ["s"], []);
      await indexBecomes(store, node, ["s"]);
      await advance(CONTRACT_LIMITS.recordTtl);
      await lease(store, node);
      await advance(CONTRACT_LIMITS.recordTtl);
      assert.deepEqual(await indexOf(store, node), ["s"]);
      await advance(CONTRACT_LIMITS.recordTtl + CONTRACT_LIMITS.leaseTtl);
      assert.deepEqual(await indexOf(store, node), []);
    });
  });

  describe("close", () => {
    it("answers what is under way and what comes later with away", async () => {
      const harness = await factory();
      try {
        const store = await harness.another();
        await store.ready();
        const sid = fresh("sid");
        await store.open(opening(sid, "n1"));
        const told = commit(store, turnOf(sid, "n1", 1));
        const claimed = store.claim(sid, "n2", 5);
        await store.close();
        assert.deepEqual(await told, { kind: "away" });
        // It may have been answered before it was closed.
        assert.ok(["away", "no"].includes((await claimed).kind));
        const away = { kind: "away" };
        assert.deepEqual(await commit(store, turnOf(sid, "n1", 1)), away);
        assert.deepEqual(await store.open(opening(sid, "n1")), away);
        assert.deepEqual(await store.look(sid), away);
        assert.deepEqual(await store.claim(sid, "n1", 0), away);
        assert.deepEqual(await store.restore(sid, recordOf("n1", 1)), away);
        assert.deepEqual(await store.renew("n1", [sid]), away);
        assert.deepEqual(await store.lease("n1", 1), away);
        assert.deepEqual(await store.indexSlice("n1", "0"), away);
        store.index("n1", [sid], []);
        await store.release("n1");
        await store.close();
      } finally {
        await harness.stop();
      }
    });
  });
}
