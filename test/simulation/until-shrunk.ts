import { runHistory, type Outcome } from "./history";
import { scheduleOf } from "./profiles";
import type { Schedule } from "./schedule";
import { shrink } from "./shrink";

/** A history that failed, and how. */
export interface Failure {
  readonly schedule: Schedule;
  readonly violation: string | undefined;
}

/** What became of the first history that failed. */
export interface Shrunk {
  readonly found: Failure;
  readonly smallest: Failure;
  /** What was left out on the way. */
  readonly steps: readonly string[];
  /** The smallest one, given to be shrunk. */
  readonly again: Failure;
}

function failureOf({ schedule, violations }: Outcome): Failure {
  return { schedule, violation: violations[0] };
}

/** Arguments: the first seed, how many at most, and the profile. Says on standard output what became of the first that failed. */
function main(): void {
  const [first = "1", seeds = "1", profile] = process.argv.slice(2);
  for (let seed = Number(first); seed < Number(first) + Number(seeds); seed++) {
    const found = runHistory(scheduleOf(seed, profile));
    if (found.violations.length === 0) continue;
    const steps: string[] = [];
    const smallest = shrink(found.schedule, (step) => steps.push(step));
    const again = shrink(smallest.schedule, () => undefined);
    const shrunk: Shrunk = {
      found: failureOf(found),
      smallest: failureOf(smallest),
      steps,
      again: failureOf(again),
    };
    process.stdout.write(JSON.stringify(shrunk));
    return;
  }
  throw new Error("no history failed");
}

setImmediate(main);
