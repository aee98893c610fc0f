import type { Clock } from "../time/clock";
import { pauseUnref } from "../time/pause";

/** So many sessions are looked at at a time, with a pause between: a takeover in bulk must not hold up what goes on. */
export const AT_A_TIME = 50;
/** In milliseconds. */
const PAUSE = 20;

/** Between the sessions looked at and the next. */
export function pauseBetween(clock: Clock): Promise<void> {
  return pauseUnref(clock, PAUSE);
}

/** All of them, a few at a time. */
export async function* inBulk<Entry>(
  clock: Clock,
  all: readonly Entry[],
  atATime = AT_A_TIME,
): AsyncGenerator<readonly Entry[]> {
  for (let from = 0; from < all.length; from += atATime) {
    yield all.slice(from, from + atATime);
    await pauseBetween(clock);
  }
}
