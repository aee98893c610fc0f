import type { Clock, Timer } from "../time/clock";

/**
 * How long a request that may be old waits before it is handled, in milliseconds: the rest of a body that filled the connection's
 * buffers comes over the network only when there is room, and the end in a packet of its own.
 */
const PAUSE = 100;
/** The end of a new connection is read in the third turn of the event loop behind the one in which it came, at the latest. */
const TURNS = 3;
/** How often a node looks, within the time that counts as a standstill: so much too long may the time between two looks be. */
const LOOKS = 4;

/**
 * Whether this process has just stood still, so that what it reads may be older than what owners are sure to remember (H6): it was
 * paused, or in an endless loop. Such a request may be one that its balancer gave up long ago and had handled elsewhere. The end
 * of its connection lies right behind it: so each waits until that would have been read, and is dropped where it was.
 *
 * A request comes, its connection is accepted, it is read: three turns of the loop. While none takes longer than a third of what
 * owners cover, nothing that is read is too old. One that did is noticed by the first look behind it. From then on all that came
 * before is read within two turns, and so within that cover, or there is another standstill. All requests of that time wait,
 * since nobody knows which of them came before. Pauses of the collector are far from it: with the default lease, of 5 s, one
 * would have to take 1.25 s at least.
 */
export class Standstill {
  readonly #clock: Clock;
  readonly #cover: number;
  readonly #most: number;
  #looked: number;
  #woke = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;

  constructor(clock: Clock, cover: number) {
    this.#clock = clock;
    this.#cover = cover;
    this.#most = cover / TURNS;
    this.#looked = clock.now();
  }

  start(): void {
    this.#looked = this.#clock.now();
    this.#again();
  }

  stop(): void {
    this.#timer?.stop();
  }

  /** How long a request is to wait before it is handled, in milliseconds, and then `behindStandstill`; nearly always 0. */
  get pause(): number {
    const now = this.#clock.now();
    // Whoever was stopped in the middle of a turn goes on with what was to be read in it, before any timer runs.
    if (now - this.#looked > this.#most) this.#notice(now);
    return now - this.#woke < this.#cover ? PAUSE : 0;
  }

  #notice(now: number): void {
    if (now - this.#looked > this.#most) this.#woke = now;
    this.#looked = now;
  }

  // Else the runtime runs timers that are due before it reads anything: this is called before the first old request.
  readonly #look = (): void => {
    this.#notice(this.#clock.now());
    this.#again();
  };

  #again(): void {
    this.#timer = this.#clock.afterUnref(this.#most / LOOKS, this.#look);
  }
}

/**
 * Runs what is to be done with a request that waits for `pause` behind a standstill, when the end of its connection was read if it was
 * there. No time alone says so: where thousands of requests have come, the turn of the loop that reads them takes longer than any
 * pause, and the timers at its end run before the next turn reads what is behind them. What was put off by a timer runs
 * behind that reading.
 */
export function behindStandstill(clock: Clock, pause: number, run: () => void): void {
  clock.after(pause, () => {
    clock.defer(run);
  });
}
