import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { assertSpread } from "./spread";

const spread = { window: 3_000, stall: 300 };
const even = Array.from({ length: 32 }, (_, i) => ((i + 1) * 3_000) / 32);

describe("websockets closed over a window", () => {
  test("evenly, with a stall, and behind others of the same node", () => {
    assertSpread(even, spread);
    const stalled = even.map((at) => (at > 1_000 && at < 1_280 ? 1_280 : at));
    assertSpread(stalled, spread);
    assertSpread(
      even.map((at) => 1_000 + at / 1.5),
      { ...spread, others: 16 },
    );
  });

  for (const [name, times] of [
    ["all at once", even.map(() => 10)],
    ["in two bursts", even.map((at) => (at < 1_500 ? 0 : 2_990))],
    ["half of them at once, and the rest evenly", even.map((at) => Math.max(at, 1_500))],
    ["in a third of the time", even.map((at) => at / 3)],
    ["in four bursts", even.map((at) => Math.ceil(at / 750) * 750)],
    ["in twice the time", even.map((at) => at * 2)],
  ] as const) {
    test(`${name}: it is told`, () => {
      assert.throws(() => {
        assertSpread(times, spread);
      }, assert.AssertionError);
    });
  }
});
