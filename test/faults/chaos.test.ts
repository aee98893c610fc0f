import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Verdict } from "../../testing/checked-load";
import { commandOf, readRun, UsageError } from "../chaos/arguments";
import { judge } from "../chaos/run";
import { longestSilence, partOf, schedule, type Fault, type Plan, type Planned } from "../chaos/schedule";
import { LEASE, type Outcome } from "./fault-world";

const CHAOS = join(__dirname, "../chaos/chaos.ts");
const plan = (seed: number): Plan => ({ seed, durationMs: 300_000, nodes: 3, leaseMs: 2_000 });

function end({ at, fault }: Planned): number {
  return at + fault.ms;
}

function forgets({ kind }: Fault): boolean {
  return kind === "redis restarts empty";
}

describe("the schedule of chaos", () => {
  test("is a function of the seed", () => {
    for (let seed = 1; seed <= 50; seed++) assert.deepEqual(schedule(plan(seed)), schedule(plan(seed)));
    assert.notDeepEqual(schedule(plan(1)), schedule(plan(2)));
  });

  test("meets each kind of fault, and overlaps them", () => {
    const all = Array.from({ length: 20 }, (_, i) => schedule(plan(i + 1)));
    assert.equal(new Set(all.flat().map(({ fault }) => fault.kind)).size, 9);
    for (const faults of all) assert.ok(faults.some((one, i) => i > 0 && one.at < end(faults[i - 1]!)));
  });

  test("never asks for what cannot be promised", () => {
    for (let seed = 1; seed <= 500; seed++) {
      const faults = schedule(plan(seed));
      for (const one of faults) {
        assert.ok(end(one) <= 300_000);
        const beside = faults.filter((other) => other !== one && other.at < end(one) && one.at < end(other));
        for (const other of beside) assert.notEqual(partOf(one.fault), partOf(other.fault));
        const down = [one, ...beside].filter(({ fault }) => fault.kind === "kill" || fault.kind === "terminate");
        assert.ok(down.length < 3, `seed ${seed}: no node is up`);
        if (!forgets(one.fault)) continue;
        const near = faults.filter((other) => !forgets(other.fault) && other.at < end(one) + 7_000);
        assert.ok(
          near.every((other) => end(other) + 7_000 <= one.at),
          `seed ${seed}: owners change while Redis forgets`,
        );
      }
    }
  });
});

describe("the longest silence that a plan allows", () => {
  const kill = (at: number, ms: number): Planned => ({ at, fault: { kind: "kill", node: 0, ms } });
  const recovery = longestSilence([], 3_000);

  test("is that of its longest overlap of faults, and of what comes behind it", () => {
    assert.equal(longestSilence([kill(0, 1_000)], 3_000), 1_000 + recovery);
    assert.equal(longestSilence([kill(0, 1_000), kill(500, 2_000)], 3_000), 2_500 + recovery);
    assert.equal(longestSilence([kill(0, 1_000), kill(60_000, 100)], 3_000), 1_000 + recovery);
  });

  test("goes on through faults that begin before that is over", () => {
    assert.equal(longestSilence([kill(0, 1_000), kill(5_000, 2_000)], 3_000), 7_000 + recovery);
  });

  test("is far below the time for which a poll may wait, whatever the seed", () => {
    for (let seed = 1; seed <= 100; seed++) assert.ok(longestSilence(schedule(plan(seed)), 2_000) < 45_000);
  });
});

describe("the command that chaos prints", () => {
  const said = (command: string): string[] => command.split(" -- ")[1]!.split(" ");

  test("does the same again, whatever the defaults are", () => {
    const run = readRun(["--minutes", "0.25", "--lease", "5000", "--polling", "7", "--websockets", "3"], () => 42)!;
    assert.deepEqual(run, {
      plan: { seed: 42, durationMs: 15_000, nodes: 3, leaseMs: 5_000 },
      polling: 7,
      websockets: 3,
    });
    assert.deepEqual(
      readRun(said(commandOf(run)), () => 1),
      run,
    );
    assert.deepEqual(schedule(readRun(said(commandOf(run)))!.plan), schedule(run.plan));
  });

  test("names all that a run depends on", () => {
    const run = readRun([], () => 9)!;
    const names = said(commandOf(run)).filter((word) => word.startsWith("--"));
    assert.deepEqual(names, ["--minutes", "--seed", "--lease", "--polling", "--websockets"]);
    for (const minutes of ["0.1", "0.333", "1.7", "7"]) {
      const odd = readRun(["--minutes", minutes, "--seed", "9"])!;
      assert.deepEqual(readRun(said(commandOf(odd))), odd);
    }
  });

  test("takes nothing that it cannot mean", () => {
    for (const args of [
      ["--seed", "soon"],
      ["--lease", "0"],
      ["--leases", "1"],
    ])
      assert.throws(() => readRun(args), UsageError);
  });
});

describe("the verdict on chaos", () => {
  const good: Verdict = {
    sessions: 2,
    opened: 2,
    dropped: 0,
    unfinished: 0,
    sent: 10,
    echoed: 10,
    pushed: 0,
    received: 0,
    lost: 0,
    doubled: 0,
    outOfOrder: 0,
    corrupted: 0,
    errors: [],
    closes: [],
    lostByDropped: 0,
    longestSilenceMs: 1,
    silenceP99Ms: 1,
    driverLagMs: 1,
  };
  const outcome = (changes: Partial<Outcome>): Outcome => ({
    polling: good,
    websockets: good,
    upgraded: good,
    refused: [],
    retried: 0,
    ...changes,
  });

  test("finds nothing where nothing is wrong, and forgives websockets what their ends cost", () => {
    const ended = { ...good, dropped: 1, lost: 3, echoed: 7, lostByDropped: 3, closes: ["transport close"] };
    assert.deepEqual(judge(outcome({ websockets: ended })), []);
  });

  test("forgives a session that two owners were lost under, and no other", () => {
    const ended = { ...good, dropped: 1, lost: 3, echoed: 7, lostByDropped: 3, closes: ["transport close"] };
    const refused = ["400 POST /engine.io/?EIO=4&transport=polling&t=a&sid=lost"];
    const excused = ["lost"];
    assert.deepEqual(judge(outcome({ polling: ended, refused }), { excused }), []);
    assert.equal(judge(outcome({ polling: { ...ended, dropped: 2 }, refused }), { excused }).length, 1);
    assert.equal(judge(outcome({ polling: ended, refused }), { excused: ["other"] }).length, 1);
  });

  for (const [what, wrong] of Object.entries({
    "a message lost": { polling: { ...good, echoed: 9, lost: 1 } },
    "a session dropped": { polling: { ...good, dropped: 1, closes: ["transport error"] } },
    "a message doubled by a websocket": { websockets: { ...good, doubled: 1 } },
    "a message lost by a websocket that lives": { websockets: { ...good, lost: 2, lostByDropped: 1 } },
    "a message out of order by one that was upgraded": { upgraded: { ...good, outOfOrder: 1 } },
    "a session that is silent for too long": { polling: { ...good, longestSilenceMs: 20_000 } },
    "a poll refused": { refused: ["503 GET /engine.io/?transport=polling"] },
  })) {
    test(`finds ${what}`, () => assert.equal(judge(outcome(wrong), { silence: 20_000 }).length, 1));
  }
});

describe("npm run chaos", () => {
  test("does the faults of a seed and ends with 0 where nothing is lost", async () => {
    const args = ["--import", "tsx", CHAOS, "--minutes", "0.25", "--seed", "3", "--polling", "24", "--websockets", "4"];
    const { code, printed } = await new Promise<{ code: unknown; printed: string }>((resolve) => {
      execFile(process.execPath, args, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : error.code, printed: stdout + stderr }),
      );
    });
    assert.equal(code, 0, printed);
    const planned = schedule({ ...plan(3), durationMs: 15_000, leaseMs: LEASE }).length;
    assert.ok(planned > 0);
    assert.match(printed, new RegExp(`^faults: ${planned} of ${planned} `, "m"));
    assert.match(printed, /^polling: 24 sessions; (\d+) messages, \1 came back; 0 lost, 0 doubled/m);
    assert.match(printed, /^npm run chaos -- --minutes 0.25 --seed 3 --lease \d+ --polling 24 --websockets 4$/m);
    assert.match(printed, /^left behind: nothing$/m);
  });

  test("refuses what it cannot mean", async () => {
    const code = await new Promise((resolve) => {
      execFile(process.execPath, ["--import", "tsx", CHAOS, "--seed", "soon"], (error) => resolve(error?.code));
    });
    assert.equal(code, 2);
  });
});
