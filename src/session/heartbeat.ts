import type { Clock } from "../time/clock";
import { Deadlines } from "../time/deadlines";

/** What the heartbeat needs of a session. */
export interface Beating {
  /** A ping is due. */
  onPingDue(): void;
  /** The answer to a ping, or in protocol 3 the client's own ping, did not come in time. */
  onPingTimeout(): void;
}

/** Times in milliseconds. They may change: what is waited for from then on is by the new ones. */
export interface Times {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

/** The queues of those who wait by one pair of times. */
class Queues {
  readonly intervals: Deadlines<Beating>;
  readonly timeouts: Deadlines<Beating>;
  /** Protocol 3, where it is the client that pings. */
  readonly silences: Deadlines<Beating>;
  readonly #times: Times;

  constructor(clock: Clock, { pingInterval, pingTimeout }: Times) {
    this.#times = { pingInterval, pingTimeout };
    const onTimeout = (session: Beating): void => {
      session.onPingTimeout();
    };
    this.intervals = new Deadlines(clock, pingInterval, (session) => {
      session.onPingDue();
    });
    this.timeouts = new Deadlines(clock, pingTimeout, onTimeout);
    this.silences = new Deadlines(clock, pingInterval + pingTimeout, onTimeout);
  }

  isBy({ pingInterval, pingTimeout }: Times): boolean {
    return this.#times.pingInterval === pingInterval && this.#times.pingTimeout === pingTimeout;
  }

  get isEmpty(): boolean {
    return this.intervals.size + this.timeouts.size + this.silences.size === 0;
  }

  remove(session: Beating): void {
    this.intervals.remove(session);
    this.timeouts.remove(session);
    this.silences.remove(session);
  }

  stop(): void {
    this.intervals.stop();
    this.timeouts.stop();
    this.silences.stop();
  }
}

/**
 * The heartbeats of all sessions of a node: three queues with a timer each, not two timers for each session.
 * Protocol 4: the server pings each `pingInterval` and waits `pingTimeout` for the pong.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #times: Times;
  #queues: Queues;
  /** By former times: what waits in them waits on. */
  #former: Queues[] = [];
  readonly #adopted = new Set<Beating>();

  constructor(clock: Clock, times: Times) {
    this.#clock = clock;
    this.#times = times;
    this.#queues = new Queues(clock, times);
  }

  /** The queues by the times as they are now, for a session that is in none of the former ones any more. */
  #for(session: Beating): Queues {
    if (!this.#queues.isBy(this.#times)) {
      this.#former.push(this.#queues);
      this.#queues = new Queues(this.#clock, this.#times);
    }
    if (this.#former.length > 0) {
      for (const queues of this.#former) queues.remove(session);
      this.#former = this.#former.filter((queues) => !queues.isEmpty);
    }
    return this.#queues;
  }

  /** The next ping is a whole interval away. */
  rest(session: Beating): void {
    const queues = this.#for(session);
    queues.timeouts.remove(session);
    queues.intervals.add(session);
  }

  /** A ping was sent: its answer is due. */
  await(session: Beating): void {
    const queues = this.#for(session);
    queues.intervals.remove(session);
    queues.timeouts.add(session);
  }

  /** Whether the answer to a ping is due. */
  isAwaiting(session: Beating): boolean {
    return this.#queues.timeouts.has(session) || this.#former.some(({ timeouts }) => timeouts.has(session));
  }

  /** Whether a ping is due in some time. */
  isResting(session: Beating): boolean {
    return this.#queues.intervals.has(session) || this.#former.some(({ intervals }) => intervals.has(session));
  }

  /** Whether it is the client that pings, and its ping is due in some time. */
  isListening(session: Beating): boolean {
    return this.#queues.silences.has(session) || this.#former.some(({ silences }) => silences.has(session));
  }

  /** Protocol 3: the client has a whole interval and the time-out to be heard again. */
  listen(session: Beating): void {
    this.#for(session).silences.add(session);
  }

  /**
   * A ping is due soon, within `spread` milliseconds: the stock client gives up pingInterval + pingTimeout after
   * the last ping it saw, and nobody knows when the dead owner sent that. Spread, so that thousands of adopted sessions do not ping at once.
   */
  soon(session: Beating, spread: number): void {
    this.#adopted.add(session);
    this.#clock.afterUnref(this.#clock.random() * spread, () => {
      if (this.#adopted.delete(session)) session.onPingDue();
    });
  }

  /** The session has ended. */
  forget(session: Beating): void {
    this.#for(session).remove(session);
    this.#adopted.delete(session);
  }

  stop(): void {
    for (const queues of [this.#queues, ...this.#former]) queues.stop();
    this.#former = [];
    this.#adopted.clear();
  }
}
