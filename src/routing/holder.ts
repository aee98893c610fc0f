import type { Revision } from "../protocol/names";
import type { NodeId } from "../store/port";
import type { Clock, Timer } from "../time/clock";
import { AnswerCode, bare, RequestKind, type Answer } from "../session/answers";
import { DeadlineQueue } from "../time/deadline-queue";
import { HeldRequests, type Asked, type Held, type WaitingConnection } from "./held";
import { searchPause, Strangers } from "./search-patience";
import { behindStandstill } from "./standstill";
import { Waiting } from "./waiting";

/** Where a request is to be put. */
export type Whereabouts =
  | { readonly kind: "here" }
  /** With the session's protocol, where the record was looked at. */
  | { readonly kind: "at"; readonly node: NodeId; readonly protocol?: Revision }
  | { readonly kind: "unknown" }
  /** Nobody could say; ask again. */
  | { readonly kind: "away" };

/** What the holder's side needs of its node. */
export interface HolderNode {
  readonly id: NodeId;
  readonly clock: Clock;
  /** How long what may be old waits before it is put to anybody, in milliseconds, since this node stood still; nearly always 0. */
  readonly pause: number;
  /** Where the session was last known to be, without asking anybody. */
  guess(sid: string): Whereabouts | undefined;
  /** Finds the owner, or becomes it where the owner is dead. `doubted`: nodes that said that they do not own it. */
  find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts>;
  /** Puts the request to this node's own session; false where there is none. */
  askHere(held: Held): boolean;
  /** False where the request is too long to be said to another node. */
  ask(node: NodeId, held: Held): boolean;
  hintGone(node: NodeId, held: Held): void;
  /** Whether what can wait is not to be said to the node now. `Holder.onUncongested` follows, or the node's death or a loss. */
  isCongested(node: NodeId): boolean;
  /** Whether the node has said nothing lately, not even a beat. */
  isSilent(node: NodeId): boolean;
  /** Takes notice of a request that is asked again. */
  countRepeat(why: string): void;
}

export interface HolderTimes {
  /** How long a POST waits at one owner before it is asked again, in milliseconds. */
  readonly postDeadline: number;
  /** How long a request waits for somebody who owns its session, in all, before it is answered 503, in milliseconds. */
  readonly giveUpAfter: number;
}

/** A poll that waits at another node is said again after so many milliseconds, so many times; both within `pollGrace`. */
const POLL_REPEAT_AFTER = 600;
const POLL_REPEATS = 2;

/**
 * The holder's side of polling: any node with a GET or a POST in its hands. It knows nothing of the session but where its
 * owner may be; it asks, and asks again, since asking is idempotent by (sid, t). Rules H1 to H5 of docs/protocol.md.
 */
export class Holder {
  readonly #node: HolderNode;
  readonly #held = new HeldRequests();
  readonly #postDeadlines: DeadlineQueue<Held>;
  readonly #searchDeadlines: DeadlineQueue<Held>;
  readonly #pollRepeats: DeadlineQueue<Held>;
  /** Requests by session whose owner is looked for: one search for all of them. */
  readonly #searches = new Map<string, Set<Held>>();
  readonly #pauses = new Set<Timer>();
  /** What the way to its owner has no room for. */
  readonly #waiting = new Waiting<Held>();

  constructor(node: HolderNode, times: HolderTimes) {
    this.#node = node;
    this.#postDeadlines = new DeadlineQueue(node.clock, times.postDeadline, (held) => {
      this.#postOverdue(held);
    });
    this.#pollRepeats = new DeadlineQueue(node.clock, POLL_REPEAT_AFTER, (held) => {
      this.#repeatPoll(held);
    });
    this.#searchDeadlines = new DeadlineQueue(node.clock, times.giveUpAfter, (held) => {
      this.#finish(held, bare(AnswerCode.Unavailable));
    });
  }

  /** Number of requests that wait. */
  get size(): number {
    return this.#held.size;
  }

  /** Requests that wait until the way to their owner is free. */
  get waitingForWay(): number {
    return this.#waiting.size;
  }

  /** Sessions whose owner is looked for. */
  get searches(): number {
    return this.#searches.size;
  }

  /** The requests that wait. */
  get waiting(): Held[] {
    return this.#held.all();
  }

  /** H1. A connection waits for the answer to `(kind, sid, t)`. */
  hold(asked: Asked, connection: WaitingConnection): Held {
    const held = this.#held.getOrAdd(asked);
    held.connections.push(connection);
    // Asked again where it was asked before: that may have been lost on the way, and asking is cheap.
    if (held.connections.length === 1 || held.askedAt !== undefined) this.#route(held);
    return held;
  }

  /** H4. The connection broke. */
  release(held: Held, connection: WaitingConnection): void {
    const at = held.connections.indexOf(connection);
    if (at < 0) return;
    held.connections.splice(at, 1);
    if (held.connections.length > 0 || !held.isHeld) return;
    const asked = held.askedAt;
    this.#forget(held);
    if (held.kind === RequestKind.Get && asked !== undefined) this.#node.hintGone(asked, held);
  }

  /** H3. */
  onAnswer(kind: RequestKind, sid: string, t: string, answer: Answer): void {
    const held = this.#held.get(kind, sid, t);
    if (held !== undefined) this.#finish(held, answer);
  }

  /** H2: the node that was asked is not the owner. */
  onNotMine(from: NodeId, kind: RequestKind, sid: string, t: string): void {
    const held = this.#held.get(kind, sid, t);
    if (held?.askedAt !== from) return;
    this.#missed(held, from);
    this.#node.countRepeat("not mine");
    this.#search(held);
  }

  /** H2: whatever was put to that node may be lost, on the way there or back. */
  askAgainAt(node: NodeId, why: string): void {
    this.#askAgain(this.#held.at(node), why);
  }

  /** H7: what was asked under a lease that has ended is not done. */
  askAllAgain(why: string): void {
    const asked = this.#held.all().filter((held) => held.askedAt !== undefined);
    this.#askAgain(asked, why);
  }

  #askAgain(asked: readonly Held[], why: string): void {
    for (const held of asked) {
      this.#node.countRepeat(why);
      this.#search(held);
    }
  }

  /** The way to the node is free. */
  onUncongested(node: NodeId): void {
    const isCongested = (): boolean => this.#node.isCongested(node);
    this.#waiting.serve(node, isCongested, (held) => {
      if (held.askedAt === node) this.#ask(node, held);
    });
  }

  /** Every connection breaks, so that whatever is in front sends the request to another node. Sends of this process wait on. */
  abandonAll(): void {
    for (const held of this.#held.all()) {
      if (held.kind === RequestKind.Send) continue;
      const { askedAt } = held;
      this.#forget(held);
      // A session of this node does not end of it: it goes on elsewhere, and is not closed here but taken over.
      const elsewhere = askedAt !== undefined && askedAt !== this.#node.id;
      if (held.kind === RequestKind.Get && elsewhere) this.#node.hintGone(askedAt, held);
      for (const connection of held.connections) connection.abandon();
    }
  }

  /** Nothing is asked any more; every connection that waits is broken. */
  stop(): void {
    for (const timer of this.#pauses) timer.stop();
    for (const held of this.#held.all()) {
      this.#forget(held);
      for (const connection of held.connections) connection.abandon();
    }
    this.#postDeadlines.stop();
    this.#pollRepeats.stop();
    this.#searchDeadlines.stop();
  }

  #route(held: Held): void {
    const guess = this.#searches.has(held.sid) ? undefined : this.#node.guess(held.sid);
    if (guess === undefined) this.#search(held);
    else this.#put(held, guess);
  }

  #search(held: Held): void {
    if (held.askedAt !== undefined) this.#waiting.remove(held.askedAt, held);
    held.askedAt = undefined;
    // Not moved by a search that goes on: the client's patience does not grow either.
    held.givenUpAt ??= this.#searchDeadlines.add(held);
    const running = this.#searches.get(held.sid);
    if (running !== undefined) {
      running.add(held);
      return;
    }
    const waiting = new Set([held]);
    this.#searches.set(held.sid, waiting);
    if (held.misses === 0) this.#find(held.sid, waiting);
    else this.#findLater(held.sid, waiting);
  }

  /**
   * H6. A request that was in hand when this node stood still is as old as one that it reads then, and store and lease answer before
   * the end of its connection is noticed: a POST was handled twice that its balancer had given up and had handled elsewhere. The wait
   * comes before the search, since a node that was found can be dead when it is over. Sends are known by their numbers for ever (O13).
   */
  #find(sid: string, waiting: Set<Held>): void {
    const pause = this.#pauseFor(waiting);
    if (pause === 0) {
      this.#findNow(sid, waiting, false);
      return;
    }
    behindStandstill(this.#node.clock, pause, () => {
      if (this.#isWanted(sid, waiting)) this.#findNow(sid, waiting, true);
    });
  }

  /** How long the search for these waits, in milliseconds. */
  #pauseFor(waiting: ReadonlySet<Held>): number {
    const { pause } = this.#node;
    if (pause === 0) return 0;
    for (const { kind } of waiting) if (kind !== RequestKind.Send) return pause;
    return 0;
  }

  #findNow(sid: string, waiting: Set<Held>, waited: boolean): void {
    const doubted: NodeId[] = [];
    for (const { strangers } of waiting) if (strangers?.doubted !== undefined) doubted.push(strangers.doubted);
    void this.#node.find(sid, doubted).then((found) => {
      if (found.kind === "away") {
        for (const held of waiting) held.misses++;
        this.#findLater(sid, waiting);
        return;
      }
      // The node stood still while it searched.
      if (!waited && this.#pauseFor(waiting) > 0) {
        this.#find(sid, waiting);
        return;
      }
      this.#searches.delete(sid);
      for (const held of waiting) if (held.isHeld) this.#put(held, found);
    });
  }

  /** The search goes on after a pause, if somebody still waits for it. */
  #findLater(sid: string, waiting: Set<Held>): void {
    if (!this.#isWanted(sid, waiting)) return;
    let misses = 0;
    for (const held of waiting) misses = Math.max(misses, held.misses);
    const timer = this.#node.clock.after(searchPause(misses), () => {
      this.#pauses.delete(timer);
      if (this.#isWanted(sid, waiting)) this.#find(sid, waiting);
    });
    this.#pauses.add(timer);
  }

  /** Whether somebody still waits for the search; else it ends. */
  #isWanted(sid: string, waiting: Set<Held>): boolean {
    for (const held of waiting) if (!held.isHeld) waiting.delete(held);
    if (waiting.size === 0) this.#searches.delete(sid);
    return waiting.size > 0;
  }

  #put(held: Held, found: Whereabouts): void {
    switch (found.kind) {
      case "here":
        this.#asked(held, this.#node.id);
        if (this.#node.askHere(held)) return;
        this.#missed(held, this.#node.id);
        this.#search(held);
        return;
      case "at":
        this.#asked(held, found.node);
        // A poll says next to nothing; its deadlines, and those of the others, run on.
        if (held.kind !== RequestKind.Get && this.#node.isCongested(found.node)) this.#waiting.add(found.node, held);
        else this.#ask(found.node, held);
        return;
      case "unknown":
        this.#finish(held, bare(AnswerCode.UnknownSid));
        return;
      case "away":
        held.misses++;
        this.#search(held);
    }
  }

  #ask(node: NodeId, held: Held): void {
    if (!this.#node.ask(node, held)) this.#finish(held, bare(AnswerCode.TooLarge));
  }

  /** It was put to a node that does not own the session. */
  #missed(held: Held, stranger: NodeId): void {
    held.misses++;
    (held.strangers ??= new Strangers()).met(stranger);
  }

  #asked(held: Held, node: NodeId): void {
    held.askedAt = node;
    // But for a poll, which may be parked, the search's deadline runs on until the answer.
    this.#forgetRepeat(held);
    if (held.kind !== RequestKind.Get) held.repeatedAt = this.#postDeadlines.add(held);
    else {
      this.#forgetSearch(held);
      if (node !== this.#node.id) held.repeatedAt = this.#pollRepeats.add(held);
    }
  }

  /**
   * A poll that is still held is said again, twice. A balancer that moves a poll on breaks its first connection, and the
   * owner then waits for `pollGrace` only: it is not to depend on the beats alone whether it hears of the second one. A node that
   * stands still cannot say that the session is another's by now: then the owner is looked for.
   */
  #repeatPoll(held: Held): void {
    const { askedAt } = held;
    if (askedAt === undefined || askedAt === this.#node.id) return;
    this.#node.countRepeat("poll");
    held.repeats++;
    if (held.repeats <= POLL_REPEATS && this.#node.isSilent(askedAt)) {
      this.#search(held);
      return;
    }
    this.#node.ask(askedAt, held);
    if (held.repeats < POLL_REPEATS) held.repeatedAt = this.#pollRepeats.add(held);
  }

  #postOverdue(held: Held): void {
    if (held.askedAt === undefined) return;
    this.#node.countRepeat("deadline");
    this.#search(held);
  }

  #finish(held: Held, answer: Answer): void {
    this.#forget(held);
    for (const connection of held.connections) connection.answer(answer);
  }

  #forget(held: Held): void {
    if (held.askedAt !== undefined) this.#waiting.remove(held.askedAt, held);
    this.#held.remove(held);
    this.#forgetSearch(held);
    this.#forgetRepeat(held);
  }

  #forgetSearch(held: Held): void {
    if (held.givenUpAt === undefined) return;
    this.#searchDeadlines.remove(held.givenUpAt);
    held.givenUpAt = undefined;
  }

  #forgetRepeat(held: Held): void {
    if (held.repeatedAt === undefined) return;
    if (held.kind === RequestKind.Get) this.#pollRepeats.remove(held.repeatedAt);
    else this.#postDeadlines.remove(held.repeatedAt);
    held.repeatedAt = undefined;
  }
}
