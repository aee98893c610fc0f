import type { Clock, Timer } from "../../time/clock";

/** Something that waits for an answer of Redis. */
export interface Waiting {
  /** Whether it was answered. */
  readonly done: boolean;
  onLate(): void;
}

interface Entry {
  readonly waiting: Waiting;
  readonly at: number;
}

/**
 * Answers what Redis does not answer in time. All wait equally long, so they end in the order in which they began: one
 * timer for the oldest does for all.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #after: number;
  #entries: Entry[] = [];
  #head = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, after: number) {
    this.#clock = clock;
    this.#after = after;
  }

  add(waiting: Waiting): void {
    this.#dropDone();
    this.#entries.push({ waiting, at: this.#clock.now() + this.#after });
    // The socket that an answer comes over keeps the process alive, not this.
    this.#timer ??= this.#clock.afterUnref(this.#after, this.#onTimer);
  }

  /** Ends the wait of all, now. */
  close(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    const entries = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    for (const { waiting } of entries) if (!waiting.done) waiting.onLate();
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    const now = this.#clock.now();
    for (let entry = this.#oldest(); entry !== undefined && entry.at <= now; entry = this.#oldest()) {
      this.#head++;
      entry.waiting.onLate();
    }
    const next = this.#oldest();
    if (next !== undefined) this.#timer = this.#clock.afterUnref(Math.max(next.at - now, 1), this.#onTimer);
  };

  #oldest(): Entry | undefined {
    this.#dropDone();
    return this.#entries[this.#head];
  }

  #dropDone(): void {
    while (this.#entries[this.#head]?.waiting.done === true) this.#head++;
    if (this.#head === this.#entries.length) {
      this.#entries.length = 0;
      this.#head = 0;
    } else if (this.#head > 1_024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }
}
