import type { Clock } from "../time/clock";

/** Whether a node hears the others, or may have missed what one of them would have told. */
export class Hearing {
  readonly #clock: Clock;
  readonly #silence: number;
  readonly #long: number;
  #heardAt: number | undefined;
  #deafUntil = Number.NEGATIVE_INFINITY;

  /**
   * `silence`: who is not heard for so many milliseconds is cut off, or stands still. `long`: a node that heard nobody for so many
   * was cut off itself, and others may have taken it for dead.
   */
  constructor(clock: Clock, silence: number, long: number) {
    this.#clock = clock;
    this.#silence = silence;
    this.#long = long;
  }

  /**
   * Something came, from one who was last heard at `before`; undefined where it was not known, or was forgotten. Returns whether
   * nobody was heard for a long time before it.
   */
  heard(now: number, before: number | undefined): boolean {
    if (before === undefined || now - before > this.#silence) this.#deafUntil = now;
    const wasDeaf = this.#heardAt !== undefined && now - this.#heardAt > this.#long;
    this.#heardAt = now;
    return wasDeaf;
  }

  /**
   * A message was lost, or the connection was broken until now; or somebody says that the store does not answer, and cannot find out
   * whom to tell what.
   */
  missed(): void {
    this.#deafUntil = this.#clock.now();
  }

  /** Whether at some time in the last `ms` milliseconds nobody was heard, or somebody was not who is heard again, or something was missed. */
  wasDeaf(ms: number): boolean {
    const now = this.#clock.now();
    return now - (this.#heardAt ?? 0) > this.#silence || now - this.#deafUntil < ms;
  }
}
