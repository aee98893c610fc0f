import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Ring } from "../../../src/session/ring";

describe("Ring", () => {
  it("knows the newest names, as many as it may hold", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.uniqueArray(fc.string(), { maxLength: 20 }), (capacity, names) => {
        const ring = new Ring(capacity);
        for (const name of names) ring.add(name);
        assert.deepEqual(ring.list(), names.slice(-capacity));
        for (const name of names) assert.equal(ring.has(name), names.slice(-capacity).includes(name));
      }),
    );
  });

  it("never grows beyond its capacity, however often a name comes again", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom("a", "b", "c", "d", "e")), (names) => {
        const ring = new Ring(3);
        for (const name of names) {
          ring.add(name);
          assert.ok(ring.has(name));
          assert.ok(ring.list().length <= 3);
        }
      }),
    );
  });

  it("keeps all that a record gave it, and goes on from there", () => {
    const ring = new Ring(2, ["a", "b", "c"]);
    assert.deepEqual(ring.list(), ["a", "b", "c"]);
    ring.add("d");
    assert.deepEqual(ring.list(), ["b", "c", "d"]);
    assert.equal(ring.has("a"), false);
    assert.equal(ring.capacity, 2);
  });
});
