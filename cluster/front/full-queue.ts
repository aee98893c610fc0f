import type { Clock } from "../../src/time/clock";

/** In milliseconds. Thousands that try again every ten leave the front no time for anything else. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 640;

/** Whether it is what the system says of a unix socket whose accept queue is full. */
export function isQueueFull({ code, syscall }: NodeJS.ErrnoException): boolean {
  return code === "EAGAIN" && syscall === "connect";
}

/** How long to wait before workers are asked again whose accept queues were full, about: twice as long each time. */
export class FullPause {
  #next = FIRST_PAUSE;

  next(clock: Clock): number {
    const pause = this.#next;
    this.#next = Math.min(2 * pause, LONGEST_PAUSE);
    return pause * (0.5 + clock.random());
  }
}
