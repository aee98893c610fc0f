import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Contender } from "./contenders";
import { machine, ROOT, versions } from "./machine";
import type { Round } from "./measure";
import type { Command, Options } from "./options";
import { median, spread, type Spread } from "./statistics";

/** One contender over all its rounds. */
export interface Summary {
  readonly id: string;
  readonly name: string;
  readonly perSecond: Spread;
  readonly cpu: Spread;
  readonly cpuByRole: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  /** CPU divided by that of the contender that all are compared with, round by round; undefined where it did not take part. */
  readonly ratio: Spread | undefined;
  readonly flawless: boolean;
}

/** Who all others are divided by: ideal stickiness, and for websockets engine.io itself. */
export const BASELINE = "d";

/** A ratio of CPU time that should not be exceeded. */
export interface Target {
  readonly of: string;
  readonly to: string;
  readonly atMost: number;
}

export const TARGETS: Readonly<Record<Command, readonly Target[]>> = {
  echo: [
    { of: "a", to: "e", atMost: 0.5 },
    { of: "a", to: "d", atMost: 2.5 },
  ],
  handshake: [],
  websocket: [
    { of: "a", to: "d", atMost: 1.1 },
    { of: "b", to: "d", atMost: 1.1 },
  ],
};

export function summarize(contenders: readonly Contender[], rounds: readonly Round[]): Summary[] {
  return contenders.map(({ id, name }) => {
    const own = rounds.filter(({ contender }) => contender === id);
    const roles = new Set(own.flatMap(({ cpuByRole }) => Object.keys(cpuByRole)));
    return {
      id,
      name,
      perSecond: spread(own.map(({ perSecond }) => perSecond)),
      cpu: spread(own.map(({ cpu }) => cpu)),
      cpuByRole: Object.fromEntries(
        [...roles].map((role) => [role, median(own.map(({ cpuByRole }) => cpuByRole[role] ?? NaN))]),
      ),
      p50: median(own.map(({ latencies }) => latencies.p50)),
      p99: median(own.map(({ latencies }) => latencies.p99)),
      ratio: ratio(rounds, id, BASELINE),
      flawless: own.every(({ flawless }) => flawless),
    };
  });
}

/** Each round is divided by the other's same round: the machine was nearest to the same then. */
export function ratio(rounds: readonly Round[], of: string, to: string): Spread | undefined {
  const ratios = rounds.flatMap((one) => {
    const other = rounds.find(({ contender, round }) => contender === to && round === one.round);
    return one.contender === of && other !== undefined ? [one.cpu / other.cpu] : [];
  });
  return ratios.length === 0 ? undefined : spread(ratios);
}

export function table(command: Command, summaries: readonly Summary[]): string {
  const what = command === "handshake" ? "handshake" : "message";
  const head = ["", "", `${what}s/s`, `CPU µs/${what}`, "min–max", `÷ ${BASELINE}`, "p50 ms", "p99 ms", "CPU by role"];
  const rows = summaries.map(({ id, name, perSecond, cpu, cpuByRole, p50, p99, ratio: divided, flawless }) => [
    id,
    flawless ? name : `${name} (FAULTS)`,
    perSecond.median.toFixed(0),
    cpu.median.toFixed(1),
    `${cpu.min.toFixed(1)}–${cpu.max.toFixed(1)}`,
    divided === undefined ? "" : divided.median.toFixed(2),
    p50.toFixed(1),
    p99.toFixed(1),
    Object.entries(cpuByRole)
      .map(([role, micros]) => `${role} ${micros.toFixed(0)}`)
      .join(", "),
  ]);
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  const isText = (column: number): boolean => column < 2 || column === head.length - 1;
  return all
    .map((row) =>
      row
        .map((cell, i) => (isText(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** How the targets were met; nothing of those whose contenders did not take part. */
export function targetLines(command: Command, rounds: readonly Round[]): string[] {
  return TARGETS[command].flatMap(({ of, to, atMost }) => {
    const found = ratio(rounds, of, to);
    if (found === undefined) return [];
    const range = `${found.min.toFixed(2)}–${found.max.toFixed(2)}`;
    const verdict = found.median <= atMost ? "met" : "missed";
    return [`CPU of ${of} ÷ ${to}: ${found.median.toFixed(2)} (${range}), target at most ${atMost}: ${verdict}`];
  });
}

/** Writes all that was found, and what it takes to judge it; returns where. */
export function writeResults(
  options: Options,
  startedAt: Date,
  summaries: readonly Summary[],
  rounds: readonly Round[],
): string {
  const stamp = startedAt.toISOString().replaceAll(/[:.]/g, "-");
  const file = resolve(options.json ?? join(ROOT, "bench/results", `${options.command}-${stamp}.json`));
  mkdirSync(dirname(file), { recursive: true });
  const results = {
    startedAt: startedAt.toISOString(),
    versions: versions(),
    machine: machine(),
    options,
    summaries,
    rounds,
  };
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  return file;
}
