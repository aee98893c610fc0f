import { runHistory, type Outcome } from "./history";
import type { Fault, Rates, Schedule } from "./schedule";

/**
 * By how many chances more a smaller schedule may fail: what happens at all times is drawn anew where less goes wrong. They are the
 * same for each, so that what cannot be made smaller cannot be either when the search begins with it.
 */
const CHANCES = Array.from({ length: 12 }, (_, i) => i + 1);

/**
 * Looks for a smaller history that fails like this one: without some of the faults, with rarer or shorter ones, with fewer
 * clients and messages. Gives the smallest that it found, run once more. `tell` hears of each step. Must be called in an event
 * of the loop, as `runHistory`.
 */
export function shrink(schedule: Schedule, tell: (step: string) => void): Outcome {
  let best = runHistory(schedule);
  if (best.violations.length === 0) return best;
  for (let smaller = true; smaller;) {
    smaller = false;
    for (const [what, candidate] of candidates(best.schedule)) {
      const outcome = failing(candidate, best);
      if (outcome === undefined) continue;
      tell(what);
      best = outcome;
      smaller = true;
      break;
    }
  }
  // The same faults by other chances: the shortest trace is the easiest to read.
  for (const seed of CHANCES) {
    const outcome = runHistory({ ...best.schedule, seed });
    if (isLike(outcome, best) && outcome.trace.length < best.trace.length) best = outcome;
  }
  return best;
}

function failing(candidate: Schedule, best: Outcome): Outcome | undefined {
  for (const seed of [candidate.seed, ...CHANCES]) {
    const outcome = runHistory({ ...candidate, seed });
    if (isLike(outcome, best)) return outcome;
  }
  return undefined;
}

/** Whether it fails in the same way, whoever it concerns: another failure would be another search. */
function isLike(outcome: Outcome, other: Outcome): boolean {
  return outcome.violations.length > 0 && kindOf(outcome) === kindOf(other);
}

function kindOf({ violations }: Outcome): string {
  return (violations[0] ?? "").replaceAll(/"[^"]*"|\b[a-z]\d[\w.]*|\d+/g, "…");
}

/** Smaller schedules, the boldest steps first, each with what it leaves out. */
function* candidates(schedule: Schedule): Generator<readonly [string, Schedule]> {
  const { faults, rates, clients } = schedule;
  if (clients.length > 1) {
    for (const client of clients)
      yield ["without a client", { ...schedule, clients: clients.filter((other) => other !== client) }];
  }
  for (const fault of faults)
    yield [`without a ${fault.kind}`, { ...schedule, faults: faults.filter((other) => other !== fault) }];
  for (const name of Object.keys(rates) as (keyof Rates)[]) {
    const rate = rates[name];
    if (rate === 0) continue;
    yield [`without ${name}`, { ...schedule, rates: { ...rates, [name]: 0 } }];
    if (rate > 0.005) yield [`half of ${name}`, { ...schedule, rates: { ...rates, [name]: rate / 2 } }];
  }
  for (const client of clients) {
    if (client.upgradesAt === undefined) continue;
    const polling = { connectsAt: client.connectsAt };
    yield [
      "without an upgrade",
      { ...schedule, clients: clients.map((other) => (other === client ? polling : other)) },
    ];
  }
  for (const fault of faults) {
    if (fault.kind !== "storeAway" || fault.losesOnReturn === undefined) continue;
    const { losesOnReturn: _, ...whole } = fault;
    yield ["without a loss of data", { ...schedule, faults: faults.map((other) => (other === fault ? whole : other)) }];
  }
  const { messages, pushes } = schedule;
  if (messages > 1) yield ["half of the messages", { ...schedule, messages: Math.floor(messages / 2) }];
  if (pushes > 0) yield ["half of the pushes", { ...schedule, pushes: Math.floor(pushes / 2) }];
  for (const fault of faults) {
    if (!("lasts" in fault) || fault.lasts < 200) continue;
    const shorter: Fault = { ...fault, lasts: fault.lasts / 2 };
    yield [
      `half of a ${fault.kind}`,
      { ...schedule, faults: faults.map((other) => (other === fault ? shorter : other)) },
    ];
  }
}
