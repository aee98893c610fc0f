import type { Clock, Timer } from "../time/clock";

/**
 * One deadline each for any number of entries, all equally far away: a queue in order of arrival with one timer at its
 * head, whatever the number of entries. Adding an entry again moves its deadline.
 */
export class Deadlines<Entry> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #expired: (entry: Entry) => void;
  readonly #due = new Map<Entry, number>();
  #timer: Timer | undefined;
  /** Entries are being called: the timer is set afterwards, for the one that is next then. */
  #calling = false;

  constructor(clock: Clock, ms: number, expired: (entry: Entry) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#expired = expired;
  }

  get size(): number {
    return this.#due.size;
  }

  has(entry: Entry): boolean {
    return this.#due.has(entry);
  }

  add(entry: Entry): void {
    // A Map keeps the order of insertion; deleting first makes "again" mean "at the end".
    this.#due.delete(entry);
    this.#due.set(entry, this.#clock.now() + this.#ms);
    if (this.#timer === undefined && !this.#calling) this.#arm(this.#ms);
  }

  remove(entry: Entry): void {
    // A timer that finds nothing costs less than one that is stopped and started with every lone request.
    this.#due.delete(entry);
  }

  stop(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#due.clear();
  }

  #arm(ms: number): void {
    this.#timer = this.#clock.afterUnref(ms, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    // The runtime's timers can fire a fraction of a millisecond early.
    const now = this.#clock.now() + 1;
    this.#calling = true;
    for (const [entry, deadline] of this.#due) {
      if (deadline > now) break;
      this.#due.delete(entry);
      try {
        this.#expired(entry);
      } catch (error) {
        // An application's listener that threw must not stop everybody's clock.
        this.#clock.defer(() => {
          throw error;
        });
      }
    }
    this.#calling = false;
    for (const deadline of this.#due.values()) {
      this.#arm(Math.max(0, deadline - this.#clock.now()));
      break;
    }
  };
}
