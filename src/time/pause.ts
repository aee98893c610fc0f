import type { Clock } from "./clock";

/** Resolves `ms` milliseconds from now or later. Keeps the process alive until then. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** As `pause`, but the process may end before. */
export function pauseUnref(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.afterUnref(ms, resolve);
  });
}
