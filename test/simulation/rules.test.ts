import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, it } from "node:test";
import type { Rule } from "./rule";
import { RULES } from "./rules";
import { runWithout, withoutRule, type Noticed } from "./without-rule";

/** Histories without a rule, at most. Nearly all are noticed in the first ten. */
const SEEDS = 1200;

/** All rules at once, as many as there are processors, in the order of the table. */
class Runs {
  readonly #results = new Map<Rule, Promise<Noticed>>();
  readonly #waiting: (() => void)[] = [];
  #free = Math.min(2, availableParallelism());

  start(): void {
    for (const rule of RULES) {
      const result = this.#run(rule);
      // Its own test tells.
      result.catch(() => undefined);
      this.#results.set(rule, result);
    }
  }

  of(rule: Rule): Promise<Noticed> {
    if (this.#results.size === 0) this.start();
    return this.#results.get(rule) ?? this.#run(rule);
  }

  async #run(rule: Rule): Promise<Noticed> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await runWithout(rule, SEEDS);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

const runs = new Runs();

describe("the simulation notices that a rule is missing", () => {
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
