import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

const ROOT = join(__dirname, "../..");
const USES = 'import { describe, it, test, before } from "node:test"; import assert from "node:assert";';

/** Test files that go wrong in each way that a file can, and some that do not. */
const FILES: Readonly<Record<string, string>> = {
  good: 'test("good", () => {}); test("left out", { skip: true }, () => {});',
  fails: 'describe("group", () => { it("adds", () => assert.equal(1 + 1, 3)); });',
  hook: 'describe("group", () => { before(() => { throw new Error("no server"); }); it("x", () => {}); });',
  empty: "",
  exits: 'console.log("last words"); process.exit(3);',
  killed: 'process.kill(process.pid, "SIGKILL");',
  pending: 'test("waits", () => new Promise(() => {}));',
  late: 'test("ends early", () => { setTimeout(() => { throw new Error("too late"); }, 5); });',
  hangs: 'test("leaves a handle open", () => {}); setInterval(() => {}, 1_000);',
};

interface Run {
  readonly code: number;
  readonly output: string;
}

describe("npm test", () => {
  let folder = "";

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "runner-"));
    await mkdir(join(folder, "test/unit"), { recursive: true });
    await cp(join(ROOT, "scripts"), join(folder, "scripts"), { recursive: true });
    await cp(join(ROOT, "package-lock.json"), join(folder, "package-lock.json"));
    await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
    const build = 'node -e ""';
    await writeFile(join(folder, "package.json"), JSON.stringify({ name: "fixture", scripts: { build } }));
    for (const [name, text] of Object.entries(FILES)) {
      await writeFile(join(folder, `test/unit/${name}.test.ts`), `${USES}\n${text}\n`);
    }
  });

  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs the files of these names; of each of them the name is unique. */
  function run(names: readonly string[], timeoutSeconds = 60): Promise<Run> {
    const args = ["scripts/test.mjs", ...names.map((name) => `test/unit/${name}.test.ts`)];
    const env = { ...process.env, TEST_FILE_TIMEOUT: String(timeoutSeconds) };
    return new Promise((resolve) => {
      const child = execFile(process.execPath, args, { cwd: folder, env }, (_error, stdout, stderr) => {
        resolve({ code: child.exitCode ?? -1, output: stdout + stderr });
      });
    });
  }

  const lastLine = (output: string): string | undefined => output.trimEnd().split("\n").at(-1);

  test("ends with the counts and exits with 0 when all is well", async () => {
    const { code, output } = await run(["good"]);
    assert.equal(code, 0, output);
    assert.equal(lastLine(output), "1 passed, 0 failed, 1 skipped");
  });

  test("a filter that selects nothing is a failure", async () => {
    const { code, output } = await run(["nothing-like-it"]);
    assert.equal(code, 1, output);
    assert.match(output, /no test file matches/);
    assert.match(output, /^0 passed, 1 failed$/m);
  });

  const failing: readonly (readonly [name: string, counts: string, ...words: RegExp[]])[] = [
    ["fails", "0 passed, 1 failed", /fails\.test\.ts: group > adds/, /2 == 3/],
    ["hook", "0 passed, 2 failed", /no server/],
    ["empty", "0 passed, 1 failed", /ran no test/],
    ["exits", "0 passed, 1 failed", /exited with code 3/, /last words/],
    ["killed", "0 passed, 1 failed", /was ended by SIGKILL/],
    ["pending", "0 passed, 1 failed", /pending > waits|pending\.test\.ts: waits/],
    ["late", "1 passed, 1 failed", /exited with code 1/, /too late/],
  ];
  for (const [name, counts, ...words] of failing) {
    test(`a file that ${name}: said in full, counted, exit code 1`, async () => {
      const { code, output } = await run(["good", name]);
      assert.equal(code, 1, output);
      const [passed, failed] = counts.split(", ");
      assert.equal(lastLine(output), `${Number(passed?.split(" ")[0]) + 1} passed, ${failed}, 1 skipped`, output);
      for (const word of words) assert.match(output, word);
    });
  }

  test("a file that does not end is ended, and its tests until then count", async () => {
    const { code, output } = await run(["hangs"], 10);
    assert.equal(code, 1, output);
    assert.equal(lastLine(output), "1 passed, 1 failed", output);
    assert.match(output, /did not end within 10 s/);
  });
});
