import type { Clock, Timer } from "../../src/time/clock";

interface Entry extends Timer {
  readonly due: number;
  readonly run: () => void;
}

/** A clock that stands still until a test turns it. */
export class HandClock implements Clock {
  /** What `random` says. */
  chance = 0.5;
  #now = 1000;
  #deferred: (() => void)[] = [];
  readonly #timers: Entry[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    const entry: Entry = {
      due: this.#now + Math.max(0, ms),
      run,
      stop: () => {
        const at = this.#timers.indexOf(entry);
        if (at >= 0) this.#timers.splice(at, 1);
      },
    };
    this.#timers.push(entry);
    return entry;
  }

  afterUnref(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  random(): number {
    return this.chance;
  }

  get timers(): number {
    return this.#timers.length;
  }

  /** Ends the current tick, and those that follow from it, without time going on. */
  settle(): void {
    for (let rounds = 0; this.#deferred.length > 0; rounds++) {
      if (rounds > 10_000) throw new Error("the deferred work never ends");
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const run of deferred) run();
    }
  }

  /** Lets time pass, with all timers that are due on the way, each in a tick of its own. */
  advance(ms: number): void {
    const end = this.#now + ms;
    this.settle();
    for (;;) {
      const next = this.#timers.reduce<Entry | undefined>(
        (first, entry) => (entry.due <= end && (first === undefined || entry.due < first.due) ? entry : first),
        undefined,
      );
      if (next === undefined) break;
      next.stop();
      this.#now = Math.max(this.#now, next.due);
      next.run();
      this.settle();
    }
    this.#now = end;
  }
}
