/**
 * What is due, the earliest first, and what is due at the same time in the order in which it was added. A heap whose times lie
 * beside its entries as plain numbers: looked up in the entries, they took twice as long to compare.
 */
export class EventQueue<Entry> {
  #times = new Float64Array(64);
  #orders = new Float64Array(64);
  readonly #entries: Entry[] = [];
  #added = 0;

  /** When the first entry is due. */
  get next(): number | undefined {
    return this.#entries.length === 0 ? undefined : this.#times[0];
  }

  add(time: number, entry: Entry): void {
    const entries = this.#entries;
    let at = entries.push(entry) - 1;
    if (at === this.#times.length) this.#grow();
    const times = this.#times;
    const orders = this.#orders;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = times[parent] ?? 0;
      // Of the same time: what is there was added before.
      if (above <= time) break;
      times[at] = above;
      orders[at] = orders[parent] ?? 0;
      entries[at] = entries[parent] ?? entry;
      at = parent;
    }
    times[at] = time;
    orders[at] = this.#added++;
    entries[at] = entry;
  }

  /** Takes the first entry out. */
  take(): Entry | undefined {
    const entries = this.#entries;
    const first = entries[0];
    const last = entries.pop();
    const size = entries.length;
    if (last === undefined || size === 0) return first;
    const times = this.#times;
    const orders = this.#orders;
    const time = times[size] ?? 0;
    const order = orders[size] ?? 0;
    let at = 0;
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#isBefore(child + 1, times[child] ?? 0, orders[child] ?? 0)) child++;
      if (!this.#isBefore(child, time, order)) break;
      times[at] = times[child] ?? 0;
      orders[at] = orders[child] ?? 0;
      entries[at] = entries[child] ?? last;
      at = child;
    }
    times[at] = time;
    orders[at] = order;
    entries[at] = last;
    return first;
  }

  #isBefore(at: number, time: number, order: number): boolean {
    const own = this.#times[at] ?? 0;
    return own < time || (own === time && (this.#orders[at] ?? 0) < order);
  }

  #grow(): void {
    const { length } = this.#times;
    const times = new Float64Array(2 * length);
    const orders = new Float64Array(2 * length);
    times.set(this.#times);
    orders.set(this.#orders);
    this.#times = times;
    this.#orders = orders;
  }
}
