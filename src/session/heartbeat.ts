import type { Clock } from "../time/clock";
import { Deadlines } from "./deadlines";

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

/**
 * The heartbeats of all sessions of a node: two queues with a timer each, not two timers for each session.
 * Protocol 4: the server pings each `pingInterval` and waits `pingTimeout` for the pong.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #times: Times;
  #pingInterval: number;
  #pingTimeout: number;
  #intervals: Deadlines<Beating>;
  #timeouts: Deadlines<Beating>;
  /** Protocol 3, where it is the client that pings. */
  #silences: Deadlines<Beating>;
  /** Queues by times that hold no more; what waits in them waits on. */
  #former: Deadlines<Beating>[] = [];
  readonly #adopted = new Set<Beating>();

  constructor(clock: Clock, times: Times) {
    this.#clock = clock;
    this.#times = times;
    this.#pingInterval = times.pingInterval;
    this.#pingTimeout = times.pingTimeout;
    this.#intervals = this.#pings();
    this.#timeouts = this.#waits(this.#pingTimeout);
    this.#silences = this.#waits(this.#pingInterval + this.#pingTimeout);
  }

  #pings(): Deadlines<Beating> {
    return new Deadlines(this.#clock, this.#pingInterval, (session) => {
      session.onPingDue();
    });
  }

  #waits(ms: number): Deadlines<Beating> {
    return new Deadlines(this.#clock, ms, (session) => {
      session.onPingTimeout();
    });
  }

  /** Looks whether the times have changed, before a session is put in a queue. */
  #look(session: Beating): void {
    const { pingInterval, pingTimeout } = this.#times;
    if (pingInterval !== this.#pingInterval || pingTimeout !== this.#pingTimeout) {
      this.#pingInterval = pingInterval;
      this.#pingTimeout = pingTimeout;
      this.#former = [...this.#former, this.#intervals, this.#timeouts, this.#silences].filter(({ size }) => size > 0);
      this.#intervals = this.#pings();
      this.#timeouts = this.#waits(pingTimeout);
      this.#silences = this.#waits(pingInterval + pingTimeout);
    }
    for (const queue of this.#former) queue.remove(session);
  }

  /** The next ping is a whole interval away. */
  rest(session: Beating): void {
    this.#look(session);
    this.#timeouts.remove(session);
    this.#intervals.add(session);
  }

  /** A ping was sent: its answer is due. */
  await(session: Beating): void {
    this.#look(session);
    this.#intervals.remove(session);
    this.#timeouts.add(session);
  }

  /** Whether the answer to a ping is due. */
  isAwaiting(session: Beating): boolean {
    return this.#timeouts.has(session);
  }

  /** Whether a ping is due in some time. */
  isResting(session: Beating): boolean {
    return this.#intervals.has(session);
  }

  /** Whether it is the client that pings, and its ping is due in some time. */
  isListening(session: Beating): boolean {
    return this.#silences.has(session);
  }

  /** Protocol 3: the client has a whole interval and the time-out to be heard again. */
  listen(session: Beating): void {
    this.#look(session);
    this.#silences.add(session);
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
    this.#intervals.remove(session);
    this.#timeouts.remove(session);
    this.#silences.remove(session);
    for (const queue of this.#former) queue.remove(session);
    this.#adopted.delete(session);
  }

  stop(): void {
    this.#intervals.stop();
    this.#timeouts.stop();
    this.#silences.stop();
    for (const queue of this.#former) queue.stop();
    this.#adopted.clear();
  }
}
