import type { Clock } from "../time/clock";
import { Deadlines } from "../time/deadlines";

/** What the heartbeat needs of a session. */
export interface Beating {
  /** A ping is due. */
  onPingDue(): void;
  /** The answer to a ping, or in protocol 3 the client's own ping, did not come in time. */
  onPingTimeout(): void;
}

/**
 * The heartbeats of all sessions of a node: two queues with a timer each, not two timers for each session.
 * Protocol 4: the server pings each `pingInterval` and waits `pingTimeout` for the pong.
 */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #intervals: Deadlines<Beating>;
  readonly #timeouts: Deadlines<Beating>;
  /** Protocol 3, where it is the client that pings. */
  readonly #silences: Deadlines<Beating>;
  readonly #adopted = new Set<Beating>();

  constructor(clock: Clock, pingInterval: number, pingTimeout: number) {
    this.#clock = clock;
    this.#intervals = new Deadlines(clock, pingInterval, (session) => {
      session.onPingDue();
    });
    this.#silences = new Deadlines(clock, pingInterval + pingTimeout, (session) => {
      session.onPingTimeout();
    });
    this.#timeouts = new Deadlines(clock, pingTimeout, (session) => {
      session.onPingTimeout();
    });
  }

  /** The next ping is a whole interval away. */
  rest(session: Beating): void {
    this.#timeouts.remove(session);
    this.#intervals.add(session);
  }

  /** A ping was sent: its answer is due. */
  await(session: Beating): void {
    this.#intervals.remove(session);
    this.#timeouts.add(session);
  }

  /** Whether the answer to a ping is due. */
  isAwaiting(session: Beating): boolean {
    return this.#timeouts.has(session);
  }

  /** Protocol 3: the client has a whole interval and the time-out to be heard again. */
  listen(session: Beating): void {
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
    this.#adopted.delete(session);
  }

  stop(): void {
    this.#intervals.stop();
    this.#timeouts.stop();
    this.#silences.stop();
    this.#adopted.clear();
  }
}
