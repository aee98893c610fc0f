import type { Revision, TransportName } from "../protocol/names";
import { inBulk } from "../ownership/bulk";
import type { Answer, RequestKind } from "../session/answers";
import { encodingFor, queryOf } from "../session/handshake";
import { Outbox } from "../session/outbox";
import { OwnedSession } from "../session/owned-session";
import type { OwnerNode, SessionHandle } from "../session/owner-node";
import type {
  Commit,
  CommitWaiter,
  NodeId,
  OpenResult,
  RestoreResult,
  SessionRecord,
  SessionStore,
} from "../store/port";
import type { Counters, FrequentCounts } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import { Deadlines } from "../time/deadlines";
import { runApart } from "../time/throw-later";
import type { Tick, TickWork } from "../time/tick";
import type { NodeTimes } from "./node-options";
import { Renewals } from "./renewals";

/** What the sessions of a node reach through it: the other nodes. */
export interface OwnersReach {
  /** Whether what the node holds counts: it is not known to be dead. */
  mayHold(node: NodeId): boolean;
  /** See `OwnerNode`. */
  readonly wasDeaf: boolean;
  readonly inDoubt: boolean;
  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void;
  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void;
  /** Puts a pong to the session's owner, wherever that is. */
  passPong(sid: string): void;
  /** The session was found to be owned by `owner`. */
  movedTo(sid: string, owner: NodeId): void;
  /** The session is not this node's any more; true where it gave it up itself, for others to find in its index. */
  gaveUp(sid: string): boolean;
  /** The session is this node's from now on. */
  arrived(sid: string): void;
}

export interface OwnedSessionsOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly store: SessionStore;
  readonly counters: Counters;
  readonly times: NodeTimes;
  readonly ring: number;
  readonly maxDataChars: number;
}

/** The sessions that a node owns, and those that ended a moment ago; what they need of it and of the store. */
export class OwnedSessions implements OwnerNode {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly counts: FrequentCounts;
  readonly ring: number;
  readonly ringCover: number;
  readonly refreshAfter: number;
  readonly recordLasts: number;
  readonly maxDataChars: number;
  readonly upgradeTimeout: number;
  readonly grace: Deadlines<SessionHandle>;
  readonly closing: Deadlines<SessionHandle>;
  /** Websocket sessions, whose records few turns renew. */
  readonly renewals: Renewals;
  readonly #lingering: Deadlines<SessionHandle>;
  readonly #sessions = new Map<string, OwnedSession>();
  readonly #store: SessionStore;
  readonly #counters: Counters;
  readonly #tick: Tick;
  readonly #reach: OwnersReach;
  #stopped = false;

  constructor(options: OwnedSessionsOptions, reach: OwnersReach) {
    const { id, clock, store, times, counters } = options;
    this.id = id;
    this.clock = clock;
    this.counts = counters.frequent;
    this.ring = options.ring;
    this.ringCover = times.leaseTtl;
    this.refreshAfter = times.recordTtl / 4;
    // Closed it lives for `linger`, open for what is left when it is not due to be moved on. Somewhat less: the store has another clock.
    this.recordLasts = 0.9 * Math.min(times.linger, times.recordTtl - this.refreshAfter);
    this.maxDataChars = options.maxDataChars;
    this.upgradeTimeout = times.upgradeTimeout;
    this.#store = store;
    this.#counters = counters;
    this.#tick = options.tick;
    this.#reach = reach;
    this.renewals = new Renewals(clock, store, id, times.recordTtl / 4);
    this.grace = new Deadlines(clock, times.pollGrace, graceOver);
    this.closing = new Deadlines(clock, times.closeTimeout, closingOver);
    this.#lingering = new Deadlines(clock, times.linger, (session) => {
      if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
    });
  }

  /** By id, those that ended a moment ago included. */
  get all(): ReadonlyMap<string, OwnedSession> {
    return this.#sessions;
  }

  /** Sessions that have not ended. */
  get livingCount(): number {
    let count = 0;
    for (const session of this.#sessions.values()) if (!session.over) count++;
    return count;
  }

  get(sid: string): OwnedSession | undefined {
    return this.#sessions.get(sid);
  }

  has(sid: string): boolean {
    return this.#sessions.has(sid);
  }

  add(session: OwnedSession): void {
    this.#listed(session);
    this.#store.index(this.id, [session.sid], []);
  }

  #listed(session: OwnedSession): void {
    this.#sessions.set(session.sid, session);
    this.#reach.arrived(session.sid);
  }

  async open(sid: string, handshake: string, protocol: Revision, transport: TransportName): Promise<OpenResult> {
    // Before the record: a node that died right behind an answer had sessions in no index, and nobody swept them.
    this.#store.index(this.id, [sid], []);
    const result = await this.#store.open({ sid, node: this.id, protocol, transport, handshake });
    if (result.kind !== "ok") this.unlist([sid]);
    return result;
  }

  /** A session whose record was opened by this node. */
  own(sid: string, handshake: string, protocol: Revision, transport: TransportName): OwnedSession {
    const fresh = { turn: 0, phase: "open", outbox: new Outbox(), answered: [], handled: [], extra: "" } as const;
    const encoding = encodingFor(protocol, queryOf(handshake));
    const session = new OwnedSession(sid, this, { ...fresh, handshake, encoding, transport });
    this.#listed(session);
    return session;
  }

  /** Each is to find out whether it is this node's still (O6). */
  proveAll(): void {
    for (const session of this.#sessions.values()) session.prove();
  }

  /** The same, a few at a time. */
  async proveSoon(): Promise<void> {
    for await (const sids of inBulk(this.clock, [...this.#sessions.keys()]))
      for (const sid of sids) this.#sessions.get(sid)?.prove();
  }

  giveUpAll(): void {
    for (const session of [...this.#sessions.values()]) {
      runApart(this.clock, () => {
        session.giveUp();
      });
    }
  }

  /** Whoever swept here took the names out of this node's index, of websockets that go on too. */
  listAll(): void {
    const sids = [...this.#sessions.values()].filter((session) => !session.over).map((session) => session.sid);
    if (sids.length > 0) this.#store.index(this.id, sids, []);
  }

  unlist(sids: readonly string[]): void {
    if (sids.length > 0) this.#store.index(this.id, [], sids);
  }

  /** No time ends anything any more. */
  stop(): void {
    this.#stopped = true;
    this.renewals.stop();
    this.grace.stop();
    this.closing.stop();
    this.#lingering.stop();
  }

  /** No turn follows. */
  halt(): void {
    for (const session of this.#sessions.values()) session.halt();
  }

  // ---- OwnerNode ----

  get storeGeneration(): number {
    return this.#store.generation;
  }

  get inDoubt(): boolean {
    return this.#reach.inDoubt;
  }

  get wasDeaf(): boolean {
    return this.#reach.wasDeaf;
  }

  lives(node: NodeId): boolean {
    return this.#reach.mayHold(node);
  }

  turnDue(work: TickWork): void {
    this.#tick.turn(work);
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.#store.commit(commit, waiter);
  }

  restore(sid: string, record: SessionRecord): Promise<RestoreResult> {
    this.#counters.count("restores");
    return this.#store.restore(sid, record);
  }

  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void {
    this.#reach.answer(holder, kind, sid, t, answer);
  }

  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void {
    this.#reach.notMine(holder, kind, sid, t);
  }

  passPong(sid: string): void {
    if (!this.#stopped) this.#reach.passPong(sid);
  }

  onUpgraded(session: SessionHandle): void {
    this.renewals.add(session);
  }

  onEnded(session: SessionHandle): void {
    this.renewals.remove(session);
    this.#store.index(this.id, [], [session.sid]);
    this.#lingering.add(session);
  }

  onLost(session: SessionHandle, owner: NodeId | undefined): void {
    this.#counters.count("lost");
    this.renewals.remove(session);
    if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
    if (!this.#reach.gaveUp(session.sid)) this.unlist([session.sid]);
    if (owner !== undefined && owner !== this.id) this.#reach.movedTo(session.sid, owner);
  }
}

function graceOver(session: SessionHandle): void {
  session.graceOver();
}

function closingOver(session: SessionHandle): void {
  session.closingOver();
}
