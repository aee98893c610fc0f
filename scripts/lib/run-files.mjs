import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOOL_PATH } from "./tools.mjs";

/** How long a file that must end may still take to clean up before its whole process group is killed. */
const GRACE_MS = 5_000;
/** The end of what a file printed is shown where it failed: all of it for any but a chatty one. */
const SHOWN_CHARS = 60_000;

/** Process groups under way, to be killed with this process. */
const running = new Set();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    for (const group of running) kill(group, "SIGKILL");
    process.exit(1);
  });
}

/**
 * Runs test files, each in a process of its own, `concurrency` at a time, and prints how each of them went.
 *
 * Answers with what each file did. A file that crashes, hangs beyond `timeout` or has no test is a failure.
 */
export async function runFiles(root, files, { concurrency, timeout, env = {} }) {
  const results = [];
  const waiting = [...files];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      const result = await runFile(root, file, timeout, env);
      print(result);
      results.push(result);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  return results;
}

async function runFile(root, file, timeout, env) {
  const folder = mkdtempSync(join(tmpdir(), "test-run-"));
  const report = join(folder, "report");
  const output = join(folder, "output");
  const started = performance.now();
  try {
    const end = await runProcess(root, file, report, output, timeout, env);
    const lines = readReport(report);
    const tests = lines.filter((line) => line.note === undefined);
    const notes = lines.flatMap(({ note }) => (note === undefined ? [] : [`\n${note}`])).join("");
    const problem = explainEnd(end, tests, timeout);
    if (problem !== undefined)
      tests.push({ name: "(the file)", outcome: "failed", duration: 0, error: problem + notes });
    const failed = tests.some((test) => test.outcome === "failed");
    return {
      file,
      duration: performance.now() - started,
      tests,
      output: failed ? tail(readFileSync(output, "utf8")) : "",
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the file as the leader of a process group, so that what it leaves running can be ended with it. */
function runProcess(root, file, report, output, timeout, env) {
  // To a file and not through a pipe: a child that outlives the test would keep a pipe open.
  const out = openSync(output, "w");
  const args = ["--import", "tsx", "--enable-source-maps"];
  args.push("--test-reporter", join(root, "scripts/reporter.mjs"), "--test-reporter-destination", report, file);
  const child = spawn(process.execPath, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", out, out],
    env: { ...process.env, PATH: TOOL_PATH, ...env },
  });
  closeSync(out);
  return new Promise((resolve, reject) => {
    let late = false;
    child.once("error", reject);
    if (child.pid === undefined) return;
    const group = child.pid;
    running.add(group);
    // First politely and only the test's own process: its helpers end the servers that they started.
    const timers = [
      setTimeout(() => {
        late = true;
        child.kill("SIGTERM");
        timers.push(setTimeout(() => kill(group, "SIGKILL"), GRACE_MS));
      }, timeout),
    ];
    child.once("exit", (code, signal) => {
      timers.forEach(clearTimeout);
      void endGroup(group).then((left) => {
        running.delete(group);
        resolve({ code, signal, late, left });
      });
    });
  });
}

/** Kills what a file left behind, and says what that was. A server that is just ending is given the time to. */
async function endGroup(group) {
  const deadline = performance.now() + GRACE_MS;
  let left = livingOf(group);
  while (left.length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    left = livingOf(group);
  }
  kill(group, "SIGKILL");
  return left;
}

/** The commands of the living processes of a group; only Linux tells. */
function livingOf(group) {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => {
      try {
        // pid (name) state parent group …, and the name may have spaces and brackets in it.
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [state, , itsGroup] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        if (Number(itsGroup) !== group || state === "Z" || state === "X") return [];
        return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()}`];
      } catch {
        return []; // It has ended meanwhile.
      }
    });
}

function kill(group, signal) {
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}

function readReport(report) {
  let text;
  try {
    text = readFileSync(report, "utf8");
  } catch {
    return [];
  }
  // The last line of a process that was killed may be half of one.
  return text
    .slice(0, text.lastIndexOf("\n") + 1)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

function explainEnd({ code, signal, late, left }, tests, timeout) {
  const done = `${tests.length} of its tests had ended`;
  if (late) return `did not end within ${timeout / 1000} s: ${done}, so a test hangs or something is left open`;
  if (signal !== null) return `was ended by ${signal}: ${done}`;
  if (code !== 0 && tests.every((test) => test.outcome !== "failed")) return `exited with code ${code}: ${done}`;
  if (tests.length === 0) return "ran no test";
  if (left.length > 0) return `left processes running:\n${left.join("\n")}`;
  return undefined;
}

function tail(text) {
  return text.length <= SHOWN_CHARS
    ? text
    : `… ${text.length - SHOWN_CHARS} characters left out …\n${text.slice(-SHOWN_CHARS)}`;
}

function print({ file, duration, tests, output }) {
  const failures = tests.filter((test) => test.outcome === "failed");
  const skipped = tests.filter((test) => test.outcome === "skipped");
  const counts = [`${tests.length - failures.length - skipped.length} passed`];
  if (failures.length > 0) counts.push(`${failures.length} failed`);
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`);
  const lines = [`${failures.length > 0 ? "✗" : "✓"} ${file}  ${counts.join(", ")}  ${seconds(duration)}`];
  for (const { name, error } of failures) lines.push("", `  ✗ ${file}: ${name}`, indent(error, 4));
  if (output !== "") lines.push("", "  what it printed:", indent(output.trimEnd(), 4));
  if (failures.length > 0) lines.push("");
  console.log(lines.join("\n"));
}

function indent(text, by) {
  return text.replaceAll(/^/gm, " ".repeat(by));
}

export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Prints the slowest tests, the failures once more by name, and the counts as the last line. Whether all is well. */
export function summarize(results) {
  const all = results.flatMap(({ file, tests }) => tests.map((test) => ({ ...test, file })));
  const count = (outcome) => all.filter((test) => test.outcome === outcome).length;
  const slow = all.filter((test) => test.duration >= 1_000).sort((a, b) => b.duration - a.duration);
  if (slow.length > 0) {
    console.log("\nslowest tests:");
    for (const { file, name, duration } of slow.slice(0, 10)) console.log(`  ${seconds(duration)}  ${file}: ${name}`);
  }
  const failures = all.filter((test) => test.outcome === "failed");
  if (failures.length > 0) {
    console.log("\nfailed:");
    for (const { file, name } of failures) console.log(`  ${file}: ${name}`);
  }
  const skipped = count("skipped");
  const passed = count("passed");
  console.log(`\n${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failures.length === 0 && passed > 0;
}
