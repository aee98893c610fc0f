import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Ring } from "../../../src/session/ring";

const COVER = 100;

describe("Ring", () => {
  it("knows the newest names, as many as it may hold, where they come slowly", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.uniqueArray(fc.string(), { maxLength: 20 }), (capacity, names) => {
        const ring = new Ring(capacity, COVER);
        for (const [i, name] of names.entries()) ring.add(name, i * COVER);
        assert.deepEqual(ring.list(), names.slice(-capacity));
        for (const name of names) assert.equal(ring.has(name), names.slice(-capacity).includes(name));
      }),
    );
  });

  it("never forgets what came within its time, and holds few more than that and its capacity", () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), gaps, (capacity, gaps) => {
        const ring = new Ring(capacity, COVER);
        const times: number[] = [];
        let now = 0;
        for (const [i, gap] of gaps.entries()) {
          now += gap;
          times.push(now);
          ring.add(String(i), now);
          times.forEach((time, name) => {
            if (now - time < COVER || name > i - capacity) assert.ok(ring.has(String(name)));
          });
        }
        // What a burst leaves behind goes two for each that comes.
        for (let i = 0; i < gaps.length; i++) ring.add(`later ${String(i)}`, (now += COVER));
        assert.ok(ring.size <= capacity + 1);
      }),
    );
  });

  it("has a bound, however fast names come", () => {
    const ring = new Ring(2, COVER);
    for (let i = 0; i < 10_000; i++) ring.add(String(i), 0);
    assert.ok(ring.size <= 4097);
    assert.ok(ring.has("9999"));
  });

  it("counts a name that comes again once", () => {
    const ring = new Ring(3, COVER);
    for (let i = 0; i < 100; i++) ring.add("abcde".charAt(i % 2), i * COVER);
    assert.deepEqual(ring.list().sort(), ["a", "b"]);
  });

  it("keeps what a record gave it until newer names come, which push out two each", () => {
    const ring = new Ring(2, COVER, ["a", "b", "c", "d"]);
    assert.deepEqual(ring.list(), ["a", "b", "c", "d"]);
    ring.add("e", 0);
    assert.deepEqual(ring.list(), ["c", "d", "e"]);
    ring.add("f", 0);
    assert.deepEqual(ring.list(), ["e", "f"]);
    ring.add("g", 0);
    assert.deepEqual(ring.list(), ["e", "f", "g"], "all of them came just now");
  });
});
