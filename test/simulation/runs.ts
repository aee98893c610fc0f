import { availableParallelism } from "node:os";

/** Runs of processes, one for each key: all are begun when the first is asked for, as many at a time as there are processors. */
export class Runs<Key, Result> {
  readonly #keys: readonly Key[];
  readonly #run: (key: Key) => Promise<Result>;
  readonly #results = new Map<Key, Promise<Result>>();
  readonly #waiting: (() => void)[] = [];
  #free = Math.min(2, availableParallelism());

  constructor(keys: readonly Key[], run: (key: Key) => Promise<Result>) {
    this.#keys = keys;
    this.#run = run;
  }

  of(key: Key): Promise<Result> {
    if (this.#results.size === 0) {
      for (const each of this.#keys) {
        const result = this.#inTurn(each);
        // Its own test tells.
        result.catch(() => undefined);
        this.#results.set(each, result);
      }
    }
    return this.#results.get(key) ?? this.#inTurn(key);
  }

  async #inTurn(key: Key): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#run(key);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
