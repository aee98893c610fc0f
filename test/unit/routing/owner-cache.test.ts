import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { OwnerCache } from "../../../src/routing/owner-cache";

describe("OwnerCache", () => {
  it("says what was last said, or nothing", () => {
    const step = fc.tuple(fc.constantFrom("set", "delete", "get"), fc.nat({ max: 30 }), fc.constantFrom("a", "b"));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const cache = new OwnerCache(10);
        const truth = new Map<string, string>();
        for (const [what, n, node] of steps) {
          const sid = `s${String(n)}`;
          if (what === "set") {
            cache.set(sid, node);
            truth.set(sid, node);
          } else if (what === "delete") {
            cache.delete(sid);
            truth.delete(sid);
          }
          const got = cache.get(sid);
          assert.ok(got === undefined || got === truth.get(sid), `${sid} is at ${String(got)}`);
          if (what === "set") assert.equal(got, node);
        }
      }),
    );
  });

  it("holds its capacity at most, whatever goes through it", () => {
    const cache = new OwnerCache(100);
    for (let i = 0; i < 10_000; i++) cache.set(`s${String(i)}`, "a");
    const held = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => {
      // From the newest to the oldest, so that looking at one does not push out another that is still to be counted.
      return cache.get(`s${String(9999 - i)}`) !== undefined;
    });
    assert.ok(held.length > 0 && held.length <= 100, `${String(held.length)} are held`);
  });

  it("keeps what is used while others go through", () => {
    const cache = new OwnerCache(100);
    cache.set("used", "a");
    for (let i = 0; i < 1000; i++) {
      cache.set(`s${String(i)}`, "b");
      assert.equal(cache.get("used"), "a");
    }
    assert.equal(cache.get("s0"), undefined);
  });

  it("forgets in both of its generations", () => {
    const cache = new OwnerCache(4);
    cache.set("x", "old");
    cache.set("y", "b");
    cache.set("x", "new");
    cache.delete("x");
    assert.equal(cache.get("x"), undefined);
  });
});
