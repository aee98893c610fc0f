import type { Revision } from "../protocol/names";
import type { Clock } from "../time/clock";
import { Deadlines } from "../time/deadlines";

/** What the heartbeat needs of a session. */
export interface Beating {
  readonly protocol: Revision;
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
  /** By other times, former ones and those that adopted sessions need: what waits in them waits on. */
  #former: Queues[] = [];
  /** What clients were told by the node that opened their session, where that is not what this node tells. */
  readonly #told = new Map<Beating, Times>();
  readonly #adopted = new Set<Beating>();

  constructor(clock: Clock, times: Times) {
    this.#clock = clock;
    this.#times = times;
    this.#queues = new Queues(clock, times);
  }

  /** The queues by the times as they are now, for a session that is in none of the others any more. */
  #for(session: Beating): Queues {
    if (!this.#queues.isBy(this.#times)) {
      this.#former.push(this.#queues);
      this.#queues = new Queues(this.#clock, this.#times);
    }
    const queues = this.#told.size === 0 ? this.#queues : this.#byTold(session);
    if (queues !== this.#queues) this.#queues.remove(session);
    if (this.#former.length > 0) {
      for (const other of this.#former) if (other !== queues) other.remove(session);
      this.#former = this.#former.filter((other) => other === queues || !other.isEmpty);
    }
    return queues;
  }

  #byTold(session: Beating): Queues {
    const told = this.#told.get(session);
    const times = told === undefined ? this.#times : timesFor(session.protocol, this.#times, told);
    if (this.#queues.isBy(times)) return this.#queues;
    const present = this.#former.find((queues) => queues.isBy(times));
    if (present !== undefined) return present;
    const queues = new Queues(this.#clock, times);
    this.#former.push(queues);
    return queues;
  }

  /** The session was opened by a node that told its client these times, by which the client goes on. */
  opened(session: Beating, told: Times | undefined): void {
    if (told !== undefined && !this.#queues.isBy(told)) this.#told.set(session, told);
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
    this.#told.delete(session);
    this.#adopted.delete(session);
  }

  stop(): void {
    for (const queues of [this.#queues, ...this.#former]) queues.stop();
    this.#former = [];
    this.#told.clear();
    this.#adopted.clear();
  }
}

/**
 * A client of protocol 4 gives up where no ping came for as long as it was told: it is pinged by the shorter interval. One of
 * protocol 3 pings by what it was told, and is given the longer of both.
 */
function timesFor(protocol: Revision, own: Times, told: Times): Times {
  if (protocol === 4) return { ...own, pingInterval: Math.min(own.pingInterval, told.pingInterval) };
  return own.pingInterval + own.pingTimeout < told.pingInterval + told.pingTimeout ? told : own;
}
