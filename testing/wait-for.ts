import { setTimeout as sleep } from "node:timers/promises";

const PAUSE_MS = 10;

/**
 * Asks until the answer is neither `undefined` nor `false`, and returns it; after `withinMs` it fails, and says what
 * was waited for and why the last attempt, if it threw, did.
 */
export async function waitFor<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  withinMs = 15_000,
): Promise<T> {
  const end = performance.now() + withinMs;
  let cause: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      cause = undefined;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) {
      // Not every reporter shows the cause.
      const why = cause instanceof Error ? `: ${cause.message}` : "";
      throw new Error(`waited ${withinMs} ms in vain for ${what}${why}`, { cause });
    }
    await sleep(PAUSE_MS);
  }
}
