/** Counts of what a node does: cheap to raise, read as a plain object. */
export class Counters {
  readonly #counts = new Map<string, number>();

  /** Raises `name`, or `name.label`. */
  count(name: string, label?: string): void {
    const key = label === undefined ? name : `${name}.${label}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  read(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
