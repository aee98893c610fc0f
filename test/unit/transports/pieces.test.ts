import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { Pieces } from "../../../src/transports/pieces";

describe("pieces of a body", () => {
  it("give the whole, however it was cut", () => {
    const sizes = fc.array(fc.oneof(fc.nat(3), fc.nat(3000), fc.integer({ min: 60_000, max: 140_000 })), {
      maxLength: 150,
    });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const pieces = new Pieces();
        const all = lengths.map((length, i) => Buffer.alloc(length, i));
        for (const piece of all) pieces.add(piece);
        const expected = Buffer.concat(all);
        assert.equal(pieces.length, expected.length);
        assert.ok(pieces.whole().equals(expected));
      }),
      { numRuns: 100 },
    );
  });

  it("of one piece are that piece, not a copy", () => {
    const pieces = new Pieces();
    const piece = Buffer.from("whole");
    pieces.add(piece);
    assert.equal(pieces.whole(), piece);
  });

  it("of a byte each hold little more than the bytes", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const held = (): number => {
      collect();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const source = Buffer.alloc(65_536, "x");
    const pieces = new Pieces();
    const before = held();
    for (let i = 0; i < 500_000; i++) pieces.add(source.subarray(i % 65_536, (i % 65_536) + 1));
    const more = held() - before;
    // Kept as they come they are 40 MB.
    assert.ok(more < 5_000_000, `${String(more)} bytes are held for 500000`);
    assert.equal(pieces.whole().length, 500_000);
  });
});
