import { parseArgs } from "node:util";
import { runHistory, type Outcome } from "./history";
import { inEvent } from "./microtasks";
import { scheduleOf } from "./profiles";

const USAGE = `npm run simulate -- [--seeds N] [--seed S]

  --seeds N  how many histories (default 1000)
  --seed S   the first one (default 1); with --seeds 1 its trace is printed
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string" },
      seed: { type: "string" },
      profile: { type: "string" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  const count = whole("--seeds", values.seeds ?? "1000");
  const first = whole("--seed", values.seed ?? "1");
  const totals = { histories: 0, failed: 0, events: 0, recovered: 0, upgraded: 0, ended: 0, unavailables: 0 };
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await inEvent(() => runHistory(scheduleOf(seed, values.profile)));
    totals.histories++;
    totals.events += outcome.events;
    totals.recovered += outcome.recovered;
    totals.upgraded += outcome.upgraded;
    totals.ended += outcome.ended;
    totals.unavailables += outcome.unavailables;
    if (outcome.violations.length > 0) totals.failed++;
    report(outcome, count === 1);
  }
  process.stdout.write(`${JSON.stringify(totals)}\n`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
}

function report({ schedule, violations, trace }: Outcome, alone: boolean): void {
  if (alone) process.stdout.write(`${trace.join("\n")}\n`);
  if (violations.length > 0)
    process.stdout.write(`seed ${String(schedule.seed)} (${schedule.profile}): ${violations.join("; ")}\n`);
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  process.stderr.write(`${name} is ${JSON.stringify(text)}; a whole number above 0 is needed\n\n${USAGE}`);
  process.exit(2);
}

void main();
