import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { LEFT, runChaos, type Report } from "./run";
import { describe } from "./schedule";

const ROOT = join(__dirname, "../..");
const USAGE = `npm run chaos -- [--minutes M] [--seed S] [--polling N] [--websockets N]

  --minutes M     how long faults go on (default 5)
  --seed S        which faults, and when (default: one by chance, which is printed)
  --polling N     sessions that poll (default 48)
  --websockets N  sessions with a websocket (default 8)

Ends with 1 when anything was lost, doubled, changed, out of order, refused or left behind.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "5" },
      seed: { type: "string" },
      polling: { type: "string" },
      websockets: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  if (!existsSync(join(ROOT, "dist/src/index.js"))) throw new Error("there is no dist/: npm run build makes it");
  const seed = values.seed === undefined ? Date.now() % 1_000_000 : positive("--seed", values.seed);
  const minutes = positive("--minutes", values.minutes);
  say(`seed ${seed}, ${minutes} minutes`);
  const report = await runChaos({
    seed,
    durationMs: minutes * 60_000,
    say,
    ...(values.polling === undefined ? {} : { polling: positive("--polling", values.polling) }),
    ...(values.websockets === undefined ? {} : { websockets: positive("--websockets", values.websockets) }),
  });
  tell(report);
  if (report.problems.length === 0) return;
  tellProblems(report, seed, minutes);
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

function tellProblems({ problems, plan, logs }: Report, seed: number, minutes: number): void {
  const folder = join(ROOT, ".build", `chaos-${seed}`);
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of logs) writeFileSync(join(folder, `${name}.log`), text);
  writeFileSync(join(folder, "schedule.txt"), `${plan.map(describe).join("\n")}\n`);
  say(`\n${problems.join("\n\n")}`);
  say(`\nThe same faults again: npm run chaos -- --minutes ${minutes} --seed ${seed}`);
  say(`What the nodes printed, and the schedule: ${folder}`);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  process.stderr.write(`${name} is ${JSON.stringify(text)}; a number above 0 is needed\n\n${USAGE}`);
  process.exit(2);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${String(error instanceof Error ? error.stack : error)}\n`);
  process.exit(1);
});
