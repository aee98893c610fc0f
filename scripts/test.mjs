import { execFileSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureInstalled } from "./lib/install.mjs";
import { runFiles, summarize } from "./lib/run-files.mjs";
import { findTestFiles, isTest } from "./lib/test-files.mjs";
import { ensureTools } from "./lib/tools.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FILE_TIMEOUT_MS = Number(process.env["TEST_FILE_TIMEOUT"] ?? 240) * 1_000;

/** Files whose engines are in their own process: two at a time. Most others start nodes, browsers and clusters: one. */
const LIGHT = /^test\/(unit|contracts|simulation|conformance|compat|tooling)\//;
/** Files that start nodes as well, but wait most of their time, for leases to end and nodes to come back: two at a time. */
const PATIENT =
  /^test\/(faults\/|operations\/|e2e\/(deaths|going-over|leaving|rolling-restart|store-faults|takeover)\.)/;
/** Files that need none of the servers. */
const ALONE = /^test\/(unit|simulation|tooling)\//;

const filters = process.argv.slice(2);
const files = findTestFiles(root, isTest, filters);
if (files.length === 0) {
  console.error(`no test file matches ${filters.join(" ") || "test/**/*.test.ts"}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

try {
  ensureInstalled(root);
  if (files.some((file) => !ALONE.test(file))) ensureTools();
  // Light files run what is in src/, through tsx; only processes are started from dist/.
  if (files.some((file) => !LIGHT.test(file))) {
    execFileSync("npm", ["run", "--silent", "build"], { cwd: root, stdio: ["ignore", 2, 2] });
  }
} catch (error) {
  // The programs that failed have said why themselves; ours says it here.
  console.error(error instanceof Error ? error.message : error);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const options = { timeout: FILE_TIMEOUT_MS };
const light = await runFiles(
  root,
  files.filter((file) => LIGHT.test(file)),
  { ...options, concurrency: 2 },
);
const heavy = await runFiles(
  root,
  files.filter((file) => !LIGHT.test(file) && !PATIENT.test(file)),
  { ...options, concurrency: 1 },
);
const patient = await runFiles(
  root,
  files.filter((file) => PATIENT.test(file)),
  { ...options, concurrency: 2 },
);
process.exit(summarize([...light, ...heavy, ...patient]) ? 0 : 1);
