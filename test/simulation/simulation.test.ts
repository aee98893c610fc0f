import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runHistory } from "./history";
import { inEvent } from "./microtasks";
import { scheduleOf } from "./profiles";

/** Histories of a usual run; more with SIMULATION_SEEDS. */
const SEEDS = Number(process.env["SIMULATION_SEEDS"] ?? 1200);

describe("simulated clusters", () => {
  it(`hold every promise in ${String(SEEDS)} histories`, async () => {
    const seen = { recovered: 0, upgraded: 0, sessions: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await inEvent(() => runHistory(scheduleOf(seed)));
      assert.deepEqual(
        outcome.violations,
        [],
        `seed ${String(seed)} fails; npm run simulate -- --seed ${String(seed)} --seeds 1 prints its history`,
      );
      seen.recovered += outcome.recovered;
      seen.upgraded += outcome.upgraded;
      seen.sessions += outcome.sessions;
    }
    // The faults really happen: a simulation in which nothing does would pass as well.
    assert.ok(seen.sessions > SEEDS, "clients connect");
    assert.ok(seen.recovered > SEEDS / 4, "sessions are taken over");
    assert.ok(seen.upgraded > SEEDS / 4, "sessions go over to websockets");
  });

  it("are the same history for the same seed", async () => {
    const one = await inEvent(() => runHistory(scheduleOf(9)));
    const two = await inEvent(() => runHistory(scheduleOf(9)));
    assert.deepEqual(one.trace, two.trace);
    assert.ok(one.trace.length > 20);
  });
});
