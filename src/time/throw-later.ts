import type { Clock } from "./clock";

/** Throws what a listener threw as if out of an event of its own: whoever called it goes on with what is others'. */
export function throwLater(clock: Clock, error: unknown): void {
  clock.defer(() => {
    throw error;
  });
}

/** Runs an application's listeners; what they throw is not to keep the caller from what it has to do. */
export function runApart(clock: Clock, listeners: () => void): void {
  try {
    listeners();
  } catch (error) {
    throwLater(clock, error);
  }
}
