import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { flagName, SETTINGS, type Setting } from "../../cluster/settings";
import { ROOT } from "./manifests";

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");
const settings = Object.values<Setting<unknown>>(SETTINGS);

describe("the documents", () => {
  test("docs/configuration.md has every setting, with what is allowed", () => {
    const page = read("docs/configuration.md").replaceAll("\\|", "|");
    for (const spec of settings) {
      const row = page.split("\n").find((line) => line.startsWith(`| \`${spec.variable}\` `));
      assert.ok(row, spec.variable);
      assert.ok(row.includes(spec.about) && row.includes(spec.allowed), spec.variable);
    }
  });

  test("the README's short table names settings by their variables and options", () => {
    const rows = [...read("README.md").matchAll(/^\| (?:`(--[\w-]+)`)? +\| `([A-Z_]+)` /gm)];
    assert.ok(rows.length > 20);
    for (const [, flag, variable] of rows) {
      const spec = settings.find((setting) => setting.variable === variable);
      assert.ok(spec, variable);
      assert.equal(flag, flagName(spec), variable);
    }
  });

  test("npm run scripts that documents name exist", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    for (const name of ["README.md", "CONTRIBUTING.md", "docs/operating.md", "docs/configuration.md"])
      for (const [, script = ""] of read(name).matchAll(/npm run ([\w:]+)/g)) assert.ok(script in scripts, script);
  });
});
