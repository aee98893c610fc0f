import type { Load } from "../telemetry/load";
import type { Clock } from "../time/clock";

/** What all bodies together may take, of the engine's options; read each time. */
export interface BodyLimits {
  readonly bodyBytes: number;
  readonly bodyTimeout: number;
}

/** A body that is being read, as the list of all knows it. */
export interface BeingRead {
  previous: BeingRead | undefined;
  next: BeingRead | undefined;
  /** The round in which it began. */
  round: number;
  /** It took too long. */
  onTooSlow(): void;
}

/** A body that takes too long is found within this part of the time that it may take. */
const ROUNDS = 4;

/**
 * The bodies that are being read in this process: how much they hold together, and which of them take too long.
 *
 * The list is made of the readers themselves, and looked at from time to time: nothing is allocated for a body, no
 * clock is read and no timer set, since nearly all of them are whole a moment later.
 */
export class Bodies {
  readonly load: Load;
  readonly #limits: BodyLimits;
  readonly #clock: Clock;
  #head: BeingRead | undefined;
  #tail: BeingRead | undefined;
  #round = 0;
  #waiting = false;

  constructor(clock: Clock, load: Load, limits: BodyLimits) {
    this.#clock = clock;
    this.load = load;
    this.#limits = limits;
  }

  /** Whether so many bytes more can be taken. */
  hasRoomFor(bytes: number): boolean {
    return this.load.bodyBytes + bytes <= this.#limits.bodyBytes;
  }

  add(body: BeingRead): void {
    const tail = this.#tail;
    body.round = this.#round;
    body.previous = tail;
    if (tail === undefined) this.#head = body;
    else tail.next = body;
    this.#tail = body;
    if (!this.#waiting) this.#wait();
  }

  remove(body: BeingRead): void {
    const { previous, next } = body;
    if (previous !== undefined) previous.next = next;
    else if (this.#head === body) this.#head = next;
    else return;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    body.previous = undefined;
    body.next = undefined;
  }

  #wait(): void {
    this.#waiting = true;
    this.#clock.afterUnref(Math.max(1, this.#limits.bodyTimeout / ROUNDS), this.#look);
  }

  readonly #look = (): void => {
    this.#waiting = false;
    this.#round++;
    // One that began within a round has not had the whole of it.
    for (let head = this.#head; head !== undefined && this.#round - head.round > ROUNDS; head = this.#head) {
      this.remove(head);
      head.onTooSlow();
    }
    if (this.#head !== undefined) this.#wait();
  };
}
