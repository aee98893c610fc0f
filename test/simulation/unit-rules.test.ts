import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { UnitRule } from "./rule";
import { UNIT_RULES } from "./rules-of-units";
import { Runs } from "./runs";
import { failingUnits } from "./without-rule";

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
