import type { Clock, Timer } from "../time/clock";

/** What the watch over a node's isolation needs of its membership. */
export interface WatchedLease {
  /** By this node's own clock its lease has ended. */
  readonly lapsed: boolean;
  /** Renews the lease once more, and then lets it end. */
  suspend(): void;
  /** Renews it again. */
  resume(): void;
  /** Gives the lease back; resolves with whether other nodes hold theirs. */
  othersStand(): Promise<boolean>;
}

export interface IsolationOptions {
  readonly clock: Clock;
  readonly lease: WatchedLease;
  readonly leaseTtl: number;
  /** How long owners wait for a poll whose holder is gone, in milliseconds. */
  readonly pollGrace: number;
  readonly busConnected: () => boolean;
  /** This node alone is cut off: what waits here is to go to others. */
  readonly withdraw: () => void;
}

/**
 * Whether this node alone is cut off from the bus or from the store, while the others go on (I1 to I4 of docs/protocol.md). What
 * waits here would wait for ever: nobody can ask this node, or it can record nothing. When everybody is cut off, there is nobody
 * better, and requests wait here as well as anywhere.
 */
export class Isolation {
  readonly #options: IsolationOptions;
  #timer: Timer | undefined;
  /** Since when the bus is away. */
  #deafSince: number | undefined;
  /** Since when this node knows that others have seen the end of its lease. */
  #toldAt: number | undefined;
  /** Since when others were found to hold leases while the bus was away here. */
  #othersSince: number | undefined;
  #asking = false;
  #withdrawn = false;

  constructor(options: IsolationOptions) {
    this.#options = options;
  }

  /** Whether this node is to keep nothing: until it holds a lease again. */
  get withdrawn(): boolean {
    return this.#withdrawn;
  }

  start(): void {
    this.#timer = this.#options.clock.afterUnref(this.#options.pollGrace / 10, () => {
      this.#look();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.stop();
  }

  /** Another node, which has the store, says that this one's lease has ended. */
  told(): void {
    if (this.#options.lease.lapsed) this.#toldAt ??= this.#options.clock.now();
  }

  /** Whether others are known to have seen the end of this node's lease: what it owned may be theirs by now. */
  get isOutlived(): boolean {
    return this.#toldAt !== undefined;
  }

  onLeaseRetaken(): void {
    this.#withdrawn = false;
    this.#toldAt = undefined;
  }

  #look(): void {
    const { lease, clock, leaseTtl, pollGrace } = this.#options;
    const now = clock.now();
    this.#followBus(now);
    if (this.#withdrawn) return;
    if (!lease.lapsed) this.#toldAt = undefined;
    // A node that only stood still has its lease again within a moment.
    else if (this.#toldAt !== undefined && now - this.#toldAt >= pollGrace / 4) this.#withdraw();
    // Behind the end of every lease that was renewed before the bus went away: one that stands is of a node that has the bus.
    if (this.#deafSince !== undefined && now - this.#deafSince >= leaseTtl + pollGrace / 8) this.#askOthers();
  }

  #followBus(now: number): void {
    const { lease, busConnected } = this.#options;
    if (!busConnected()) {
      if (this.#deafSince === undefined) {
        this.#deafSince = now;
        lease.suspend();
      }
    } else if (this.#deafSince !== undefined) {
      this.#deafSince = undefined;
      this.#othersSince = undefined;
      lease.resume();
    }
  }

  #askOthers(): void {
    if (this.#asking) return;
    this.#asking = true;
    void this.#options.lease.othersStand().then((stand) => {
      this.#asking = false;
      this.#judge(stand);
    });
  }

  /** Where the bus was away for all and comes back, it comes to some a little sooner than to others. */
  #judge(othersStand: boolean): void {
    const { clock, pollGrace } = this.#options;
    if (!othersStand || this.#deafSince === undefined) this.#othersSince = undefined;
    else {
      this.#othersSince ??= clock.now();
      if (clock.now() - this.#othersSince >= pollGrace / 4 && !this.#withdrawn) this.#withdraw();
    }
  }

  #withdraw(): void {
    this.#withdrawn = true;
    this.#options.withdraw();
  }
}
