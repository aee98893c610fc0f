import type { Clock, Timer } from "./clock";
import { EventQueue } from "./event-queue";

/** Something that is due, of a process or of nobody. Its own timer, so that each start of one makes a single object. */
class Event implements Timer {
  /** None: it was stopped; or, of a process, has run. */
  run: (() => void) | undefined;
  readonly #process: VirtualProcess | undefined;

  constructor(run: () => void, process: VirtualProcess | undefined) {
    this.run = run;
    this.#process = process;
  }

  fire(): void {
    if (this.#process === undefined) this.run?.();
    else this.#process.due(this);
  }

  stop(): void {
    if (this.run === undefined) return;
    this.run = undefined;
    this.#process?.stopped();
  }
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
  readonly #events = new EventQueue<Event>();
  #now = 0;

  constructor(seed: number) {
    this.random = seeded(seed);
  }

  get now(): number {
    return this.#now;
  }

  /** When the next event is due; undefined when nothing will ever happen again. */
  get next(): number | undefined {
    return this.#events.next;
  }

  /** The clock of one simulated process. */
  process(): VirtualProcess {
    return new VirtualProcess(this);
  }

  /** Runs the next event. The caller lets microtasks run before it takes another step. */
  step(): boolean {
    const { next } = this.#events;
    if (next === undefined) return false;
    this.#now = Math.max(this.#now, next);
    this.#events.take()?.fire();
    return true;
  }

  /** @internal */
  schedule(ms: number, run: () => void, process?: VirtualProcess): Timer {
    const event = new Event(run, process);
    this.#events.add(this.#now + Math.max(0, ms), event);
    return event;
  }
}

/**
 * One simulated process: its clock, and the door by which things reach it. It can be killed, and paused as by SIGSTOP: then
 * nothing of it runs, and what comes waits at the door.
 */
export class VirtualProcess implements Clock {
  readonly #time: VirtualTime;
  #dead = false;
  #paused = false;
  #pending = 0;
  /** Timers that came due while it was paused. */
  #overdue: Event[] = [];
  /** What came while it was paused. */
  #queue: (() => void)[] = [];
  /** How much of what came while it was paused has not been read yet, and when the last of it will have been. */
  #unread = 0;
  #readBy = 0;

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
    this.#pending++;
    return this.#time.schedule(ms, run, this);
  }

  afterUnref(ms: number, run: () => void): Timer {
    return this.after(ms, run);
  }

  defer(run: () => void): void {
    this.after(0, run);
  }

  /** Timers that were started, and have neither run nor been stopped. */
  get pending(): number {
    return this.#pending;
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether something that comes from outside now is handled at once; then who has it may do without `deliver`. */
  get reads(): boolean {
    return !this.#dead && !this.#paused && this.#unread === 0;
  }

  /** Something comes from outside: it is handled at once, or in its turn when the process goes on. */
  deliver(run: () => void): void {
    if (this.#dead) return;
    // Behind what is not read yet, also where the process stands still again.
    if (this.#unread > 0) this.#read(this.#readBy, run);
    else if (this.#paused) this.#queue.push(run);
    else run();
  }

  /** As `kill -9`: nothing of this process runs any more. */
  kill(): void {
    this.#dead = true;
    this.#overdue = [];
    this.#queue = [];
  }

  /** As `kill -STOP`. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * As `kill -CONT`. As in the runtime's event loop, timers that are due run before anything is read. What is there is read in
   * its order, but not always in one turn of the loop.
   */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const event of this.#overdue.splice(0)) {
      this.#time.schedule(0, () => {
        this.due(event);
      });
    }
    let at = Math.max(this.#time.now, this.#readBy);
    for (const run of this.#queue.splice(0)) {
      if (this.random() < NEXT_TURN) at += this.random();
      this.#read(at, run);
    }
  }

  #read(at: number, run: () => void): void {
    this.#unread++;
    this.#readBy = at;
    this.#time.schedule(at - this.#time.now, () => {
      this.#unread--;
      if (this.#dead) return;
      if (this.#paused) this.#queue.push(run);
      else run();
    });
  }

  /** @internal Its time has come. */
  due(event: Event): void {
    const { run } = event;
    if (this.#dead || run === undefined) return;
    if (this.#paused) {
      this.#overdue.push(event);
      return;
    }
    event.run = undefined;
    this.#pending--;
    run();
  }

  /** @internal One of its timers was. */
  stopped(): void {
    this.#pending--;
  }
}

/** Chance that what waited is not read together with what came before it. */
const NEXT_TURN = 0.1;
