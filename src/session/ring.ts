/** So many names are kept at most, however fast they come: a session's memory has a bound. */
const MOST = 4096;

/**
 * The newest names with a look-up: at least `capacity` of them, and all that came in the last `cover` milliseconds (H6): what
 * is asked again within that time is known, also of a client in a hurry.
 */
export class Ring {
  readonly #capacity: number;
  readonly #cover: number;
  readonly #names: Set<string>;
  /** When the names came, the oldest at `#first`. Those that a record gave have none: they are as old as they may be. */
  #times: number[] = [];
  #first = 0;
  #untimed: number;
  /** Goes through the names in the order in which they came; what it has passed is removed, so that it is never made anew. */
  readonly #oldest: IterableIterator<string>;

  constructor(capacity: number, cover: number, names: readonly string[] = []) {
    this.#capacity = capacity;
    this.#cover = cover;
    this.#names = new Set(names);
    this.#untimed = this.#names.size;
    this.#oldest = this.#names.values();
  }

  get size(): number {
    return this.#names.size;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string, now: number): void {
    const { size } = this.#names;
    this.#names.add(name);
    if (this.#names.size === size) return;
    this.#times.push(now);
    // At most two for each that comes: what a burst has left goes bit by bit.
    if (this.#dropOldest(now)) this.#dropOldest(now);
  }

  list(): string[] {
    return [...this.#names];
  }

  #dropOldest(now: number): boolean {
    const { size } = this.#names;
    if (size <= this.#capacity) return false;
    const time = this.#untimed > 0 ? Number.NEGATIVE_INFINITY : (this.#times[this.#first] ?? now);
    if (now - time < this.#cover && size <= MOST) return false;
    const oldest = this.#oldest.next();
    if (oldest.done === true) return false;
    this.#names.delete(oldest.value);
    if (this.#untimed > 0) this.#untimed--;
    else if (++this.#first > 256 && this.#first * 2 > this.#times.length) {
      this.#times = this.#times.slice(this.#first);
      this.#first = 0;
    }
    return true;
  }
}
