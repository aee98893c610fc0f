/** The newest names, at least `capacity` of them, with a look-up. */
export class Ring {
  readonly #capacity: number;
  readonly #names: Set<string>;

  constructor(capacity: number, names: readonly string[] = []) {
    this.#capacity = capacity;
    this.#names = new Set(names);
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
    for (const oldest of this.#names) {
      this.#names.delete(oldest);
      break;
    }
  }

  list(): string[] {
    return [...this.#names];
  }
}
