import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RULES } from "./rules";
import type { Schedule } from "./schedule";
import type { Shrunk } from "./until-shrunk";
import { runScriptWithout } from "./without-rule";

/** Histories until one fails, at most. */
const SEEDS = 100;

/** What a schedule has of each thing that can be left out of it. */
function sizesOf({ clients, faults, rates, messages, pushes }: Schedule): Record<string, number> {
  return {
    clients: clients.length,
    upgrades: clients.filter(({ upgradesAt }) => upgradesAt !== undefined).length,
    faults: faults.length,
    lasting: faults.reduce((sum, fault) => sum + ("lasts" in fault ? fault.lasts : 0), 0),
    rates: rates.loss + rates.resend + rates.late + rates.retry + rates.breaks + rates.relays,
    messages,
    pushes,
  };
}

describe("a history that fails, without a rule", () => {
  it("is made smaller until nothing can be left out, and fails as it did", async () => {
    const rule = RULES.find(({ rule }) => rule.startsWith("H2: what was put to a dead node"));
    assert.ok(rule !== undefined);
    const said = await runScriptWithout(rule, "until-shrunk.ts", ["1", String(SEEDS), "deaths"]);
    const { found, smallest, steps, again } = JSON.parse(said) as Shrunk;
    const before = sizesOf(found.schedule);
    const after = sizesOf(smallest.schedule);
    for (const [name, size] of Object.entries(after)) assert.ok(size <= (before[name] ?? 0), `${name} grow`);
    assert.ok(steps.length > 2, `left out: ${steps.join(", ")}`);
    assert.notDeepEqual(after, before);
    // Who asks, and the death of whom was asked, are needed.
    assert.equal(after["clients"], 1);
    assert.ok((after["faults"] ?? 0) >= 1);
    const words = (text = ""): string => text.replaceAll(/"[^"]*"|\d+/g, "…");
    assert.equal(words(smallest.violation), words(found.violation));
    assert.deepEqual(again, smallest);
  });
});
