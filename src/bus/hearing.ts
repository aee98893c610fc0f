import type { Clock } from "../time/clock";

/** Whether a node hears the others, or may be cut off from all of them. */
export class Hearing {
  readonly #clock: Clock;
  readonly #silence: number;
  #heardAt = 0;
  #deafUntil = Number.NEGATIVE_INFINITY;

  /** `silence`: a node that hears nobody for so many milliseconds may be cut off. */
  constructor(clock: Clock, silence: number) {
    this.#clock = clock;
    this.#silence = silence;
  }

  /** Something came. */
  heard(now: number): void {
    if (now - this.#heardAt > this.#silence) this.#deafUntil = now;
    this.#heardAt = now;
  }

  /** The connection was broken until now. */
  reconnected(): void {
    this.#deafUntil = this.#clock.now();
  }

  /** Whether nobody was heard at some time in the last `ms` milliseconds. */
  wasDeaf(ms: number): boolean {
    const now = this.#clock.now();
    return now - this.#heardAt > this.#silence || now - this.#deafUntil < ms;
  }
}
