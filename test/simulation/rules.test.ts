import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Rule } from "./rule";
import { RULES } from "./rules";
import { Runs } from "./runs";
import { runWithout, withoutRule, type Noticed } from "./without-rule";

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
