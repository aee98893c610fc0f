import type { Reader } from "../../bus/frame";
import { rethrow } from "../../bus/rethrow";
import { awayResult } from "../../hub/results";
import type { Clock, Timer } from "../../time/clock";
import type { Tick, TickWork } from "../../time/tick";
import type { CommitResult, CommitWaiter } from "../port";

/** An operation that is not a commit, whatever its result is. A class, so that it can be told from somebody's waiter. */
abstract class Asking {
  abstract readonly kind: number;
  abstract answer(reader: Reader): void;
  abstract away(): void;
}

/** An operation that is answered by a promise. Commits are many, and have their waiter instead. */
export class Call<T> extends Asking {
  readonly kind: number;
  readonly #read: (reader: Reader) => T;
  readonly #away: T;
  readonly #resolve: (result: T) => void;

  constructor(kind: number, read: (reader: Reader) => T, away: T, resolve: (result: T) => void) {
    super();
    this.kind = kind;
    this.#read = read;
    this.#away = away;
    this.#resolve = resolve;
  }

  /** An answer that comes after `away` is read like any other, and changes nothing: a promise resolves once. */
  answer(reader: Reader): void {
    const result = this.#read(reader);
    // What cannot be read closes the channel.
    this.#resolve(reader.failed ? this.#away : result);
  }

  away(): void {
    this.#resolve(this.#away);
  }
}

type Entry = CommitWaiter | Asking;

/** Which of the operations left when: one for all of a tick. */
interface Batch {
  /** How many operations had been asked before it. */
  readonly first: number;
  readonly at: number;
}

/** Takes the place of a commit's waiter that was given up. */
const nobody: CommitWaiter = Object.freeze({ onCommitResult: () => {} });

/** So many answered places in front of the queue are worth a move of the rest. */
const COMPACT_AT = 1024;

/**
 * Who waits for an answer, in the order asked. An operation that was given up keeps its place, so that its late answer
 * is not taken for the next one's.
 *
 * It has no limit of its own: a session has one commit under way, and the channel ends when the primary leaves too many bytes unread.
 */
export class Asked implements TickWork {
  readonly #clock: Clock;
  readonly #tick: Tick;
  readonly #awayAfter: number;
  #queue: Entry[] = [];
  #head = 0;
  /** Operations answered since the start. */
  #answered = 0;
  #batches: Batch[] = [];
  #timer: Timer | undefined;
  #later: { readonly waiter: CommitWaiter; readonly result: CommitResult }[] = [];

  constructor(clock: Clock, tick: Tick, awayAfter: number) {
    this.#clock = clock;
    this.#tick = tick;
    this.#awayAfter = awayAfter;
  }

  /** The next operation pushed is the first of another message. */
  newBatch(): void {
    this.#forgetAnswered();
    this.#batches.push({ first: this.#total, at: this.#clock.now() });
    // One timer at a time, which looks at what is the oldest when it runs: not one per batch.
    this.#timer ??= this.#clock.afterUnref(this.#awayAfter, this.#onTimer);
  }

  push(waiter: Entry): void {
    this.#queue.push(waiter);
  }

  /** False where no commit's answer is due. */
  answerCommit(result: CommitResult): boolean {
    const entry = this.#queue[this.#head];
    if (entry === undefined || entry instanceof Asking) return false;
    this.#shift();
    entry.onCommitResult(result);
    return true;
  }

  /** False where no answer of this kind is due, or it cannot be read. */
  answerCall(kind: number, reader: Reader): boolean {
    const entry = this.#queue[this.#head];
    if (!(entry instanceof Asking) || entry.kind !== kind) return false;
    this.#shift();
    entry.answer(reader);
    return !reader.failed;
  }

  /** Answers all that wait. Their places remain: answers may still come. */
  allAway(): void {
    this.#timer?.stop();
    this.#timer = undefined;
    this.#batches = [];
    this.#giveUp(this.#total);
  }

  /** Answers at the end of the tick: a waiter is never told from inside of its own call. */
  answerLater(waiter: CommitWaiter, result: CommitResult): void {
    this.#later.push({ waiter, result });
    if (this.#later.length === 1) this.#tick.batch(this);
  }

  run(): void {
    const due = this.#later;
    this.#later = [];
    for (const { waiter, result } of due) tell(waiter, result);
  }

  /** Operations asked since the start. */
  get #total(): number {
    return this.#answered + this.#queue.length - this.#head;
  }

  #shift(): void {
    // The place must not keep a session from being collected.
    this.#queue[this.#head++] = nobody;
    this.#answered++;
    if (this.#head === this.#queue.length) {
      this.#queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#queue.length) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #forgetAnswered(): void {
    while (this.#batches.length > 0 && this.#endOf(0) <= this.#answered) this.#batches.shift();
  }

  #endOf(batch: number): number {
    return this.#batches[batch + 1]?.first ?? this.#total;
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined;
    this.#forgetAnswered();
    const now = this.#clock.now();
    for (let oldest = this.#batches[0]; oldest !== undefined; oldest = this.#batches[0]) {
      const left = oldest.at + this.#awayAfter - now;
      if (left > 0) {
        this.#timer = this.#clock.afterUnref(left, this.#onTimer);
        return;
      }
      const end = this.#endOf(0);
      this.#batches.shift();
      this.#giveUp(end);
    }
  };

  /** Answers `away` to the operations before this one, counted from the start. */
  #giveUp(end: number): void {
    const stop = this.#head + end - this.#answered;
    for (let i = this.#head; i < stop; i++) {
      const entry = this.#queue[i];
      if (entry === undefined) return;
      if (entry instanceof Asking) entry.away();
      else {
        this.#queue[i] = nobody;
        tell(entry, awayResult);
      }
    }
  }
}

/** The others of a batch are told whatever one of them throws. */
function tell(waiter: CommitWaiter, result: CommitResult): void {
  try {
    waiter.onCommitResult(result);
  } catch (error) {
    rethrow(error);
  }
}
