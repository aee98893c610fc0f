import { cpuTimes } from "../cpu";
import { latencies } from "../statistics";
import type { Client, OpenClient } from "./client";
import { Ledger, totalFaults } from "./ledger";
import type { Findings, Task } from "./messages";

const OPENING_AT_ONCE = 50;
/** A session that cannot be opened, or fails before its first message, is opened again: as clients do, and nothing is lost. */
const OPENING_TRIES = 5;
/** Whether a session's first poll is taken shows within this time. */
const SETTLE_MS = 300;
/** What is under way at the end is given so long to come back before it counts as lost. */
const LAST_ECHOES_MS = 10_000;
const SHOWN_ERRORS = 10;
/** With a rate, what is due is sent this often: as finely as timers go. */
const PACE_MS = 1;

class Session {
  readonly ledger: Ledger;
  client: Client | undefined;
  /** When the message under way was sent; undefined when there is none. */
  sentAt: number | undefined;
  /** From a message's being sent until its echo is here and its POST answered. */
  inTurn = false;
  /** Waits among the idle ones. */
  queued = false;
  failed = false;

  constructor(index: number) {
    this.ledger = new Ledger(index);
  }

  get idle(): boolean {
    return this.sentAt === undefined && this.client?.busy === false && !this.failed;
  }
}

/** Sends messages on many sessions, and checks and times their echoes. A session has one message under way at most. */
export class Load {
  readonly #task: Task;
  readonly #open: OpenClient;
  readonly #sessions: Session[];
  /** Sessions that may send, in the order in which they became so; those before `#from` have sent. */
  #idle: Session[] = [];
  #from = 0;
  /** In a closed loop: how many more sessions may have a message under way. */
  #slots: number;
  #sending = false;
  #measuring = false;
  #underWay = 0;
  #messages = 0;
  #waits: number[] = [];
  #reopened = 0;
  readonly #errors: string[] = [];
  #whenDone: (() => void) | undefined;

  constructor(task: Task, open: OpenClient) {
    this.#task = task;
    this.#open = open;
    this.#sessions = Array.from({ length: task.sessions }, (_, i) => new Session(i));
    this.#slots = task.rate === undefined ? task.concurrency : 0;
  }

  async run(): Promise<Findings> {
    const { warmupMs, durationMs, pids } = this.#task;
    await this.#openAll();
    const pacer = this.#start();
    await sleep(warmupMs);
    const before = cpuTimes(pids);
    const started = performance.now();
    const own = process.cpuUsage();
    this.#measuring = true;
    await sleep(durationMs);
    this.#measuring = false;
    const seconds = (performance.now() - started) / 1000;
    const after = cpuTimes(pids);
    const { user, system } = process.cpuUsage(own);
    clearInterval(pacer);
    await this.#finish();
    const failed = this.#sessions.filter((session) => session.failed).length;
    return {
      messages: this.#messages,
      seconds,
      cpu: after.map((time, i) => time - (before[i] ?? NaN)),
      latencies: latencies(this.#waits),
      driverShare: (user + system) / 1e6 / seconds,
      faults: totalFaults(
        this.#sessions.map(({ ledger }) => ledger),
        failed,
      ),
      reopened: this.#reopened,
      errors: this.#errors,
    };
  }

  async #openAll(): Promise<void> {
    let closed = [...this.#sessions.keys()];
    for (let tries = 0; closed.length > 0 && tries < OPENING_TRIES; tries++) {
      if (tries > 0) this.#reopened += closed.length;
      const waiting = closed;
      const work = async (): Promise<void> => {
        for (let index = waiting.shift(); index !== undefined; index = waiting.shift()) await this.#openOne(index);
      };
      await Promise.all(Array.from({ length: OPENING_AT_ONCE }, work));
      await sleep(SETTLE_MS);
      closed = [...this.#sessions.keys()].filter((index) => this.#sessions[index]?.failed);
    }
  }

  async #openOne(index: number): Promise<void> {
    const session = new Session(index);
    this.#sessions[index] = session;
    try {
      session.client = await this.#open(index, {
        onMessage: (text) => {
          this.#onMessage(session, text);
        },
        onReady: () => {
          this.#onReady(session);
        },
        onFailure: (reason) => {
          this.#fail(session, reason);
        },
      });
      this.#queue(session);
    } catch (error) {
      this.#fail(session, error instanceof Error ? error.message : String(error));
    }
  }

  #start(): NodeJS.Timeout | undefined {
    this.#sending = true;
    const { rate } = this.#task;
    if (rate === undefined) {
      this.#pump();
      return undefined;
    }
    const started = performance.now();
    let released = 0;
    return setInterval(() => {
      const due = Math.floor(((performance.now() - started) * rate) / 1000);
      this.#slots += due - released;
      released = due;
      this.#pump();
    }, PACE_MS);
  }

  /** Sends on idle sessions, the longest idle first, while any may. */
  #pump(): void {
    while (this.#sending && this.#slots > 0) {
      const session = this.#idle[this.#from];
      if (session === undefined) break;
      this.#from++;
      session.queued = false;
      // It may be answering a ping: it comes back when that is done.
      if (!session.idle) continue;
      session.inTurn = true;
      this.#slots--;
      this.#underWay++;
      session.sentAt = performance.now();
      session.client?.send(session.ledger.next());
    }
    if (this.#from > 1000 && this.#from * 2 > this.#idle.length) {
      this.#idle = this.#idle.slice(this.#from);
      this.#from = 0;
    }
  }

  #onMessage(session: Session, text: string): void {
    const { ledger, sentAt } = session;
    if (!ledger.receive(text)) {
      this.#note(`not the echo that was due: ${text}`);
      return;
    }
    if (sentAt === undefined) return;
    if (this.#measuring) {
      this.#messages++;
      this.#waits.push(performance.now() - sentAt);
    }
    session.sentAt = undefined;
    this.#underWay--;
    this.#onReady(session);
  }

  #queue(session: Session): void {
    if (session.queued || !session.idle) return;
    session.queued = true;
    this.#idle.push(session);
  }

  /** The turn leaves its place to another session's, so that the load stays what it is. */
  #endTurn(session: Session): void {
    if (!session.inTurn) return;
    session.inTurn = false;
    if (this.#task.rate === undefined) this.#slots++;
  }

  /** Called when the echo has come and when the POST is answered, in either order. */
  #onReady(session: Session): void {
    if (session.idle) {
      this.#endTurn(session);
      this.#queue(session);
      this.#pump();
    }
    if (this.#underWay === 0) this.#whenDone?.();
  }

  #fail(session: Session, reason: string): void {
    session.failed = true;
    this.#note(reason);
    if (session.sentAt !== undefined) {
      session.sentAt = undefined;
      this.#underWay--;
    }
    this.#endTurn(session);
    this.#pump();
    if (this.#underWay === 0) this.#whenDone?.();
  }

  #note(error: string): void {
    if (this.#errors.length < SHOWN_ERRORS) this.#errors.push(error);
  }

  /** Waits for the echoes of what is under way, then ends the sessions. */
  async #finish(): Promise<void> {
    this.#sending = false;
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LAST_ECHOES_MS);
        this.#whenDone = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    // An answer too many would come now.
    await sleep(100);
    for (const { client, failed } of this.#sessions) if (!failed) client?.close();
    await sleep(200);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
