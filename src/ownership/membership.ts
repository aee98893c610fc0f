import { FIRST_INCARNATION, type LivingNode, type NodeId, type SessionStore } from "../store/port";
import type { Clock, Timer } from "../time/clock";

export interface MembershipListener {
  onNodeJoined(node: NodeId): void;
  /** Its lease has ended, or nobody listens in its name. Its sessions may be claimed: if it lives after all, it is refused at its next turn. */
  onNodeDead(node: NodeId): void;
  /** Its lease has ended: it can change nothing any more. Behind `onNodeDead`. */
  onLeaseEnded(node: NodeId): void;
  /**
   * A lease that was missing from the list is there again, and is no new one: its node does not know of it. Behind `onNodeJoined`.
   */
  onLeaseBack(node: NodeId): void;
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

/**
 * When this node's connection to the bus broke and is back, those of others may have broken with it, and come back a little later: a
 * server that restarted is dialled by each node in its own time. For so many milliseconds nobody is dead because nobody was found.
 * Of one that is, its lease tells.
 */
export const BACK_WITHIN = 2000;

/** A store that takes longer for its answer than this part of a lease's time to live was away. Less than the time between two renewals. */
const SLOW = 4;

/** How long a node that leaves waits for the store to take its lease back, in milliseconds. */
const RELEASED_WITHIN = 1000;

/** So many dead nodes are remembered. */
const MOST_DEAD = 1000;

interface Death {
  why: "lease ended" | "found nobody";
  /** Its last incarnation that is known: with a higher one it has a lease again. */
  readonly incarnation: number;
  /** Something came from it since its lease ended: it lives, cut off from the store. It owns nothing, and may hold requests. */
  heard: boolean;
}

/** This node's lease, and which other nodes have one. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #living = new Map<NodeId, number>();
  /** Nodes known to be dead. */
  readonly #dead = new Map<NodeId, Death>();
  /** When a message to a node first found nobody. */
  readonly #suspects = new Map<NodeId, number>();
  /** When the bus came back. */
  #busSince = Number.NEGATIVE_INFINITY;
  #incarnation = FIRST_INCARNATION;
  #timer: Timer | undefined;
  #renewing: Promise<boolean> | undefined;
  /** When a lease was last asked for, and when the one was that is held. */
  #askedAt = 0;
  #renewedAt = 0;
  /** Since when the store has answered without a break. */
  #wellSince = Number.NEGATIVE_INFINITY;
  #away = false;
  #stopped = false;
  /** This node is deaf: its lease is to end, and it judges nobody. */
  #suspended = false;
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

  /** The lease could not be renewed in time; not: it was let go since the bus is away, for all nodes it may be. */
  get cutFromStore(): boolean {
    return this.lapsed && !this.#suspended;
  }

  /** The other nodes that hold a lease. */
  get others(): NodeId[] {
    return [...this.#living.keys()];
  }

  /** Whether no other node holds a lease, as far as is known. One that nobody was found at may hold one. */
  get alone(): boolean {
    if (this.#living.size > 0) return false;
    for (const { why } of this.#dead.values()) if (why === "found nobody") return false;
    return true;
  }

  /** Whether by this node's own clock its lease has not ended. */
  get leaseHeld(): boolean {
    const { clock, leaseTtl } = this.#options;
    return this.#renewedAt > 0 && !this.#stopped && clock.now() - this.#renewedAt <= leaseTtl;
  }

  /** Whether the store answered when it was last asked. Not before its first answer: a node that starts without it must not say that it is there. */
  get storeAnswers(): boolean {
    return this.#renewedAt > 0 && !this.#away;
  }

  /** Whether the store did not answer when it was last asked, or has left what it was asked without an answer for `ms` milliseconds. */
  isStoreAway(ms: number): boolean {
    return this.#away || (this.#renewing !== undefined && this.#options.clock.now() - this.#askedAt > ms);
  }

  /**
   * Whether at some time in the last `ms` milliseconds the store may not have answered. A lease that is being asked for counts: nothing
   * tells sooner, and few moments are that.
   */
  storeWasAway(ms: number): boolean {
    return this.#away || this.#renewing !== undefined || this.#options.clock.now() - this.#wellSince < ms;
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

  /** Reads anew who lives; waits for it so many milliseconds at most, and resolves with whether the store told. */
  async lookAround(withinMs: number): Promise<boolean> {
    if (this.#stopped) return false;
    return new Promise<boolean>((resolve) => {
      const timer = this.#options.clock.after(withinMs, () => {
        resolve(false);
      });
      void this.#renew().then((told) => {
        timer.stop();
        resolve(told);
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
    return this.#dead.get(node)?.why === "lease ended";
  }

  /**
   * Whether the node sent it under a lease that has ended. Then it may have been under way for longer than owners remember what they
   * were asked: a connection that was silent lets all through that it kept.
   */
  isBygone(node: NodeId, incarnation: number): boolean {
    const death = this.#dead.get(node);
    if (death?.why === "lease ended") return incarnation <= death.incarnation;
    return incarnation < (this.#living.get(node) ?? 0);
  }

  /** Whether what the node holds counts. One that is heard without a lease is cut off from the store, and still has its connections. */
  mayHold(node: NodeId): boolean {
    return this.#dead.get(node)?.heard !== false;
  }

  /** Something came from the node; a beat tells its incarnation. */
  heardFrom(node: NodeId, incarnation = 0): void {
    if (this.#suspects.size > 0) this.#suspects.delete(node);
    if (this.#dead.size === 0) return;
    const death = this.#dead.get(node);
    // A word does not give a lease back: a node that is cut off from the store beats on, and can do nothing for its sessions.
    if (death?.why === "lease ended" && incarnation <= death.incarnation) death.heard = true;
    // Its lease was seen meanwhile, when nothing had been heard of it yet.
    else if (this.#dead.delete(node) && this.#living.has(node)) this.#options.listener.onNodeJoined(node);
  }

  busReturned(): void {
    this.#busSince = this.#options.clock.now();
    this.#suspects.clear();
  }

  /** A message to the node found nobody. Twice, with some time between: it is dead. */
  foundNobody(node: NodeId): void {
    const now = this.#options.clock.now();
    if (now - this.#busSince < BACK_WITHIN) return;
    const since = this.#suspects.get(node);
    if (since === undefined) this.#suspects.set(node, now);
    else if (now - since >= SUSPECT_AFTER) this.#nobodyThere(node);
  }

  #nobodyThere(node: NodeId): void {
    const death = this.#dead.get(node);
    if (death === undefined) this.#bury(node, "found nobody");
    else death.heard = false;
  }

  #bury(node: NodeId, why: Death["why"]): void {
    const incarnation = this.#living.get(node) ?? 0;
    this.#living.delete(node);
    this.#suspects.delete(node);
    this.#dead.set(node, { why, incarnation, heard: false });
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

  // ---- this node is cut off from the bus: see Isolation ----

  suspend(): void {
    // Once more: so all know when it ends.
    void this.#renew();
    this.#suspended = true;
  }

  resume(): void {
    this.#suspended = false;
    // The others may have been deaf too, and their leases have ended with this one.
    this.storeReturned();
  }

  async othersStand(): Promise<boolean> {
    const { store, node } = this.#options;
    const result = await store.lease(node, this.#incarnation, false);
    return result.kind === "ok" && result.nodes.some((other) => other.node !== node);
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
    if (this.#suspended) {
      this.#askedAt = this.#options.clock.now();
      return Promise.resolve(false);
    }
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renewOnce(): Promise<boolean> {
    const { clock, store, node, leaseTtl, listener } = this.#options;
    const asked = clock.now();
    // A machine that stood still did so for all its nodes: of two with overdue leases the first to renew found the other's ended.
    const isLate = this.#renewedAt > 0 && asked - this.#askedAt > leaseTtl / 3 + leaseTtl / SLOW;
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
    if (this.#away || isLate || clock.now() - asked > leaseTtl / SLOW) {
      this.#away = false;
      this.#wellSince = clock.now();
    }
    // Or it had ended before the store answered: what was refused here meanwhile is to be asked for again.
    const ended = this.lapsed && clock.now() - asked <= leaseTtl;
    // From when it was asked, not from when it was answered: the lease is not younger than that.
    this.#renewedAt = Math.max(asked, 1);
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
      const death = this.#dead.get(node);
      const ended = death?.why === "lease ended";
      if (ended) this.#dead.delete(node);
      if (!known && !this.#dead.has(node)) listener.onNodeJoined(node);
      if (ended && incarnation <= death.incarnation) listener.onLeaseBack(node);
    }
    // While the store was away nobody could renew: a lease that is missing says nothing until each had the time to.
    if (this.#suspended || clock.now() - this.#wellSince < leaseTtl) return;
    for (const node of this.#living.keys()) if (!now.has(node)) this.#bury(node, "lease ended");
    for (const [node, death] of this.#dead) {
      if (now.has(node) || death.why === "lease ended") continue;
      death.why = "lease ended";
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
