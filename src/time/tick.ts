import type { Clock } from "./clock";

/** Work that is done once at the end of a tick, however often it was asked for. */
export interface TickWork {
  run(): void;
}

/**
 * The end of a tick, in two phases: first the turns of all sessions that something happened to, then the batches
 * that those turns filled (scripts to the store, frames to other nodes). One pass, so that a turn and the batch that carries it
 * leave in the same turn of the event loop.
 *
 * Work is handed over at most once per tick: the caller keeps its own "already asked" flag and clears it in `run`.
 */
export class Tick {
  readonly #clock: Clock;
  #turns: TickWork[] = [];
  #batches: TickWork[] = [];
  #due = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  turn(work: TickWork): void {
    this.#turns.push(work);
    this.#schedule();
  }

  batch(work: TickWork): void {
    this.#batches.push(work);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#due) return;
    this.#due = true;
    this.#clock.defer(this.#end);
  }

  readonly #end = (): void => {
    // Whatever this pass asks for itself joins the pass: a turn that ends here and starts the next one must not wait
    // for another turn of the loop. A memory store answers in the same pass; hence the loop.
    try {
      while (this.#turns.length > 0 || this.#batches.length > 0) {
        this.#drain("turns");
        this.#drain("batches");
      }
    } finally {
      this.#due = false;
      // An application's listener that threw must not leave the others waiting.
      if (this.#turns.length > 0 || this.#batches.length > 0) this.#schedule();
    }
  };

  #drain(phase: "turns" | "batches"): void {
    const list = phase === "turns" ? this.#turns : this.#batches;
    if (phase === "turns") this.#turns = [];
    else this.#batches = [];
    let done = 0;
    try {
      for (; done < list.length; done++) list[done]?.run();
    } catch (error) {
      const rest = list.slice(done + 1);
      if (phase === "turns") this.#turns = rest.concat(this.#turns);
      else this.#batches = rest.concat(this.#batches);
      throw error;
    }
  }
}
