import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runHistory } from "./history";
import { inEvent } from "./microtasks";
import { scheduleOf } from "./profiles";
import type { Totals } from "./simulate";

/** Histories of a usual run; more with SIMULATION_SEEDS. */
const SEEDS = Number(process.env["SIMULATION_SEEDS"] ?? 8_000);
const SCRIPT = join(__dirname, "../../scripts/simulate.mjs");

/** What `npm run simulate` writes to its output. */
function simulate(...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], { stdio: ["ignore", "pipe", "ignore"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", (code, signal) => {
      // 1: some failed, and it said which.
      if (code === 0 || code === 1) resolve(said);
      else reject(new Error(`the simulation ended with ${String(code ?? signal)}:\n${said}`));
    });
  });
}

describe("simulated clusters", () => {
  it(`hold every promise in ${String(SEEDS)} histories`, async () => {
    const said = await simulate("--seeds", String(SEEDS), "--jobs", "0");
    const failed = /^seed (\d+) .*$/m.exec(said);
    if (failed !== null) {
      const [what, seed = ""] = failed;
      assert.fail(`${what}\na smaller history that fails like it:\n${await simulate("--shrink", "--seed", seed)}`);
    }
    const { failed: failures, ...seen } = JSON.parse(said) as Totals;
    assert.deepEqual([failures, seen.histories], [0, SEEDS]);
    // The faults really happen: a simulation in which nothing does would pass as well.
    assert.ok(seen.recovered > SEEDS / 4, "sessions are taken over");
    assert.ok(seen.upgraded > SEEDS / 4, "sessions go over to websockets");
    assert.ok(seen.ended > SEEDS / 10, "sessions end");
  });

  it("hold every promise in histories that a promise broke in once", async () => {
    for (const seed of BROKE_ONCE) {
      const { violations } = await inEvent(() => runHistory(scheduleOf(seed)));
      assert.deepEqual(violations, [], `seed ${String(seed)}`);
    }
  });

  it("are the same history for the same seed", async () => {
    const one = await inEvent(() => runHistory(scheduleOf(9)));
    const two = await inEvent(() => runHistory(scheduleOf(9)));
    assert.deepEqual(one.trace, two.trace);
    assert.ok(one.trace.length > 20);
  });
});

const BROKE_ONCE = [
  50_014_387, 50_061_583, 90_068_733, 90_106_195, 90_113_077, 110_080_560, 110_594_420, 110_611_510, 110_646_197,
  120_821_767,
];
