import type { Clock, Timer } from "./clock";

interface Event {
  readonly at: number;
  /** Order among events of the same time. */
  readonly order: number;
  run: (() => void) | undefined;
}

/** A pseudo-random sequence (mulberry32): the same seed, the same history. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * Virtual time: it stands still until `step` runs the next event. One for a whole simulated cluster; each
 * simulated process takes a `process()` of it, whose events end with that process.
 */
export class VirtualTime {
  readonly random: () => number;
  readonly #heap: Event[] = [];
  #now = 0;
  #orders = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  get now(): number {
    return this.#now;
  }

  /** When the next event is due; undefined when nothing will ever happen again. */
  get next(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** The clock of one simulated process. */
  process(): VirtualProcess {
    return new VirtualProcess(this);
  }

  /** Runs the next event. The caller lets microtasks run before it takes another step. */
  step(): boolean {
    const event = this.#pop();
    if (event === undefined) return false;
    this.#now = Math.max(this.#now, event.at);
    event.run?.();
    return true;
  }

  /** @internal */
  schedule(ms: number, run: () => void): Timer {
    const event: Event = { at: this.#now + Math.max(0, ms), order: this.#orders++, run };
    this.#push(event);
    return {
      stop: () => {
        event.run = undefined;
      },
    };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(event, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] ?? right)) child++;
      const below = heap[child];
      if (below === undefined || !before(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

/** The clock of one simulated process: it can be killed. */
export class VirtualProcess implements Clock {
  readonly #time: VirtualTime;
  #dead = false;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  now(): number {
    return this.#time.now;
  }

  random(): number {
    return this.#time.random();
  }

  after(ms: number, run: () => void): Timer {
    return this.#time.schedule(ms, () => {
      if (!this.#dead) run();
    });
  }

  afterUnref(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  defer(run: () => void): void {
    this.after(0, run);
  }

  /** As `kill -9`: nothing of this process runs any more. */
  kill(): void {
    this.#dead = true;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
