import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureInstalled } from "./lib/install.mjs";
import { runFiles, summarize } from "./lib/run-files.mjs";
import { findTestFiles, isSoak, isTest } from "./lib/test-files.mjs";
import { ensureTools } from "./lib/tools.mjs";

// npm run soak                         each *.soak.test.ts once: they are long by themselves
// npm run soak -- --times 20 test/e2e  the named files, twenty times in a row, with SOAK=1 for those that look at it
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: "string", default: "1" } },
});
const times = Number(values.times);
if (!Number.isSafeInteger(times) || times < 1)
  throw new Error(`--times must be a whole number from 1: ${values.times}`);

const files = findTestFiles(
  root,
  positionals.length === 0 ? isSoak : (name) => isSoak(name) || isTest(name),
  positionals,
);
if (files.length === 0) throw new Error(`no test file matches ${positionals.join(" ") || "test/**/*.soak.test.ts"}`);

ensureInstalled(root);
ensureTools();
execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", 2, 2] });

const results = [];
for (let round = 1; round <= times; round++) {
  if (times > 1) console.log(`\nround ${round} of ${times}`);
  const options = { concurrency: 1, timeout: 3_600_000, env: { SOAK: "1", SOAK_ROUND: String(round) } };
  results.push(...(await runFiles(root, files, options)));
}
process.exit(summarize(results) ? 0 : 1);
