import type { LivingNode, NodeId, SessionStore } from "../store/port";
import type { Clock, Timer } from "../time/clock";

export interface MembershipListener {
  onNodeJoined(node: NodeId): void;
  /** Its lease has ended, or nobody listens in its name. Its sessions may be claimed: if it lives after all, it is refused at its next turn. */
  onNodeDead(node: NodeId): void;
  /** Its lease has ended: it can change nothing any more. Behind `onNodeDead`. */
  onLeaseEnded(node: NodeId): void;
  /** This node's own lease may have ended meanwhile; it holds one again, with this incarnation. */
  onLeaseRetaken(incarnation: number): void;
}

export interface MembershipOptions {
  readonly node: NodeId;
  readonly store: SessionStore;
  readonly clock: Clock;
  /** Milliseconds; the lease is renewed at a third of it. */
  readonly leaseTtl: number;
  readonly listener: MembershipListener;
}

/** Two requests at least this far apart, in milliseconds, must find nobody before a node counts as dead. */
export const SUSPECT_AFTER = 100;

/** A store that takes longer for its answer than this part of a lease's time to live was away. Less than the time between two renewals. */
const SLOW = 4;

/** How long a node that leaves waits for the store to take its lease back, in milliseconds. */
const RELEASED_WITHIN = 1000;

/** So many dead nodes are remembered. */
const MOST_DEAD = 1000;

/** This node's lease, and which other nodes have one. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #living = new Map<NodeId, number>();
  /** Nodes known to be dead, and whether it is their lease that tells. */
  readonly #dead = new Map<NodeId, "lease ended" | "found nobody">();
  /** When a message to a node first found nobody. */
  readonly #suspects = new Map<NodeId, number>();
  #incarnation = 1;
  #timer: Timer | undefined;
  #renewing: Promise<boolean> | undefined;
  /** When a lease was last asked for, and when the one was that is held. */
  #askedAt = 0;
  #renewedAt = 0;
  /** Since when the store has answered without a break. */
  #wellSince = Number.NEGATIVE_INFINITY;
  #away = false;
  #stopped = false;
  /** Whether a lease was ever asked for. */
  #asked = false;
  #endPause: (() => void) | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** By its own clock this node's lease has ended, and it has not been taken again: others may have claimed its sessions. */
  get lapsed(): boolean {
    return this.#renewedAt > 0 && this.#options.clock.now() - this.#renewedAt > this.#options.leaseTtl;
  }

  /** The other nodes that hold a lease. */
  get others(): NodeId[] {
    return [...this.#living.keys()];
  }

  /** Whether no other node holds a lease, as far as is known. One that nobody was found at may hold one. */
  get alone(): boolean {
    if (this.#living.size > 0) return false;
    for (const why of this.#dead.values()) if (why === "found nobody") return false;
    return true;
  }

  /** Whether by this node's own clock its lease has not ended. */
  get leaseHeld(): boolean {
    const { clock, leaseTtl } = this.#options;
    return this.#renewedAt > 0 && !this.#stopped && clock.now() - this.#renewedAt <= leaseTtl;
  }

  /** Whether the store answered when it was last asked. */
  get storeAnswers(): boolean {
    return !this.#away;
  }

  /** Takes the lease for the first time; resolves when it is held. */
  async start(): Promise<void> {
    while (!this.#stopped && !(await this.#renew())) await this.#pause(100);
    if (!this.#stopped) this.#schedule();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.stop();
    this.#endPause?.();
    if (!this.#asked) return;
    const { store, node, clock } = this.#options;
    // A lease that cannot be given back in time ends by itself.
    await new Promise<void>((resolve, reject) => {
      const timer = clock.after(RELEASED_WITHIN, resolve);
      store
        .release(node)
        .then(resolve, reject)
        .finally(() => {
          timer.stop();
        });
    });
  }

  /** The store could not be reached for a while, or lost its leases: one that is missing says nothing until each had the time to. */
  storeReturned(): void {
    this.#wellSince = this.#options.clock.now();
    // It may have forgotten this node's.
    void this.#renew();
  }

  /** Whether the node is known to be dead. Of a node never heard of nobody knows: a message to it will tell. */
  isDead(node: NodeId): boolean {
    return this.#dead.has(node);
  }

  /** Whether the node's lease has ended: it can change nothing any more, whatever it believes. */
  leaseEnded(node: NodeId): boolean {
    return this.#dead.get(node) === "lease ended";
  }

  /** Something came from the node. */
  heardFrom(node: NodeId): void {
    if (this.#suspects.size > 0) this.#suspects.delete(node);
    if (this.#dead.size > 0) this.#dead.delete(node);
  }

  /** A message to the node found nobody. Twice, with some time between: it is dead. */
  foundNobody(node: NodeId): void {
    const now = this.#options.clock.now();
    const since = this.#suspects.get(node);
    if (since === undefined) this.#suspects.set(node, now);
    else if (now - since >= SUSPECT_AFTER && !this.#dead.has(node)) this.#bury(node, "found nobody");
  }

  #bury(node: NodeId, why: "lease ended" | "found nobody"): void {
    this.#living.delete(node);
    this.#suspects.delete(node);
    this.#dead.set(node, why);
    // Long dead nodes own nothing any more that lives; a message to one finds nobody, which tells as well.
    if (this.#dead.size > MOST_DEAD) {
      for (const oldest of this.#dead.keys()) {
        this.#dead.delete(oldest);
        break;
      }
    }
    this.#options.listener.onNodeDead(node);
    if (why === "lease ended") this.#options.listener.onLeaseEnded(node);
  }

  #schedule(): void {
    const { clock, leaseTtl } = this.#options;
    // From when it was asked for: behind an answer that was long in coming the next renewal is due at once, and not when the lease
    // has ended.
    this.#timer = clock.afterUnref(Math.max(0, this.#askedAt + leaseTtl / 3 - clock.now()), () => {
      void this.#renew().then(() => {
        if (!this.#stopped) this.#schedule();
      });
    });
  }

  /** Whether the store answered. Asked while it is asked already, it is one renewal. */
  #renew(): Promise<boolean> {
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewOnce(): Promise<boolean> {
    const { clock, store, node, leaseTtl, listener } = this.#options;
    const asked = clock.now();
    this.#askedAt = asked;
    // By its own clock the lease has ended: others may have claimed its sessions.
    const endedBefore = this.lapsed;
    if (endedBefore) this.#incarnation++;
    this.#asked = true;
    const result = await store.lease(node, this.#incarnation);
    if (this.#stopped) return true;
    if (result.kind === "away") {
      if (endedBefore) this.#incarnation--;
      this.#away = true;
      return false;
    }
    // A store that stood still is one that was away, though nobody was told so: it may read this node's call before those of
    // nodes whose leases have ended only because theirs waited as well.
    if (this.#away || clock.now() - asked > leaseTtl / SLOW) {
      this.#away = false;
      this.#wellSince = clock.now();
    }
    const lapsed = this.lapsed;
    // From when it was asked, not from when it was answered: the lease is not younger than that.
    this.#renewedAt = Math.max(asked, 1);
    // Or it had ended before the store answered: what was refused here meanwhile is to be asked for again.
    const ended = lapsed && clock.now() - this.#renewedAt <= leaseTtl;
    if (ended && !endedBefore) this.#incarnation++;
    if (ended) listener.onLeaseRetaken(this.#incarnation);
    this.#compare(result.nodes);
    return true;
  }

  #compare(nodes: readonly LivingNode[]): void {
    const { clock, node: self, leaseTtl, listener } = this.#options;
    const now = new Map(nodes.filter(({ node }) => node !== self).map(({ node, incarnation }) => [node, incarnation]));
    for (const [node, incarnation] of now) {
      const known = this.#living.has(node);
      this.#living.set(node, incarnation);
      if (!known && !this.#dead.has(node)) listener.onNodeJoined(node);
    }
    // While the store was away nobody could renew: a lease that is missing says nothing until each had the time to.
    if (clock.now() - this.#wellSince < leaseTtl) return;
    for (const node of this.#living.keys()) if (!now.has(node)) this.#bury(node, "lease ended");
    for (const [node, why] of this.#dead) {
      if (now.has(node) || why === "lease ended") continue;
      this.#dead.set(node, "lease ended");
      listener.onLeaseEnded(node);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#endPause = resolve;
      this.#timer = this.#options.clock.after(ms, resolve);
    });
  }
}
