/** After so long in service a crash counts as the first one again. */
const HEALTHY_AFTER = 10_000;
const FIRST_DELAY = 100;
const LONGEST_DELAY = 10_000;

/**
 * How long a crashed worker waits before it is started again: not at all at first, since one that had been well should
 * be back as soon as possible, then twice as long each time, so that one that cannot start does not eat the machine.
 */
export class Restarts {
  #quickCrashes = 0;

  /** The delay before the next start of a worker that lived `uptime` milliseconds. */
  delayAfter(uptime: number): number {
    if (uptime >= HEALTHY_AFTER) this.#quickCrashes = 0;
    const crashes = this.#quickCrashes++;
    return crashes === 0 ? 0 : Math.min(FIRST_DELAY * 2 ** (crashes - 1), LONGEST_DELAY);
  }
}
