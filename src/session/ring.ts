/** The newest names, at least `capacity` of them, with a look-up. */
export class Ring {
  readonly #capacity: number;
  readonly #names: Set<string>;
  /** Goes through the names in the order in which they came; what it has passed is removed, so that it is never made anew. */
  readonly #oldest: IterableIterator<string>;

  constructor(capacity: number, names: readonly string[] = []) {
    this.#capacity = capacity;
    this.#names = new Set(names);
    this.#oldest = this.#names.values();
  }

  get capacity(): number {
    return this.#capacity;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
    if (this.#names.size <= this.#capacity) return;
    const oldest = this.#oldest.next();
    if (oldest.done !== true) this.#names.delete(oldest.value);
  }

  list(): string[] {
    return [...this.#names];
  }
}
