import { relative } from "node:path";
import { CONTENDERS, type Contender } from "./contenders";
import { machine, versions } from "./machine";
import { measure, type Round } from "./measure";
import { readOptions, USAGE, UsageError, type Options } from "./options";
import { profileInto } from "./processes";
import { summarize, table, targetLines, writeResults } from "./report";
import { requireServers } from "./servers";

/** Above this the driver was near its own limit, and throughput and latency are its and not the server's. */
const DRIVER_LIMIT = 0.95;

async function main(args: readonly string[]): Promise<number> {
  if (args.includes("--help") || args.length === 0) {
    console.log(`${USAGE}\n${contenderHelp()}`);
    return args.length === 0 ? 2 : 0;
  }
  const options = readOptions(args);
  const contenders = chosen(options);
  if (contenders.some(({ servers }) => servers)) requireServers();
  profileInto(options.profile);
  const startedAt = new Date();
  console.log(introduction(options));
  // In turn, and not one after the other: what else happens on the machine hits all of them alike.
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    for (const contender of contenders) {
      const result = await measure(contender, round, options);
      rounds.push(result);
      console.log(line(result));
    }
  }
  const summaries = summarize(contenders, rounds);
  console.log(`\n${table(options.command, summaries)}\n`);
  for (const text of targetLines(options.command, rounds)) console.log(text);
  const file = writeResults(options, startedAt, summaries, rounds);
  console.log(`all of it: ${relative(process.cwd(), file)}`);
  return rounds.every(({ flawless }) => flawless) ? 0 : 1;
}

function chosen({ command, only }: Options): readonly Contender[] {
  const all = CONTENDERS[command];
  const unknown = only.filter((id) => !all.some((contender) => contender.id === id));
  if (unknown.length > 0) {
    throw new UsageError(`--only: there is no ${unknown.join(", ")}; there are ${all.map(({ id }) => id).join(", ")}`);
  }
  return only.length === 0 ? all : all.filter(({ id }) => only.includes(id));
}

function introduction({ command, sessions, concurrency, rate, rounds, durationMs }: Options): string {
  const { cpu, cores } = machine();
  const { node, ours, redis, nats, ...others } = versions();
  const load =
    command === "handshake"
      ? `${concurrency} connections`
      : `${sessions} sessions, ${concurrency} with a message under way`;
  return (
    `${command}: ${load}, ${rate === undefined ? "closed loop" : `${rate} a second`}, ` +
    `${rounds} rounds of ${durationMs / 1000} s\n` +
    `${cpu}, ${cores} cores; node ${node}, ours ${ours}, engine.io ${others["engine.io"]}, ` +
    `sticky ${others["@socket.io/sticky"]}, redis ${redis ?? "none"}, nats ${nats ?? "none"}\n`
  );
}

function line({ contender, round, perSecond, cpu, driverShare, faults, flawless, reopened, errors }: Round): string {
  const parts = [`round ${round}  ${contender}  ${perSecond.toFixed(0)}/s  ${cpu.toFixed(1)} µs`];
  if (driverShare !== undefined && driverShare > DRIVER_LIMIT) parts.push(`(the driver was at its limit)`);
  if (reopened > 0) parts.push(`(${reopened} sessions failed before their first message, and were opened again)`);
  if (!flawless) parts.push(`FAULTS ${JSON.stringify(faults)}`, ...errors.map((error) => `\n    ${error}`));
  return parts.join("  ");
}

function contenderHelp(): string {
  return Object.entries(CONTENDERS)
    .map(([command, all]) => `${command}:\n${all.map(({ id, name }) => `  ${id}  ${name}\n`).join("")}`)
    .join("");
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UsageError) console.error(`error: ${error.message}\n\n${USAGE}`);
    else console.error(`error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
