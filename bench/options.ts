import { parseArgs } from "node:util";

export const COMMANDS = ["echo", "handshake", "websocket"] as const;
export type Command = (typeof COMMANDS)[number];

export interface Options {
  readonly command: Command;
  readonly sessions: number;
  /** How many sessions have a message under way at the same time; for handshakes, connections. */
  readonly concurrency: number;
  /** Messages a second, of all sessions together. Without it the next one goes when an echo has come. */
  readonly rate: number | undefined;
  readonly warmupMs: number;
  readonly durationMs: number;
  readonly rounds: number;
  /** Ids of the contenders that take part; empty for all. */
  readonly only: readonly string[];
  /** Where the results are written; undefined for a new file in bench/results. */
  readonly json: string | undefined;
  /** Where Node's CPU profiles of all server processes are written. */
  readonly profile: string | undefined;
}

export class UsageError extends Error {}

export const USAGE = `npm run bench -- <${COMMANDS.join("|")}> [options]

  --sessions <n>      sessions that are open (400)
  --concurrency <n>   sessions with a message under way at a time; handshake: connections (200; handshake: 48)
  --rate <n>          messages a second; without it, the next one goes when an echo has come
  --duration <s>      time of a measurement (5)
  --warmup <s>        time before it, which is not measured (3)
  --rounds <n>        times that each contender is measured, in turn (3)
  --only <ids>        contenders that take part, such as a,d
  --json <file>       where the results go (bench/results/<command>-<time>.json)
  --profile <folder>  where Node's CPU profiles of the server processes go

The exit code is not 0 when a message was lost, doubled, changed or came out of order.
`;

/** What the command line asks for; throws a `UsageError` that says what is allowed. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  const command = COMMANDS.find((name) => name === positionals[0]);
  if (command === undefined || positionals.length > 1) {
    throw new UsageError(`what to measure is one of ${COMMANDS.join(", ")}`);
  }
  const sessions = number("sessions", values.sessions ?? "400", true);
  return {
    command,
    sessions,
    concurrency:
      values.concurrency === undefined
        ? command === "handshake"
          ? 48
          : Math.min(sessions, 200)
        : number("concurrency", values.concurrency, true),
    rate: values.rate === undefined ? undefined : number("rate", values.rate, false),
    warmupMs: 1000 * number("warmup", values.warmup ?? "3", false),
    durationMs: 1000 * number("duration", values.duration ?? "5", false),
    rounds: number("rounds", values.rounds ?? "3", true),
    only: values.only === undefined ? [] : values.only.split(",").filter((id) => id !== ""),
    json: values.json,
    profile: values.profile,
  };
}

function parse(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        sessions: text,
        concurrency: text,
        rate: text,
        duration: text,
        warmup: text,
        rounds: text,
        only: text,
        json: text,
        profile: text,
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(name: string, text: string, whole: boolean): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    throw new UsageError(`--${name} is ${JSON.stringify(text)}; allowed is a ${whole ? "whole " : ""}number above 0`);
  }
  return value;
}
