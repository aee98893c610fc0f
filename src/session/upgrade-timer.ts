import type { Timer } from "../time/clock";

/** What a try to upgrade waits for. */
export interface UpgradeTimers {
  readonly timeout: Timer;
  readonly release: Timer | undefined;
}

/** A timer of a try to upgrade, with a method of the runtime's timers. `clearTimeout` does not know it: call `close`. */
export class UpgradeTimer {
  readonly #timer: Timer;

  constructor(timer: Timer) {
    this.#timer = timer;
  }

  close(): this {
    this.#timer.stop();
    return this;
  }

  /** It never keeps the process alive. */
  hasRef(): boolean {
    return false;
  }
}
