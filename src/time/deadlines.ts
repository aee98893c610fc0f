import type { Clock } from "./clock";
import { DeadlineQueue, type Ticket } from "./deadline-queue";

/** A queue of deadlines whose entries are taken out by themselves, not by a ticket. Adding one again moves its deadline. */
export class Deadlines<Entry> {
  readonly #queue: DeadlineQueue<Entry>;
  readonly #tickets = new Map<Entry, Ticket<Entry>>();

  constructor(clock: Clock, ms: number, expired: (entry: Entry) => void) {
    this.#queue = new DeadlineQueue(clock, ms, (entry) => {
      this.#tickets.delete(entry);
      expired(entry);
    });
  }

  get size(): number {
    return this.#tickets.size;
  }

  has(entry: Entry): boolean {
    return this.#tickets.has(entry);
  }

  add(entry: Entry): void {
    this.remove(entry);
    this.#tickets.set(entry, this.#queue.add(entry));
  }

  remove(entry: Entry): void {
    const ticket = this.#tickets.get(entry);
    if (ticket === undefined) return;
    this.#tickets.delete(entry);
    this.#queue.remove(ticket);
  }

  stop(): void {
    this.#queue.stop();
    this.#tickets.clear();
  }
}
