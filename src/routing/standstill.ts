import type { Clock, Timer } from "../time/clock";

/** How often a node looks whether it has stood still, in milliseconds. */
const LOOK = 500;
/** For so long behind a standstill requests may be old, and wait for so long before they are handled. */
const PAUSE = 100;

/**
 * Whether this process has just stood still for longer than owners are sure to remember requests (H6): paused, or in an endless
 * loop. What it reads then may be a request that its balancer gave up long ago and had handled elsewhere. The end of such a
 * connection lies right behind the request: so each waits a moment, and is dropped where its connection turns out closed.
 */
export class Standstill {
  readonly #clock: Clock;
  readonly #cover: number;
  #looked: number;
  #woke = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock, cover: number) {
    this.#clock = clock;
    this.#cover = cover;
    this.#looked = clock.now();
  }

  start(): void {
    this.#looked = this.#clock.now();
    this.#again();
  }

  stop(): void {
    this.#timer?.stop();
  }

  /** How long a request is to wait before it is handled, in milliseconds; nearly always 0. */
  get pause(): number {
    return this.#clock.now() - this.#woke < PAUSE ? PAUSE : 0;
  }

  // The runtime runs timers that are due before it reads anything: this is called before the first old request.
  readonly #look = (): void => {
    const now = this.#clock.now();
    if (now - this.#looked > this.#cover) this.#woke = now;
    this.#looked = now;
    this.#again();
  };

  #again(): void {
    this.#timer = this.#clock.afterUnref(LOOK, this.#look);
  }
}
