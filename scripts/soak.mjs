import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureInstalled } from "./lib/install.mjs";
import { runFiles, summarize } from "./lib/run-files.mjs";
import { findTestFiles, isSoak, isTest } from "./lib/test-files.mjs";
import { ensureTools } from "./lib/tools.mjs";

// npm run soak                         the tests of faults, ten times in a row, and each *.soak.test.ts once: those are long
// npm run soak -- --times 20 test/e2e  the named files, twenty times in a row
// npm run soak -- --jobs 2             two files at a time (they mostly wait); default 1
// With SOAK=1 in both cases: tests that look at it have more sessions and more deaths.
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FAULTS = ["test/faults/"].concat(
  // Relayed websockets, and those that are being gone over to, meet faults only in the last three.
  ["store-faults", "takeover", "rolling-restart", "deaths", "going-over", "leaving"].map((name) => `test/e2e/${name}`),
);
const FAULT_ROUNDS = 10;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { times: { type: "string" }, jobs: { type: "string" } },
});
const named = positionals.length > 0;
const times = Number(values.times ?? (named ? 1 : FAULT_ROUNDS));
if (!Number.isSafeInteger(times) || times < 1)
  throw new Error(`--times must be a whole number from 1: ${values.times}`);
const jobs = Number(values.jobs ?? 1);
if (!Number.isSafeInteger(jobs) || jobs < 1) throw new Error(`--jobs must be a whole number from 1: ${values.jobs}`);

const repeated = findTestFiles(root, (name) => isSoak(name) || isTest(name), named ? positionals : FAULTS);
if (repeated.length === 0) throw new Error(`no test file matches ${positionals.join(" ")}`);
const once = named ? [] : findTestFiles(root, isSoak, []);

ensureInstalled(root);
ensureTools();
execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", 2, 2] });

const results = [];
const run = async (files) => {
  const options = { concurrency: jobs, timeout: 3_600_000, env: { SOAK: "1" } };
  results.push(...(await runFiles(root, files, options)));
};
for (let round = 1; round <= times; round++) {
  if (times > 1) console.log(`\nround ${round} of ${times}`);
  await run(repeated);
}
await run(once);
process.exit(summarize(results) ? 0 : 1);
