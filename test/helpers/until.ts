import { setTimeout as sleep } from "node:timers/promises";

/** Waits for a condition, and fails with what was waited for when it does not come true. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 15_000): Promise<void> {
  const end = Date.now() + withinMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited ${withinMs} ms in vain until ${what}`);
    await sleep(2);
  }
}
