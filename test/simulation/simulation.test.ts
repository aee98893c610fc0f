import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OwnerRules } from "../../src/session/owner-node";
import { runHistory } from "./history";
import { faultsOf } from "./profiles";

/** Histories of a usual run; more with SIMULATION_SEEDS. */
const SEEDS = Number(process.env["SIMULATION_SEEDS"] ?? 600);

describe("simulated clusters", () => {
  it(`hold every promise in ${String(SEEDS)} histories`, async () => {
    const seen = { recovered: 0, upgraded: 0, sessions: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await runHistory({ seed, faults: faultsOf(seed) });
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
    const one = await runHistory({ seed: 9, faults: faultsOf(9) });
    const two = await runHistory({ seed: 9, faults: faultsOf(9) });
    assert.deepEqual(one.trace, two.trace);
    assert.ok(one.trace.length > 20);
  });

  const rules: readonly (keyof OwnerRules)[] = ["commitFirst", "proveRefusals", "manyHolders", "sayInFlight"];
  for (const rule of rules) {
    it(`notice that the rule ${rule} is taken away`, async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const outcome = await runHistory({ seed, faults: faultsOf(seed), rules: { [rule]: false } });
        if (outcome.violations.length > 0) return;
      }
      assert.fail(`${String(SEEDS)} histories without the rule ${rule} break no promise`);
    });
  }
});
