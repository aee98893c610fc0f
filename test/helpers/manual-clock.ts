import type { Clock, Timer } from "../../src/time/clock";

interface Armed {
  readonly at: number;
  readonly run: () => void;
}

/** A clock that a test turns by hand. Ticks end as in the runtime; timers run only inside `advance`. */
export class ManualClock implements Clock {
  #now = 1_000;
  readonly #armed = new Set<Armed>();

  /** Timers that were started and have neither run nor been stopped. */
  get timers(): number {
    return this.#armed.size;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const armed = { at: this.#now + ms, run };
    this.#armed.add(armed);
    return { stop: () => void this.#armed.delete(armed) };
  }

  afterUnref(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  defer(run: () => void): void {
    setImmediate(run);
  }

  random(): number {
    return 0.5;
  }

  /** This clock as plain functions, for a test that replaces one of them. */
  port(): Clock {
    return {
      now: () => this.now(),
      after: (ms, run) => this.after(ms, run),
      afterUnref: (ms, run) => this.afterUnref(ms, run),
      defer: (run) => this.defer(run),
      random: () => this.random(),
    };
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      let next: Armed | undefined;
      for (const armed of this.#armed)
        if (armed.at <= until && (next === undefined || armed.at < next.at)) next = armed;
      if (next === undefined) break;
      this.#armed.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
    }
    this.#now = until;
  }
}
