import type { Records } from "../../src/store/memory";
import type { CommitResult, CommitWaiter, Commit, SessionStore } from "../../src/store/port";
import type { VirtualProcess, VirtualTime } from "../../src/time/virtual-clock";

export interface StoreFaults {
  /** Chance that a script runs twice: its reply was lost and it was sent again. */
  readonly resend: number;
  /** Longest way of a script to the store, and of its reply, in virtual milliseconds. */
  readonly delay: number;
  /** How often the store has lost data, and one. */
  readonly generation: () => number;
}

/**
 * A store at the end of a connection: what is asked arrives later, in order, and the answer later still. Scripts of
 * a node that was killed may still be on the way.
 */
export class SlowStore implements SessionStore {
  readonly #current: () => Records;
  readonly #time: VirtualTime;
  readonly #process: VirtualProcess;
  readonly #faults: StoreFaults;
  #arrives = 0;
  #answers = 0;
  #generation: number;
  /** What cannot arrive at the moment, in order. */
  readonly #waiting: (() => void)[] = [];
  scripts = 0;
  onReturn: (() => void) | undefined;

  constructor(records: () => Records, time: VirtualTime, process: VirtualProcess, faults: StoreFaults) {
    this.#current = records;
    this.#time = time;
    this.#process = process;
    this.#faults = faults;
    this.#generation = faults.generation();
  }

  get #records(): Records {
    return this.#current();
  }

  get generation(): number {
    return this.#generation;
  }

  /** The connection to a store that was restarted is there again: what was under way to the old one is sent again. */
  returned(): void {
    this.#generation = this.#faults.generation();
    this.onReturn?.();
    for (const arrive of this.#waiting.splice(0)) arrive();
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  #ask<R>(operation: () => R): Promise<R> {
    return new Promise((resolve) => {
      this.#run(operation, resolve);
    });
  }

  #run<R>(operation: () => R, done: (result: R) => void): void {
    const { random, now } = this.#time;
    this.scripts++;
    this.#arrives = Math.max(this.#arrives, now + random() * this.#faults.delay);
    const twice = random() < this.#faults.resend;
    // The way to the store is the network's: it goes on when the node is dead.
    const arrive = (): void => {
      let result = operation();
      if (twice) result = operation();
      this.#answers = Math.max(this.#answers, this.#time.now + this.#time.random() * this.#faults.delay);
      this.#process.after(this.#answers - this.#time.now, () => {
        done(result);
      });
    };
    this.#time.schedule(this.#arrives - now, () => {
      if (this.#generation === this.#faults.generation() && this.#waiting.length === 0) arrive();
      else this.#waiting.push(arrive);
    });
  }

  open(...args: Parameters<SessionStore["open"]>): ReturnType<SessionStore["open"]> {
    return this.#ask(() => this.#records.open(...args));
  }
  look(...args: Parameters<SessionStore["look"]>): ReturnType<SessionStore["look"]> {
    return this.#ask(() => this.#records.look(...args));
  }

  handshake(...args: Parameters<SessionStore["handshake"]>): ReturnType<SessionStore["handshake"]> {
    return this.#ask(() => this.#records.handshake(...args));
  }
  commit(commit: Commit, waiter: CommitWaiter): void {
    this.#run(
      (): CommitResult => this.#records.commit(commit),
      (result) => {
        waiter.onCommitResult(result);
      },
    );
  }
  claim(...args: Parameters<SessionStore["claim"]>): ReturnType<SessionStore["claim"]> {
    return this.#ask(() => this.#records.claim(...args));
  }
  restore(...args: Parameters<SessionStore["restore"]>): ReturnType<SessionStore["restore"]> {
    return this.#ask(() => this.#records.restore(...args));
  }
  renew(...args: Parameters<SessionStore["renew"]>): ReturnType<SessionStore["renew"]> {
    return this.#ask(() => this.#records.renew(...args));
  }
  lease(...args: Parameters<SessionStore["lease"]>): ReturnType<SessionStore["lease"]> {
    return this.#ask(() => this.#records.lease(...args));
  }
  release(...args: Parameters<SessionStore["release"]>): ReturnType<SessionStore["release"]> {
    return this.#ask(() => {
      this.#records.release(...args);
    });
  }
  index(...args: Parameters<SessionStore["index"]>): void {
    this.#records.index(...args);
  }
  indexSlice(...args: Parameters<SessionStore["indexSlice"]>): ReturnType<SessionStore["indexSlice"]> {
    return this.#ask(() => this.#records.indexSlice(...args));
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
