import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { commandOf, readRun, UsageError, USAGE, type Run } from "./arguments";
import { LEFT, runChaos, type Report } from "./run";
import { describe } from "./schedule";

const ROOT = join(__dirname, "../..");
async function main(): Promise<void> {
  const run = readRun(process.argv.slice(2));
  if (run === undefined) {
    process.stdout.write(USAGE);
    return;
  }
  if (!existsSync(join(ROOT, "dist/src/index.js"))) throw new Error("there is no dist/: npm run build makes it");
  say(commandOf(run));
  const report = await runChaos(run, say);
  tell(report);
  if (report.problems.length === 0) return;
  tellProblems(report, run);
  process.exitCode = 1;
}

function tell({ done, outcome, plan, problems, excused }: Report): void {
  const kinds = Object.entries(done).map(([kind, times]) => `${kind} ${times}`);
  say(
    `\nfaults: ${Object.values(done).reduce((sum, times) => sum + times, 0)} of ${plan.length} (${kinds.join(", ")})`,
  );
  if (outcome === undefined) return;
  for (const [name, verdict] of [
    ["polling", outcome.polling],
    ["websocket", outcome.websockets],
    ["upgraded", outcome.upgraded],
  ] as const) {
    const { sessions, dropped, sent, echoed, lost, lostByDropped, doubled, outOfOrder, corrupted } = verdict;
    const ended = dropped === 0 ? "" : `, ${dropped} ended, and with them ${lostByDropped} messages`;
    say(
      `${name}: ${sessions} sessions${ended}; ${sent} messages, ${echoed} came back; ` +
        `${lost - lostByDropped} lost, ${doubled} doubled, ${outOfOrder} out of order, ${corrupted} changed`,
    );
    say(`  silence: longest ${verdict.longestSilenceMs} ms, 99 in 100 below ${verdict.silenceP99Ms} ms`);
  }
  if (excused.length > 0) say(`ended, since two of their owners were lost under one POST: ${excused.join(", ")}`);
  if (!problems.some((problem) => problem.startsWith(LEFT))) say("left behind: nothing");
  say(`requests that went to a second node: ${outcome.retried}; refused: ${outcome.refused.length}`);
}

function tellProblems({ problems, plan, logs }: Report, run: Run): void {
  const folder = join(ROOT, ".build", `chaos-${run.plan.seed}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of logs) writeFileSync(join(folder, `${name}.log`), text);
  writeFileSync(join(folder, "schedule.txt"), `${plan.map(describe).join("\n")}\n`);
  say(`\n${problems.join("\n\n")}`);
  say(`\nThe same faults again: ${commandOf(run)}`);
  say(`What the nodes printed, and the schedule: ${folder}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: unknown) => {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
  process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
  process.exit(1);
});
