/** A timer that was started and can be stopped. Stopping it twice, or after it ran, does nothing. */
export interface Timer {
  stop(): void;
}

/**
 * Time and chance as a port. Nothing outside of `time/runtime-clock.ts` calls the runtime's timers or reads its
 * clock, so that a whole cluster runs under a virtual clock with a seeded schedule.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin; never goes back. Not comparable between processes. */
  now(): number;
  /** Calls `run` once, `ms` milliseconds from now or later. Keeps the process alive until then. */
  after(ms: number, run: () => void): Timer;
  /** As `after`, but the process may end before the timer does. */
  afterUnref(ms: number, run: () => void): Timer;
  /**
   * Calls `run` once, when the microtasks and nextTicks of the current event have run and the other events of
   * this turn of the event loop have been seen: the end of a tick.
   */
  defer(run: () => void): void;
  /** A number in [0, 1). Seeded under a virtual clock; never used where a secret is needed. */
  random(): number;
}
