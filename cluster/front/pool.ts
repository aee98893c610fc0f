import { Agent } from "node:http";
import type { Clock, Timer } from "../../src/time/clock";

/** A worker that takes requests. */
export interface Upstream {
  readonly name: string;
  /** Path of its unix socket. */
  readonly path: string;
  readonly agent: Agent;
  /** Requests that it has and that another worker may have too. */
  readonly held: Set<Held>;
}

/** A request that a worker has. */
export interface Held {
  onStall(): void;
}

/** Somebody who waits for a worker. */
export interface Waiter {
  stop(): void;
}

/** Idle connections that are kept to one worker. */
const MAX_IDLE_CONNECTIONS = 1024;
/** Requests that may wait for a worker at one time; more are refused at once. */
const MAX_WAITING = 10_000;

/** The workers that are ready, taken in turn, and who waits for one to become so. */
export class Pool {
  readonly #clock: Clock;
  #ready: Upstream[] = [];
  #next = 0;
  #stopped = false;
  readonly #waiting = new Set<Waiting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#ready.length;
  }

  add(name: string, path: string): void {
    this.remove(name);
    // Last in, first out: few connections stay busy, and the others get old enough to be closed.
    const agent = new Agent({ keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, scheduling: "lifo" });
    this.#ready.push({ name, path, agent, held: new Set() });
    this.#release(true);
  }

  /** No new requests go to it. Those that are there are left to it: a worker that drains answers them. */
  remove(name: string): void {
    this.#ready = this.#ready.filter((upstream) => upstream.name !== name);
  }

  /** It takes connections and answers nothing: its requests go elsewhere, if they may. */
  stall(name: string): void {
    const stalled = this.#ready.find((upstream) => upstream.name === name);
    this.remove(name);
    for (const held of [...(stalled?.held ?? [])]) held.onStall();
  }

  /** The next worker that is not among `tried`. */
  take(tried: readonly Upstream[]): Upstream | undefined {
    const count = this.#ready.length;
    for (let i = 0; i < count; i++) {
      const at = (this.#next + i) % count;
      const upstream = this.#ready[at];
      if (upstream === undefined || tried.includes(upstream)) continue;
      this.#next = at + 1;
      return upstream;
    }
    return undefined;
  }

  /** Calls `done` when a worker has become ready, or with false when none did within `ms`. Never during the call. */
  wait(ms: number, done: (ready: boolean) => void): Waiter {
    const allowed = !this.#stopped && this.#waiting.size < MAX_WAITING;
    const waiting = new Waiting(this.#clock, allowed ? Math.max(0, ms) : 0, this.#waiting, done);
    this.#waiting.add(waiting);
    return waiting;
  }

  /** No worker will become ready any more. */
  stop(): void {
    this.#stopped = true;
    this.#release(false);
  }

  #release(ready: boolean): void {
    for (const waiting of [...this.#waiting]) waiting.end(ready);
  }
}

class Waiting implements Waiter {
  readonly #timer: Timer;
  readonly #all: Set<Waiting>;
  readonly #done: (ready: boolean) => void;

  constructor(clock: Clock, ms: number, all: Set<Waiting>, done: (ready: boolean) => void) {
    this.#all = all;
    this.#done = done;
    this.#timer = clock.after(ms, () => {
      this.end(false);
    });
  }

  stop(): void {
    this.#timer.stop();
    this.#all.delete(this);
  }

  end(ready: boolean): void {
    this.stop();
    this.#done(ready);
  }
}
