import { fork, type ChildProcess } from "node:child_process";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { runHistory, type Outcome } from "./history";
import { inEvent } from "./microtasks";
import { PROFILE_NAMES, scheduleOf } from "./profiles";
import { describe, type Schedule } from "./schedule";
import { shrink } from "./shrink";

const USAGE = `npm run simulate -- [--seeds N] [--seed S] [--jobs J] [--profile P] [--shrink]

  --seeds N    how many histories (default 1000; 1 with --shrink)
  --seed S     the first one (default 1); with --seeds 1 its trace is printed
  --jobs J     processes to run them in (default 1; 0: one for each processor)
  --profile P  only histories of this kind: ${PROFILE_NAMES.join(", ")}
  --shrink     look for a smaller history that fails like seed S, and print it
`;

/** So many histories are given to a process at a time. */
const BATCH = 50;
/** How often it is said how far it has come, in milliseconds. */
const PROGRESS = 10_000;

interface Options {
  readonly seeds: number;
  readonly seed: number;
  readonly jobs: number;
  readonly profile: string | undefined;
}

/** Counts of many histories. */
export interface Totals {
  histories: number;
  failed: number;
  events: number;
  recovered: number;
  upgraded: number;
  ended: number;
  unavailables: number;
}

/** What a process says of its batch. */
interface Report {
  readonly totals: Totals;
  readonly failures: readonly string[];
}

function emptyTotals(): Totals {
  return { histories: 0, failed: 0, events: 0, recovered: 0, upgraded: 0, ended: 0, unavailables: 0 };
}

function add(totals: Totals, more: Totals): void {
  for (const name of Object.keys(totals) as (keyof Totals)[]) totals[name] += more[name];
}

/** Runs `count` histories from `seed` on, in this process. */
async function runBatch(seed: number, count: number, profile: string | undefined): Promise<Report> {
  const totals = emptyTotals();
  const failures: string[] = [];
  for (let i = 0; i < count; i++) {
    const outcome = await inEvent(() => runHistory(scheduleOf(seed + i, profile)));
    const { events, recovered, upgraded, ended, unavailables } = outcome;
    const failed = outcome.violations.length > 0 ? 1 : 0;
    add(totals, { histories: 1, failed, events, recovered, upgraded, ended, unavailables });
    if (failed > 0) failures.push(failureOf(outcome));
  }
  return { totals, failures };
}

function failureOf({ schedule, violations }: Outcome): string {
  return `seed ${String(schedule.seed)} (${schedule.profile}): ${violations.join("; ")}`;
}

async function runAll({ seeds, seed, jobs, profile }: Options): Promise<Totals> {
  const totals = emptyTotals();
  const began = performance.now();
  let next = seed;
  let told = began;
  const done = ({ totals: some, failures }: Report): void => {
    add(totals, some);
    for (const failure of failures) process.stdout.write(`${failure}\n`);
    const now = performance.now();
    if (now - told < PROGRESS) return;
    told = now;
    const rate = (1000 * totals.histories) / (now - began);
    process.stderr.write(
      `${String(totals.histories)} of ${String(seeds)}, ${String(totals.failed)} failed, ${rate.toFixed(0)} a second\n`,
    );
  };
  const take = (): { from: number; count: number } => {
    const from = next;
    const count = Math.max(0, Math.min(BATCH, seed + seeds - from));
    next += count;
    return { from, count };
  };
  const work = async (): Promise<void> => {
    const child = jobs > 1 ? startWorker(profile) : undefined;
    for (let { from, count } = take(); count > 0; { from, count } = take())
      done(child === undefined ? await runBatch(from, count, profile) : await ask(child, from, count));
    child?.disconnect();
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return totals;
}

function startWorker(profile: string | undefined): ChildProcess {
  // Threads that help to collect garbage would have to wait for processors, which the other histories have.
  // Histories leave much that is young: with room for it, a sixth less goes into collecting it.
  const execArgv = [...process.execArgv, "--single-threaded-gc", "--max-semi-space-size=64"];
  return fork(__filename, [WORKER, ...(profile === undefined ? [] : [profile])], { execArgv });
}

function ask(child: ChildProcess, from: number, count: number): Promise<Report> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void => {
      reject(new Error(`the process that ran seeds from ${String(from)} on ended with ${String(code)}`));
    };
    child.once("exit", onExit);
    child.once("message", (report) => {
      child.off("exit", onExit);
      resolve(report as Report);
    });
    child.send({ from, count });
  });
}

/** A process of `runAll`. */
const WORKER = "--worker";

function serve(profile: string | undefined): void {
  process.on("message", (batch) => {
    const { from, count } = batch as { from: number; count: number };
    void runBatch(from, count, profile).then((report) => process.send?.(report));
  });
}

function show(schedule: Schedule, trace: readonly string[]): void {
  const { clients, messages, pushes, rates, faults } = schedule;
  const rest = `${String(clients.length)} clients, ${String(messages)} messages, ${String(pushes)} pushes`;
  process.stdout.write(`${trace.join("\n")}\n\n${rest}, ${JSON.stringify(rates)}\n`);
  for (const fault of faults) process.stdout.write(`${describe(fault)}\n`);
}

async function main(): Promise<void> {
  const options = {
    seeds: { type: "string" },
    seed: { type: "string" },
    jobs: { type: "string" },
    profile: { type: "string" },
    shrink: { type: "boolean" },
    help: { type: "boolean" },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return;
  }
  const seed = whole("--seed", values.seed ?? "1", 1);
  const { profile } = values;
  if (profile !== undefined && !PROFILE_NAMES.includes(profile)) wrong("--profile", profile, "one of the kinds");
  if (values.shrink === true) {
    const outcome = await inEvent(() => shrink(scheduleOf(seed, profile), (step) => process.stderr.write(`${step}\n`)));
    show(outcome.schedule, outcome.trace);
    process.exitCode = outcome.violations.length > 0 ? 1 : 0;
    return;
  }
  const seeds = whole("--seeds", values.seeds ?? "1000", 1);
  if (seeds === 1) {
    const { schedule, trace } = await inEvent(() => runHistory(scheduleOf(seed, profile)));
    show(schedule, trace);
  }
  const jobs = whole("--jobs", values.jobs ?? "1", 0);
  const totals = await runAll({ seeds, seed, jobs: jobs === 0 ? cpus().length : jobs, profile });
  process.stdout.write(`${JSON.stringify(totals)}\n`);
  process.exitCode = totals.failed > 0 ? 1 : 0;
}

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) wrong(name, text, `a whole number, ${String(least)} or more`);
  return value;
}

function wrong(name: string, text: string, needed: string): never {
  process.stderr.write(`${name} is ${JSON.stringify(text)}; ${needed} is needed\n\n${USAGE}`);
  process.exit(2);
}

if (process.argv[2] === WORKER) serve(process.argv[3]);
else void main();
