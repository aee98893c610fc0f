import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { EXIT_USAGE, FatalError } from "../../cluster/fatal";
import { loadApp } from "../../cluster/load-app";

const FILES: Readonly<Record<string, string>> = {
  "common.js": "module.exports = () => 'common';",
  "common.cjs": "module.exports = () => 'common';",
  "module.mjs": "export default () => 'module';",
  "compiled.js": "exports.__esModule = true; exports.default = () => 'compiled';",
  "folder/index.js": "module.exports = () => 'folder';",
  "node_modules/some-app/package.json": '{ "name": "some-app", "main": "main.js" }',
  "node_modules/some-app/main.js": "module.exports = () => 'package';",
  "not-a-function.js": "module.exports = { app: 1 };",
  "named.mjs": "export const app = () => 'named';",
  "throws.js": "throw new Error('no database');",
  "syntax.js": "module.exports = (;",
};

describe("loading an application", () => {
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "eio-app-"));
    for (const [name, text] of Object.entries(FILES)) {
      await mkdir(dirname(join(folder, name)), { recursive: true });
      await writeFile(join(folder, name), text);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  for (const [name, expected] of [
    ["./common.js", "common"],
    ["common.cjs", "common"],
    ["./common", "common"],
    ["./module.mjs", "module"],
    ["./compiled.js", "compiled"],
    ["./folder", "folder"],
    ["some-app", "package"],
  ] as const) {
    test(name, async () => {
      const app = (await loadApp(name, folder)) as () => string;
      assert.equal(app(), expected);
    });
  }

  test("by an absolute path", async () => {
    const app = (await loadApp(join(folder, "common.js"), "/")) as () => string;
    assert.equal(app(), "common");
  });

  for (const [name, why] of [
    ["./missing.js", /"\.\/missing\.js" \(--app, APP\) does not load: Cannot find module/],
    ["missing-package", /does not load: Cannot find module 'missing-package'/],
    ["./throws.js", /does not load: no database/],
    ["./syntax.js", /does not load: /],
    ["./not-a-function.js", /has no function as its default export .*; expected is \(engine, httpServer\) => void/],
    ["./named.mjs", /has no function as its default export/],
  ] as const) {
    test(`${name} is refused, and the message says why`, async () => {
      await assert.rejects(loadApp(name, folder), (error) => {
        assert.ok(error instanceof FatalError);
        assert.equal(error.exitCode, EXIT_USAGE);
        assert.match(error.message, why);
        return true;
      });
    });
  }
});
