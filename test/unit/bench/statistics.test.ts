import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { cpuTimes, psLine, ticksOf } from "../../../bench/cpu";
import type { Round } from "../../../bench/measure";
import { readOptions, UsageError } from "../../../bench/options";
import { ratio, summarize, table, targetLines } from "../../../bench/report";
import { latencies, median, percentile, spread } from "../../../bench/statistics";

test("the median is the middle, or between the two in the middle", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([10, 9]), 9.5);
  assert.ok(Number.isNaN(median([])));
  assert.deepEqual(spread([5, 1, 3]), { median: 3, min: 1, max: 5 });
});

test("a percentile is the smallest value that so many do not exceed", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => i + 1);
  assert.equal(percentile(hundred, 0.5), 50);
  assert.equal(percentile(hundred, 0.99), 99);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(percentile([7], 0.01), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
  // By number and not by text, in which 9 is above 10.
  assert.deepEqual(latencies([10, 9, 100]), { p50: 10, p90: 100, p99: 100, max: 100 });
});

test("CPU time is read from /proc and from ps", () => {
  assert.equal(ticksOf("12 (a (b) c) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 9 9 20 0 1 0 100 1 1"), 300);
  assert.deepEqual(psLine("  42 00:01:02"), [42, 62e6]);
  assert.deepEqual(psLine("42   1:02.50"), [42, 62.5e6]);
  assert.deepEqual(psLine("42 2-00:00:01"), [42, (2 * 86_400 + 1) * 1e6]);
});

test("the CPU time of a process grows with its work, and one that has ended is an error", () => {
  const [before = NaN] = cpuTimes([process.pid]);
  for (const until = performance.now() + 100; performance.now() < until;);
  const [after = NaN] = cpuTimes([process.pid]);
  assert.ok(after > before, `${before} to ${after}`);
  const { pid } = spawnSync(process.execPath, ["--version"]);
  assert.throws(() => cpuTimes([pid]), /has ended/);
});

function roundOf(contender: string, round: number, cpu: number, flawless = true): Round {
  return {
    contender,
    round,
    count: 1000,
    seconds: 1,
    perSecond: 1000,
    cpu,
    cpuByRole: { worker: cpu },
    latencies: { p50: 1, p90: 2, p99: 3, max: 4 },
    driverShare: 0.5,
    faults: { lost: flawless ? 0 : 1, doubled: 0, outOfOrder: 0, corrupted: 0, failed: 0 },
    flawless,
    reopened: 0,
    errors: [],
  };
}

test("ratios are made within rounds", () => {
  // The machine was twice as slow in the second round: the ratio does not notice.
  const rounds = [roundOf("a", 1, 20), roundOf("d", 1, 10), roundOf("a", 2, 44), roundOf("d", 2, 20)];
  assert.deepEqual(ratio(rounds, "a", "d"), { median: 2.1, min: 2, max: 2.2 });
  assert.equal(ratio(rounds, "a", "e"), undefined);
  assert.deepEqual(targetLines("echo", rounds), ["CPU of a ÷ d: 2.10 (2.00–2.20), target at most 2.5: met"]);
  assert.match(targetLines("websocket", rounds).join("\n"), /target at most 1.1: missed/);
});

test("a contender with faults in one of its rounds is marked", () => {
  const start = (): Promise<never> => Promise.reject(new Error("nothing is started here"));
  const contenders = ["a", "d"].map((id) => ({ id, name: `name of ${id}`, roaming: false, start }));
  const rounds = [roundOf("a", 1, 20, false), roundOf("d", 1, 10), roundOf("a", 2, 20), roundOf("d", 2, 10)];
  const summaries = summarize(contenders, rounds);
  assert.deepEqual(
    summaries.map(({ id, flawless, ratio: divided }) => [id, flawless, divided?.median]),
    [
      ["a", false, 2],
      ["d", true, 1],
    ],
  );
  const text = table("echo", summaries);
  assert.match(text, /name of a \(FAULTS\)/);
  assert.doesNotMatch(text, /name of d \(FAULTS\)/);
});

test("options are read, and what is wrong is told", () => {
  const defaults = readOptions(["echo"]);
  assert.deepEqual([defaults.sessions, defaults.concurrency, defaults.rate, defaults.rounds], [400, 200, undefined, 3]);
  const given = readOptions(["websocket", "--sessions", "10", "--rate", "2.5", "--duration", "0.5", "--only", "a,d"]);
  assert.deepEqual([given.concurrency, given.rate, given.durationMs, given.only], [10, 2.5, 500, ["a", "d"]]);
  for (const args of [
    [],
    ["nothing"],
    ["echo", "echo"],
    ["echo", "--rounds", "1.5"],
    ["echo", "--rate", "0"],
    ["echo", "--x"],
  ]) {
    assert.throws(() => readOptions(args), UsageError, args.join(" "));
  }
});
