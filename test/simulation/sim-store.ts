import { TurnSeries } from "../../src/session/turn-series";
import type { Away, CommitResult, CommitWaiter, Commit, SessionStore } from "../../src/store/port";
import { DeadlineQueue, type Ticket } from "../../src/time/deadline-queue";
import type { VirtualProcess, VirtualTime } from "../../src/time/virtual-clock";
import type { Ledger } from "./ledger";
import type { SimRecords } from "./sim-records";

export interface StoreOptions {
  readonly records: SimRecords;
  readonly time: VirtualTime;
  readonly process: VirtualProcess;
  /** Chance that an operation runs twice: its reply was lost and it was sent again. */
  readonly resend: number;
  /** Chance that what is under way when its node dies, or its connection breaks, arrives late. */
  readonly late: number;
  /** How long an operation waits before it is answered `away`. */
  readonly awayAfter: number;
}

/** An operation that was asked for. */
interface Asked {
  readonly operation: (records: SimRecords) => unknown;
  /** It has its answer, or was told `away`. */
  over: boolean;
  readonly answer: (result: unknown) => void;
  deadline: Ticket<Asked> | undefined;
}

const AWAY: Away = { kind: "away" };
/** Longest way of an operation to the store, and of its reply, in virtual milliseconds. */
const DELAY = 3;
/** What arrives late does so within this time. */
const LATE = 6000;
/** A connection is made anew within this time, once the store can be reached. */
const RECONNECT = 50;

/**
 * A store at the end of one node's connection: what is asked arrives later, in order, and the answer later still. The connection
 * can break or stall. What was not answered is then asked again, as the client of Redis does, and may be done twice; whoever
 * waits for too long is told `away`, and what he asked for may be done all the same, and late.
 */
export class SimStore implements SessionStore {
  readonly #options: StoreOptions;
  readonly #time: VirtualTime;
  readonly #process: VirtualProcess;
  readonly #deadlines: DeadlineQueue<Asked>;
  #arrives = 0;
  #answers = 0;
  #generation = 1;
  #state: "well" | "broken" | "stalled" = "well";
  /** Counts the connections: what comes by an old one goes nowhere. */
  #connection = 0;
  /** What cannot arrive at the moment, in order. */
  readonly #waiting: Asked[] = [];
  readonly #underWay = new Set<Asked>();
  /** What a connection that broke has left in the store's buffers. */
  readonly #late: Asked[] = [];
  dead = false;
  /** Operations and answers each take up to so many milliseconds more. */
  slowBy = 0;
  onReturn: (() => void) | undefined;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#time = options.time;
    this.#process = options.process;
    this.#deadlines = new DeadlineQueue(options.process, options.awayAfter, (asked) => {
      this.#tooLate(asked);
    });
  }

  get generation(): number {
    return this.#generation;
  }

  get broken(): boolean {
    return this.#state === "broken";
  }

  /** The connection breaks: nothing arrives any more, and no answer comes. */
  break(): void {
    this.#state = "broken";
    this.#connection++;
    // What was on its way is asked again. Some of it is in a buffer from which the store reads it later all the same.
    this.#waiting.push(...this.#underWay);
    this.#underWay.clear();
    for (const asked of this.#waiting) if (this.#time.random() < this.#options.late) this.#late.push(asked);
  }

  /** The store stands still: what is sent waits before it. */
  stall(): void {
    if (this.#state === "well") this.#state = "stalled";
  }

  /** The store can be reached. `generation`: how often it has lost data, and one. */
  heal(generation: number): void {
    for (const asked of this.#late.splice(0)) this.#arriveLate(asked);
    if (this.#state === "stalled") {
      this.#state = "well";
      for (const asked of this.#waiting.splice(0)) this.#send(asked);
    } else if (this.#state === "broken") {
      const connection = this.#connection;
      this.#time.schedule(this.#time.random() * RECONNECT, () => {
        this.#process.deliver(() => {
          if (this.#connection === connection && this.#state === "broken") this.#reconnected(generation);
        });
      });
    }
  }

  #reconnected(generation: number): void {
    this.#state = "well";
    this.#generation = generation;
    this.onReturn?.();
    for (const asked of this.#waiting.splice(0)) {
      // A client that gave up may have taken it back.
      if (!asked.over || this.#time.random() < 0.5) this.#send(asked);
    }
  }

  #arriveLate(asked: Asked): void {
    this.#time.schedule(this.#time.random() * LATE, () => {
      this.#options.records.run(asked.operation);
    });
  }

  #tooLate(asked: Asked): void {
    if (asked.over) return;
    asked.over = true;
    asked.answer(AWAY);
    // As with Redis: the connection is made anew, since it may be that which is at fault.
    const state = this.#state;
    if (state !== "broken") this.break();
    if (state === "well") this.heal(this.#generation);
  }

  #ask<R>(operation: (records: SimRecords) => R): Promise<R | Away> {
    return new Promise((resolve) => {
      this.#run(operation, resolve);
    });
  }

  #run<R>(operation: (records: SimRecords) => R, answer: (result: R | Away) => void): void {
    // A process that its own handler ended asks for nothing more, though the call goes on here.
    if (this.dead) return;
    const asked: Asked = { operation, over: false, answer: answer as (result: unknown) => void, deadline: undefined };
    asked.deadline = this.#deadlines.add(asked);
    this.#send(asked);
  }

  #send(asked: Asked): void {
    const { random, now } = this.#time;
    this.#underWay.add(asked);
    this.#arrives = Math.max(this.#arrives, now + random() * (DELAY + this.slowBy));
    const connection = this.#connection;
    // The way to the store is the network's: it goes on when the node is dead.
    this.#time.schedule(this.#arrives - now, () => {
      if (connection !== this.#connection) return;
      if (this.dead && random() < this.#options.late) this.#arriveLate(asked);
      else if (this.#state === "well") this.#arrive(asked, connection);
      else {
        this.#underWay.delete(asked);
        this.#waiting.push(asked);
      }
    });
  }

  #arrive(asked: Asked, connection: number): void {
    const { records, resend } = this.#options;
    let result = records.run(asked.operation);
    if (this.#time.random() < resend) result = records.run(asked.operation);
    this.#answers = Math.max(this.#answers, this.#time.now + this.#time.random() * (DELAY + this.slowBy));
    this.#time.schedule(this.#answers - this.#time.now, () => {
      if (connection !== this.#connection) return;
      this.#underWay.delete(asked);
      this.#process.deliver(() => {
        if (asked.over) return;
        asked.over = true;
        if (asked.deadline !== undefined) this.#deadlines.remove(asked.deadline);
        asked.answer(result);
      });
    });
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  open(...args: Parameters<SessionStore["open"]>): ReturnType<SessionStore["open"]> {
    return this.#ask((records) => records.open(...args));
  }
  look(...args: Parameters<SessionStore["look"]>): ReturnType<SessionStore["look"]> {
    return this.#ask((records) => records.look(...args));
  }
  commit(commit: Commit, waiter: CommitWaiter): void {
    let ledger: Ledger | undefined;
    this.#run(
      (records): CommitResult => {
        ({ ledger } = records);
        return records.commit(commit);
      },
      (result) => {
        // What is not waited for any more does no harm.
        const waits = !(waiter instanceof TurnSeries) || !waiter.over;
        if (result.kind === "ok" && waits) ledger?.told(commit);
        waiter.onCommitResult(result);
      },
    );
  }
  handshake(...args: Parameters<SessionStore["handshake"]>): ReturnType<SessionStore["handshake"]> {
    return this.#ask((records) => records.handshake(...args));
  }
  claim(...args: Parameters<SessionStore["claim"]>): ReturnType<SessionStore["claim"]> {
    return this.#ask((records) => records.claim(...args));
  }
  restore(...args: Parameters<SessionStore["restore"]>): ReturnType<SessionStore["restore"]> {
    return this.#ask((records) => records.restore(...args));
  }
  renew(...args: Parameters<SessionStore["renew"]>): ReturnType<SessionStore["renew"]> {
    return this.#ask((records) => records.renew(...args));
  }
  lease(...args: Parameters<SessionStore["lease"]>): ReturnType<SessionStore["lease"]> {
    return this.#ask((records) => records.lease(...args));
  }
  async release(...args: Parameters<SessionStore["release"]>): ReturnType<SessionStore["release"]> {
    await this.#ask((records) => {
      records.release(...args);
    });
  }
  index(...args: Parameters<SessionStore["index"]>): void {
    this.#run(
      (records) => {
        records.index(...args);
      },
      () => undefined,
    );
  }
  indexSlice(...args: Parameters<SessionStore["indexSlice"]>): ReturnType<SessionStore["indexSlice"]> {
    return this.#ask((records) => records.indexSlice(...args));
  }
  close(): Promise<void> {
    for (const asked of this.#deadlines.clear()) {
      if (asked.over) continue;
      asked.over = true;
      asked.answer(AWAY);
    }
    this.#deadlines.stop();
    return Promise.resolve();
  }
}
