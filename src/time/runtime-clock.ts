import type { Clock, Timer } from "./clock";

class RuntimeTimer implements Timer {
  readonly #handle: NodeJS.Timeout;

  constructor(handle: NodeJS.Timeout) {
    this.#handle = handle;
  }

  stop(): void {
    clearTimeout(this.#handle);
  }
}

/** The process's own time: the only place that touches the runtime's clock, timers and random numbers. */
export const runtimeClock: Clock = {
  now: () => performance.now(),
  after: (ms, run) => new RuntimeTimer(setTimeout(run, ms)),
  afterUnref: (ms, run) => new RuntimeTimer(setTimeout(run, ms).unref()),
  // setImmediate, not a microtask: it runs after every I/O callback of this turn of the loop, so that the work of
  // many sessions leaves in one batch, and after nextTicks, in which Socket.IO dispatches its events.
  defer: (run) => {
    setImmediate(run);
  },
  random: () => Math.random(),
};

/** Milliseconds since 1970, as everybody else counts them. For what others say of the time; durations are `Clock`'s. */
export function wallTime(): number {
  return Date.now();
}
