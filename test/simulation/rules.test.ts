import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Rule, UnitRule } from "./rule";
import { RULES } from "./rules";
import { UNIT_RULES } from "./rules-of-units";
import { Runs } from "./runs";
import { failingUnits, runWithout, withoutRule, type Noticed } from "./without-rule";

/** Histories without a rule, at most. Nearly all are noticed in the first ten. */
const SEEDS = 1200;

describe("the simulation notices that a rule is missing", () => {
  const runs = new Runs<Rule, Noticed>(RULES, (rule) => runWithout(rule, SEEDS));
  for (const rule of RULES) {
    it(rule.rule, async () => {
      const { violation, histories } = await runs.of(rule);
      assert.ok(violation !== undefined, `${String(histories)} histories without it break no promise`);
    });
  }
});

describe("a unit test notices that a rule is missing, where no history does, or too few", () => {
  const files = [...new Set(UNIT_RULES.map(({ test }) => test))];
  const runs = new Runs<UnitRule | string, readonly string[]>([...files, ...UNIT_RULES], (key) =>
    typeof key === "string" ? failingUnits(key) : failingUnits(key.test, key),
  );
  for (const file of files) {
    it(`with all of them, none of ${file} fails`, async () => {
      assert.deepEqual(await runs.of(file), []);
    });
  }
  for (const rule of UNIT_RULES) {
    it(rule.rule, async () => {
      assert.ok((await runs.of(rule)).length > 0, `no test of ${rule.test} fails without it`);
    });
  }
});

describe("a rule that is to be taken away", () => {
  it("has a text that is in the source once", () => {
    const missing = { rule: "none", find: "this text is nowhere", replace: "" };
    assert.throws(
      () => withoutRule(missing),
      /the text of the rule "none" is in src\/ 0 times, and must be there once/,
    );
    const common = { rule: "all", find: "readonly", replace: "" };
    assert.throws(() => withoutRule(common), /the text of the rule "all" is in src\/ \d{3,} times \(src\//);
  });
});
