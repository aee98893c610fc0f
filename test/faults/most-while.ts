import { setTimeout as sleep } from "node:timers/promises";
import type { NodeAccount } from "../helpers/cluster";

const LOOK_EVERY = 50;

/** The most that any node had of anything while something went on: what waits there, what it keeps, and its memory. */
export async function mostWhile<T>(
  accounts: () => Promise<readonly NodeAccount[]>,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly seen: Readonly<Record<string, number>> }> {
  const seen: Record<string, number> = {};
  let over = false;
  const working = work().finally(() => (over = true));
  // It is awaited below, behind the last look.
  working.catch(() => undefined);
  const isOver = (): boolean => over;
  while (!isOver()) {
    for (const { stats, rss } of await accounts()) {
      const { requests = Infinity, bodyBytes = Infinity, sends = Infinity, sizes = {} } = stats ?? {};
      for (const [name, value] of Object.entries({ requests, bodyBytes, waitingSends: sends, rss, ...sizes })) {
        seen[name] = Math.max(seen[name] ?? 0, value);
      }
    }
    await sleep(LOOK_EVERY);
  }
  return { result: await working, seen };
}
