import { join } from "node:path";
import type { Contender, Running } from "./contenders";
import { cpuTimes } from "./cpu";
import { isFlawless, type Faults } from "./driver/ledger";
import type { DriverMessage, Task } from "./driver/messages";
import { ROOT } from "./machine";
import type { Options } from "./options";
import { Child } from "./processes";
import type { Latencies } from "./statistics";

/** One measurement of one contender. */
export interface Round {
  readonly contender: string;
  readonly round: number;
  /** Echoes, or handshakes. */
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  /** CPU microseconds of all server processes for each of them. */
  readonly cpu: number;
  /** The same by role: worker, primary, redis, nats. */
  readonly cpuByRole: Readonly<Record<string, number>>;
  readonly latencies: Latencies;
  /** The share of one CPU that the driver used; for handshakes it is not known. */
  readonly driverShare: number | undefined;
  readonly faults: Faults;
  readonly flawless: boolean;
  /** Sessions that had to be opened once more, because they failed before their first message. */
  readonly reopened: number;
  readonly errors: readonly string[];
}

/** What the driver may take beyond its times, to open sessions and to wait for the last echoes. */
const DRIVER_SLACK_MS = 60_000;

/** Starts a contender, measures it once, and stops it. */
export async function measure(contender: Contender, round: number, options: Options): Promise<Round> {
  const running = await contender.start();
  try {
    const found =
      options.command === "handshake" ? await shakeHands(running, options) : await echo(contender, running, options);
    const { count, seconds, cpu, ...rest } = found;
    const cpuByRole: Record<string, number> = {};
    for (const [i, { role }] of running.parts.entries()) {
      cpuByRole[role] = (cpuByRole[role] ?? 0) + (cpu[i] ?? NaN) / count;
    }
    return {
      contender: contender.id,
      round,
      count,
      seconds,
      perSecond: count / seconds,
      cpu: cpu.reduce((all, one) => all + one, 0) / count,
      cpuByRole,
      flawless: isFlawless(rest.faults) && count > 0,
      ...rest,
    };
  } finally {
    await running.stop();
  }
}

type Found = Pick<Round, "count" | "seconds" | "latencies" | "driverShare" | "faults" | "reopened" | "errors"> & {
  /** By part, in microseconds. */
  readonly cpu: readonly number[];
};

async function echo(contender: Contender, running: Running, options: Options): Promise<Found> {
  const { sessions, concurrency, rate, warmupMs, durationMs, command } = options;
  const task: Task = {
    kind: command === "websocket" ? "websocket" : "polling",
    ports: running.ports,
    roaming: contender.roaming,
    sessions,
    concurrency,
    rate,
    warmupMs,
    durationMs,
    pids: running.parts.map(({ pid }) => pid),
  };
  const driver = Child.fork("driver/main.js", [JSON.stringify(task)], "driver");
  try {
    const message = (await driver.message(warmupMs + durationMs + DRIVER_SLACK_MS)) as DriverMessage;
    if (message.type === "failed") throw new Error(`the driver failed: ${message.reason}`);
    const { messages, ...rest } = message.findings;
    return { count: messages, ...rest };
  } finally {
    await driver.stop();
  }
}

const HANDSHAKE_PATH = "/engine.io/?EIO=4&transport=polling";

async function shakeHands(running: Running, options: Options): Promise<Found> {
  const urls = running.ports.map((port) => `http://127.0.0.1:${port}${HANDSHAKE_PATH}`);
  await cannon(urls, options.warmupMs, options);
  const pids = running.parts.map(({ pid }) => pid);
  const before = cpuTimes(pids);
  const result = await cannon(urls, options.durationMs, options);
  const cpu = cpuTimes(pids).map((time, i) => time - (before[i] ?? NaN));
  const { latency, non2xx, errors, timeouts } = result;
  const failed = non2xx + errors + timeouts;
  return {
    count: result["2xx"],
    seconds: result.duration,
    cpu,
    latencies: { p50: latency.p50, p90: latency.p90, p99: latency.p99, max: latency.max },
    driverShare: undefined,
    faults: { lost: 0, doubled: 0, outOfOrder: 0, corrupted: 0, failed },
    reopened: 0,
    errors: failed === 0 ? [] : [`${non2xx} not answered 200, ${errors} errors, ${timeouts} without an answer`],
  };
}

/** What is read of autocannon's report. */
interface CannonResult {
  readonly "2xx": number;
  readonly non2xx: number;
  readonly errors: number;
  readonly timeouts: number;
  readonly duration: number;
  readonly latency: Readonly<Record<"p50" | "p90" | "p99" | "max", number>>;
}

async function cannon(urls: readonly string[], ms: number, { concurrency, rate }: Options): Promise<CannonResult> {
  const seconds = String(Math.max(1, Math.round(ms / 1000)));
  const args = ["--json", "--no-progress", "--connections", String(concurrency), "--duration", seconds];
  if (rate !== undefined) args.push("--overallRate", String(rate));
  const child = Child.spawn(process.execPath, [join(ROOT, "node_modules/autocannon/autocannon.js"), ...args, ...urls]);
  try {
    const code = await child.exit();
    const json = /^\{.*\}$/m.exec(child.output)?.[0];
    if (code !== 0 || json === undefined) throw new Error(`autocannon failed (${String(code)}): ${child.output}`);
    return JSON.parse(json) as CannonResult;
  } finally {
    await child.stop();
  }
}
