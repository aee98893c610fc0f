import { parseArgs } from "node:util";
import { LEASE, POLLING, WEBSOCKETS } from "../faults/fault-world";
import type { Plan } from "./schedule";

export const USAGE = `npm run chaos -- [--minutes M] [--seed S] [--lease L] [--polling N] [--websockets N]

  --minutes M     how long faults go on (default 5)
  --seed S        which faults, and when (default: one by chance, which is printed)
  --lease L       time to live of a node's lease in milliseconds, as long as which faults last (default ${LEASE})
  --polling N     sessions that poll (default ${POLLING})
  --websockets N  sessions that begin with a websocket, and as many that go over to one (default ${WEBSOCKETS})

Ends with 1 when anything was lost, doubled, changed, out of order, refused, silent for too long or left behind.
`;

const NODES = 3;

/** All that a run depends on, but for chance. */
export interface Run {
  readonly plan: Plan;
  readonly polling: number;
  readonly websockets: number;
}

/** What cannot be meant. */
export class UsageError extends Error {}

/** What the arguments say, or undefined where they ask for help. */
export function readRun(args: readonly string[], seed: () => number = () => Date.now() % 1_000_000): Run | undefined {
  const { values } = parsed(args);
  if (values.help === true) return undefined;
  const number = (name: "minutes" | "seed" | "lease" | "polling" | "websockets", otherwise: () => number): number => {
    const text = values[name];
    return text === undefined ? otherwise() : positive(name, text);
  };
  return {
    plan: {
      seed: number("seed", seed),
      durationMs: Math.round(number("minutes", () => 5) * 60_000),
      nodes: NODES,
      leaseMs: number("lease", () => LEASE),
    },
    polling: number("polling", () => POLLING),
    websockets: number("websockets", () => WEBSOCKETS),
  };
}

/** The command that does the same again, whatever the defaults are where it is called. */
export function commandOf({ plan, polling, websockets }: Run): string {
  const { seed, durationMs, leaseMs } = plan;
  const all = { minutes: durationMs / 60_000, seed, lease: leaseMs, polling, websockets };
  return `npm run chaos -- ${Object.entries(all)
    .map(([name, value]) => `--${name} ${value}`)
    .join(" ")}`;
}

function parsed(args: readonly string[]) {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: { minutes: text, seed: text, lease: text, polling: text, websockets: text, help: { type: "boolean" } },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`--${name} is ${JSON.stringify(text)}; a number above 0 is needed`);
}
