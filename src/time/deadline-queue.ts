import type { Clock, Timer } from "./clock";
import { throwLater } from "./throw-later";

/** One entry's place in a queue of deadlines, for taking it out again. */
export interface Ticket<Entry> {
  readonly entry: Entry;
  /** On the queue's clock. */
  readonly at: number;
}

class Place<Entry> implements Ticket<Entry> {
  previous: Place<Entry> | undefined;
  next: Place<Entry> | undefined;
  queued = true;

  constructor(
    readonly entry: Entry,
    readonly at: number,
  ) {}
}

/** A timer that fires so much too late, in milliseconds, says that the process stood still. */
const STOOD_STILL = 250;
/** Then so much more time is given, in milliseconds, for what came meanwhile to be read. */
const READ_FIRST = 100;

/**
 * One deadline each for any number of entries, all equally far away: a queue in order of arrival with one timer at its
 * head, whatever the number of entries.
 *
 * A linked list, whose places let go of their neighbours when they leave it. A Map would do the same, but each table
 * that it outgrows points to the next one: once one was old, the collector kept all that any of them had ever held
 * (whole requests) until its next full run, and moved it all first. That was a tenth of the processor's time.
 *
 * A process that stood still runs its timers before it reads anything. What was waited for may have come long ago then, so
 * deadlines that fell into that time are given a moment more: owners that had stood still for longer than `pollGrace` closed
 * sessions whose polls had moved to another node meanwhile. They are given it once: under constant load every timer is so late, and
 * no deadline would ever be over.
 */
export class DeadlineQueue<Entry> {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #expired: (entry: Entry) => void;
  #head: Place<Entry> | undefined;
  #tail: Place<Entry> | undefined;
  #size = 0;
  #timer: Timer | undefined;
  /** When the timer is to fire. */
  #due = 0;
  /** The moment was given, and is over at the next look. */
  #spared = false;
  /** Entries are being called: the timer is set afterwards, for the one that is next then. */
  #calling = false;

  constructor(clock: Clock, ms: number, expired: (entry: Entry) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#expired = expired;
  }

  get size(): number {
    return this.#size;
  }

  /** The one that was added first of those that are still there. */
  get first(): Ticket<Entry> | undefined {
    return this.#head;
  }

  add(entry: Entry): Ticket<Entry> {
    const place = new Place(entry, this.#clock.now() + this.#ms);
    const tail = this.#tail;
    place.previous = tail;
    if (tail === undefined) this.#head = place;
    else tail.next = place;
    this.#tail = place;
    this.#size++;
    if (this.#timer === undefined && !this.#calling) this.#arm(this.#ms);
    return place;
  }

  /** Takes out what `add` gave; nothing where it is out already. */
  remove(ticket: Ticket<Entry>): void {
    // A timer that finds nothing costs less than one that is stopped and started with every lone request.
    if (ticket instanceof Place && ticket.queued) this.#unlink(ticket as Place<Entry>);
  }

  /** Takes all out, and gives them in their order. */
  clear(): Entry[] {
    const entries: Entry[] = [];
    for (let head = this.#head; head !== undefined; head = this.#head) {
      entries.push(head.entry);
      this.#unlink(head);
    }
    return entries;
  }

  stop(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#spared = false;
    this.clear();
  }

  #unlink(place: Place<Entry>): void {
    const { previous, next } = place;
    if (previous === undefined) this.#head = next;
    else previous.next = next;
    if (next === undefined) this.#tail = previous;
    else next.previous = previous;
    place.previous = undefined;
    place.next = undefined;
    place.queued = false;
    this.#size--;
  }

  #arm(ms: number): void {
    this.#due = this.#clock.now() + ms;
    this.#timer = this.#clock.afterUnref(ms, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    // The runtime's timers can fire a fraction of a millisecond early.
    const now = this.#clock.now() + 1;
    if (!this.#spared && now - this.#due > STOOD_STILL) {
      this.#spared = true;
      this.#arm(READ_FIRST);
      return;
    }
    this.#spared = false;
    this.#calling = true;
    for (let head = this.#head; head !== undefined && head.at <= now; head = this.#head) {
      this.#unlink(head);
      try {
        this.#expired(head.entry);
      } catch (error) {
        // An application's listener that threw must not stop everybody's clock.
        throwLater(this.#clock, error);
      }
    }
    this.#calling = false;
    if (this.#head !== undefined) this.#arm(Math.max(0, this.#head.at - this.#clock.now()));
  };
}
