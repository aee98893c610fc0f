import { seeded } from "../../src/time/virtual-clock";

/** What a fault is about. Two faults of one schedule never hold the same part at the same time. */
export type Part = `node ${number}` | `${Link} of node ${number}` | "redis" | "nats";
export type Link = "redis" | "nats";

/** `ms`: how long it lasts, until the part is put right again. */
export type Fault =
  | { readonly kind: "kill" | "terminate" | "pause"; readonly node: number; readonly ms: number }
  | { readonly kind: "cut" | "silence"; readonly node: number; readonly link: Link; readonly ms: number }
  | { readonly kind: "delay"; readonly node: number; readonly link: Link; readonly ms: number; readonly by: number }
  | { readonly kind: "redis restarts with its data" | "redis restarts empty"; readonly ms: number }
  | { readonly kind: "nats restarts"; readonly ms: number };

export type Kind = Fault["kind"];

export interface Planned {
  /** Milliseconds from the start. */
  readonly at: number;
  readonly fault: Fault;
}

export interface Plan {
  readonly seed: number;
  readonly durationMs: number;
  readonly nodes: number;
  /** Time to live of a node's lease: faults last about as long. */
  readonly leaseMs: number;
}

/** Faults of an episode begin within so much of each other. */
const TOGETHER = 2_500;
/** No episode has more: each answers for a part of `giveUpAfter` (15 s), after which nodes rightly refuse requests. */
const MOST_AT_ONCE = 3;
const LONGEST_DOWN = 2_500;
/** Between two episodes, so that requests which met one are over before the next: nginx tries each node once. */
const CALM = 2_500;

/** Kinds, each as often as it stands here. */
const KINDS: readonly Kind[] = [
  "kill",
  "kill",
  "kill",
  "terminate",
  "terminate",
  "pause",
  "pause",
  "cut",
  "cut",
  "silence",
  "delay",
  "redis restarts with its data",
  "redis restarts with its data",
  "redis restarts empty",
  "nats restarts",
  "nats restarts",
];

/**
 * The faults of a run: a function of the plan and nothing else, so that a seed says it all.
 *
 * What cannot be promised does not happen in it: some node is always up, and Redis loses its data only while nothing makes
 * sessions change their owners, neither before nor after for as long as a lease may be missed.
 */
export function schedule(plan: Plan): readonly Planned[] {
  const random = seeded(plan.seed);
  const planned: Planned[] = [];
  // What makes owners change has an end only when leases and claims have: of it Redis must know nothing when it forgets.
  const apart = 2 * plan.leaseMs + 3_000;
  let at = 1_000;
  let changesUntil = -Infinity;
  let forgetsUntil = -Infinity;
  for (;;) {
    const faults = episode(plan, random);
    const forgets = faults.some(({ fault }) => fault.kind === "redis restarts empty");
    const start = Math.max(at, (forgets ? changesUntil : forgetsUntil) + apart);
    const end = start + Math.max(...faults.map((one) => one.at + one.fault.ms));
    if (end > plan.durationMs) return planned;
    for (const one of faults) planned.push({ ...one, at: start + one.at });
    if (forgets) forgetsUntil = end;
    else changesUntil = end;
    at = end + CALM + Math.floor(random() * CALM);
  }
}

/** Faults that overlap, by their times from the first on. */
function episode(plan: Plan, random: () => number): Planned[] {
  const count = 1 + Math.floor(random() * MOST_AT_ONCE);
  const first = faultOf(plan, one(KINDS, random), random);
  if (first.kind === "redis restarts empty") return [{ at: 0, fault: first }];
  const faults: Planned[] = [{ at: 0, fault: first }];
  for (let tries = 0; faults.length < count && tries < 20; tries++) {
    const fault = faultOf(plan, one(KINDS, random), random);
    const at = Math.floor(random() * TOGETHER);
    if (fits(plan, fault, faults)) faults.push({ at, fault });
  }
  return faults.sort((a, b) => a.at - b.at);
}

function fits(plan: Plan, fault: Fault, others: readonly Planned[]): boolean {
  if (fault.kind === "redis restarts empty") return false;
  if (others.some((other) => partOf(other.fault) === partOf(fault))) return false;
  const down = [fault, ...others.map((other) => other.fault)].filter(
    ({ kind }) => kind === "kill" || kind === "terminate",
  );
  return down.length < plan.nodes;
}

function faultOf({ nodes, leaseMs }: Plan, kind: Kind, random: () => number): Fault {
  const between = (least: number, most: number): number => Math.floor(least + random() * (most - least));
  const node = between(0, nodes);
  const link: Link = random() < 0.5 ? "redis" : "nats";
  switch (kind) {
    case "kill":
    case "terminate":
      return { kind, node, ms: between(100, LONGEST_DOWN) };
    case "pause":
      return { kind, node, ms: between(leaseMs * 0.3, leaseMs * 2.2) };
    case "cut":
    case "silence":
      return { kind, node, link, ms: between(leaseMs * 0.1, leaseMs * 2) };
    case "delay":
      return { kind, node, link, ms: between(1_000, leaseMs * 2), by: between(10, 300) };
    case "redis restarts with its data":
    case "redis restarts empty":
    case "nats restarts":
      return { kind, ms: between(100, LONGEST_DOWN) };
  }
}

export function partOf(fault: Fault): Part {
  switch (fault.kind) {
    case "kill":
    case "terminate":
    case "pause":
      return `node ${fault.node}`;
    case "cut":
    case "silence":
    case "delay":
      return `${fault.link} of node ${fault.node}`;
    case "redis restarts with its data":
    case "redis restarts empty":
      return "redis";
    case "nats restarts":
      return "nats";
  }
}

/** Behind the end of a fault: what a silent link is noticed within, what starting takes, and a machine with other things to do. */
const AFTER_IT = 3_000 + 1_500 + 5_000;

/**
 * What a session that polls may wait at most, in milliseconds: while faults overlap, until the owners and holders that they took are known to be gone, and, where
 * the next ones begin before that, through those as well. Through a third time it need not: what was behind the first ones is over.
 */
export function longestSilence(planned: readonly Planned[], leaseMs: number): number {
  const recovery = leaseMs + leaseMs / 3 + AFTER_IT;
  const waits = stretches(planned).map(({ from, to }, i, all) => {
    const next = all[i + 1];
    return (next !== undefined && next.from < to + recovery ? next.to : to) - from + recovery;
  });
  return Math.max(recovery, ...waits);
}

/** The times in which some part is out of order. */
function stretches(planned: readonly Planned[]): { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = [];
  for (const { at, fault } of planned) {
    const last = found.at(-1);
    if (last !== undefined && at <= last.to) last.to = Math.max(last.to, at + fault.ms);
    else found.push({ from: at, to: at + fault.ms });
  }
  return found;
}

/** One line for one fault. */
export function describe({ at, fault }: Planned): string {
  const what = "node" in fault ? `${fault.kind} ${partOf(fault)}` : fault.kind;
  const by = fault.kind === "delay" ? ` by ${fault.by} ms` : "";
  return `${(at / 1_000).toFixed(1).padStart(6)} s  ${what}${by}, for ${fault.ms} ms`;
}

function one<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)]!;
}
