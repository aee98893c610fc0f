import type { Frame } from "../bus/frame";
import type { Links } from "../bus/links";
import { Membership, type MembershipListener } from "../ownership/membership";
import { RequestKind, type Answer } from "../session/answers";
import { Deadlines } from "../session/deadlines";
import { Outbox } from "../session/outbox";
import { OwnedSession } from "../session/owned-session";
import type { OwnerNode, OwnerRules } from "../session/owner-node";
import type { Socket } from "../session/socket";
import type {
  Commit,
  CommitWaiter,
  Found,
  NodeId,
  OpenResult,
  RestoreResult,
  SessionRecord,
  SessionStore,
} from "../store/port";
import type { Clock } from "../time/clock";
import type { Tick, TickWork } from "../time/tick";
import { CLOSE_TIMEOUT } from "../transports/polling";
import type { Counters } from "../telemetry/counters";
import type { Held, WaitingConnection } from "./held";
import { Holder, type HolderNode, type HolderTimes, type Whereabouts } from "./holder";
import { answerFrame, ask, gone, MessageKind, notMine, readAnswer, taken } from "./messages";
import { OwnerCache } from "./owner-cache";

/** What a node needs of the engine whose sessions it runs. */
export interface NodeEngine {
  /** Makes the socket of a session that this node claimed. `announce` afterwards emits `connection`. */
  adopt(sid: string, record: SessionRecord, session: OwnedSession): Socket;
  announce(socket: Socket): void;
}

export interface NodeEvents {
  onNodeJoined(node: NodeId): void;
  onNodeDead(node: NodeId): void;
  onTakeover(sid: string, from: NodeId): void;
}

export interface NodeTimes extends HolderTimes {
  readonly pollGrace: number;
  readonly linger: number;
  readonly leaseTtl: number;
  readonly recordTtl: number;
}

export interface ClusterNodeOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly store: SessionStore;
  readonly links: (handler: ClusterNode) => Links;
  readonly engine: NodeEngine;
  readonly events: NodeEvents;
  readonly counters: Counters;
  readonly times: NodeTimes;
  readonly rules: OwnerRules;
  readonly ring: number;
  readonly maxDataChars: number;
  readonly ownerCache: number;
}

/**
 * One node of the cluster: the sessions that it owns, the requests that it holds, and what passes between it, the store and
 * the other nodes.
 */
export class ClusterNode implements OwnerNode, HolderNode, MembershipListener {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly rules: OwnerRules;
  readonly ring: number;
  readonly maxDataChars: number;
  readonly refreshAfter: number;
  readonly grace: Deadlines<OwnedSession>;
  readonly closing: Deadlines<OwnedSession>;
  readonly #options: ClusterNodeOptions;
  readonly #lingering: Deadlines<OwnedSession>;
  readonly #sessions = new Map<string, OwnedSession>();
  readonly #claims = new Map<string, Promise<Whereabouts>>();
  readonly #cache: OwnerCache;
  readonly #holder: Holder;
  readonly #links: Links;
  readonly #membership: Membership;
  readonly #counters: Counters;

  constructor(options: ClusterNodeOptions) {
    const { clock, times } = options;
    this.#options = options;
    this.id = options.id;
    this.clock = clock;
    this.rules = options.rules;
    this.ring = options.ring;
    this.maxDataChars = options.maxDataChars;
    this.refreshAfter = times.recordTtl / 4;
    this.#counters = options.counters;
    this.grace = new Deadlines(clock, times.pollGrace, graceOver);
    this.closing = new Deadlines(clock, CLOSE_TIMEOUT, closingOver);
    this.#lingering = new Deadlines(clock, times.linger, (session) => {
      if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
    });
    this.#cache = new OwnerCache(options.ownerCache);
    this.#holder = new Holder(this, times);
    this.#links = options.links(this);
    this.#membership = new Membership({
      node: options.id,
      store: options.store,
      clock,
      leaseTtl: times.leaseTtl,
      listener: this,
    });
  }

  /** Sessions here, those that ended a moment ago included. */
  get sessions(): ReadonlyMap<string, OwnedSession> {
    return this.#sessions;
  }

  /** Whether a session here has not ended yet. */
  get unsettled(): boolean {
    for (const session of this.#sessions.values()) if (!session.over) return true;
    return false;
  }

  get held(): number {
    return this.#holder.size;
  }

  get others(): NodeId[] {
    return this.#membership.others;
  }

  get linkStats(): Links["stats"] {
    return this.#links.stats;
  }

  /** Resolves when the node is reachable for the others and holds its lease. */
  async start(): Promise<void> {
    await this.#options.store.ready();
    await this.#links.start(this.#membership.incarnation);
    await this.#membership.start();
  }

  async stop(): Promise<void> {
    this.#holder.stop();
    this.grace.stop();
    this.closing.stop();
    this.#lingering.stop();
    await this.#membership.stop();
    await this.#links.stop();
    await this.#options.store.close();
  }

  // ---- requests and handshakes that arrive here ----

  hold(kind: RequestKind, sid: string, t: string, body: string | Uint8Array, connection: WaitingConnection): Held {
    const held = this.#holder.hold(kind, sid, t, body, connection);
    this.#counters.count(kind === RequestKind.Get ? "polls" : "posts", this.#sessions.has(sid) ? "local" : "remote");
    return held;
  }

  release(held: Held, connection: WaitingConnection): void {
    this.#holder.release(held, connection);
  }

  /** Whether an id is taken at this node already. */
  has(sid: string): boolean {
    return this.#sessions.has(sid);
  }

  open(sid: string, handshake: string): Promise<OpenResult> {
    return this.#options.store.open({ sid, node: this.id, protocol: 4, transport: "polling", handshake });
  }

  /** A session whose record was opened by this node. */
  own(sid: string, handshake: string): OwnedSession {
    const session = new OwnedSession(sid, this, {
      turn: 0,
      phase: "open",
      outbox: new Outbox(),
      answered: [],
      handled: [],
      handshake,
      data: "",
    });
    this.#add(session);
    return session;
  }

  #add(session: OwnedSession): void {
    this.#sessions.set(session.sid, session);
    this.#cache.delete(session.sid);
    this.#options.store.index(this.id, [session.sid], []);
  }

  // ---- the owner's side: OwnerNode ----

  lives(node: NodeId): boolean {
    return !this.#membership.isDead(node);
  }

  turnDue(work: TickWork): void {
    this.#options.tick.turn(work);
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.#options.store.commit(commit, waiter);
  }

  restore(sid: string, record: SessionRecord): Promise<RestoreResult> {
    this.#counters.count("restores");
    return this.#options.store.restore(sid, record);
  }

  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void {
    if (holder === this.id) this.#holder.onAnswer(kind, sid, t, answer);
    else this.#links.send(holder, answerFrame(kind, sid, t, answer));
  }

  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void {
    if (holder === this.id) this.#holder.onNotMine(this.id, kind, sid, t);
    else this.#links.send(holder, notMine(kind, sid, t));
  }

  onEnded(session: OwnedSession): void {
    this.#options.store.index(this.id, [], [session.sid]);
    this.#lingering.add(session);
  }

  onLost(session: OwnedSession, owner: NodeId | undefined): void {
    this.#counters.count("lost");
    if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
    this.#options.store.index(this.id, [], [session.sid]);
    if (owner !== undefined && owner !== this.id) this.#cache.set(session.sid, owner);
  }

  // ---- the holder's side: HolderNode ----

  guess(sid: string): Whereabouts | undefined {
    if (this.#sessions.has(sid)) return HERE;
    const node = this.#cache.get(sid);
    return node === undefined || this.#membership.isDead(node) ? undefined : { kind: "at", node };
  }

  async find(sid: string, doubt: boolean): Promise<Whereabouts> {
    if (this.#sessions.has(sid)) return HERE;
    const claiming = this.#claims.get(sid);
    if (claiming !== undefined) return claiming;
    const found = await this.#options.store.look(sid);
    this.#counters.count("looks");
    if (found.kind !== "found") return found.kind === "unknown" ? UNKNOWN : AWAY;
    if (this.#sessions.has(sid)) return HERE;
    if (found.transport === "websocket" && found.phase === "open") return { kind: "upgraded" };
    // Own record without a session here: a claim of this node whose answer got lost. Claiming is harmless.
    if (doubt || found.owner === this.id || this.#membership.isDead(found.owner)) return this.#claim(sid, found);
    this.#cache.set(sid, found.owner);
    return { kind: "at", node: found.owner };
  }

  askHere(held: Held): boolean {
    const session = this.#sessions.get(held.sid);
    if (session === undefined) return false;
    if (held.kind === RequestKind.Get) session.poll(held.t, this.id);
    else session.post(held.t, this.id, held.body);
    return true;
  }

  ask(node: NodeId, held: Held): void {
    this.#links.send(node, ask(held.kind, held.sid, held.t, held.body));
  }

  hintGone(node: NodeId, held: Held): void {
    if (node === this.id) this.#sessions.get(held.sid)?.gone(held.t, this.id);
    else this.#links.send(node, gone(held.sid, held.t));
  }

  countRepeat(why: string): void {
    this.#counters.count("repeats", why);
  }

  // ---- takeover ----

  #claim(sid: string, found: Found): Promise<Whereabouts> {
    const running = this.#claims.get(sid);
    if (running !== undefined) return running;
    const claiming = this.#claimNow(sid, found).finally(() => this.#claims.delete(sid));
    this.#claims.set(sid, claiming);
    return claiming;
  }

  async #claimNow(sid: string, found: Found): Promise<Whereabouts> {
    const result = await this.#options.store.claim(sid, this.id, found.turn);
    switch (result.kind) {
      case "ok":
        this.#adopt(sid, found.owner, result.record);
        return HERE;
      case "no":
        if (result.owner === this.id || this.#membership.isDead(result.owner)) return AWAY;
        this.#cache.set(sid, result.owner);
        return { kind: "at", node: result.owner };
      case "unknown":
        return UNKNOWN;
      case "away":
        return AWAY;
    }
  }

  #adopt(sid: string, from: NodeId, record: SessionRecord): void {
    if (this.#sessions.has(sid)) return;
    const session = new OwnedSession(sid, this, {
      turn: record.turn,
      phase: record.phase,
      outbox: Outbox.fromRecord(record),
      answered: record.answered,
      handled: record.handled,
      handshake: record.handshake,
      data: record.data,
    });
    this.#add(session);
    if (from !== this.id) this.#links.send(from, taken(sid, record.turn));
    if (record.phase === "closed") {
      this.onEnded(session);
      return;
    }
    this.#counters.count("takeovers");
    this.#options.events.onTakeover(sid, from);
    const socket = this.#options.engine.adopt(sid, record, session);
    session.useSocket(socket);
    session.resume();
    // Before any request is handed over: the requests that wait for this claim are put when it resolves.
    if (record.phase === "open") this.#options.engine.announce(socket);
  }

  // ---- what comes over the links ----

  onFrame(from: NodeId, frame: Frame): void {
    this.#membership.heardFrom(from);
    const { sid, t } = frame;
    switch (frame.kind) {
      case MessageKind.AskGet: {
        const session = this.#sessions.get(sid);
        if (session === undefined) this.#links.send(from, notMine(RequestKind.Get, sid, t));
        else session.poll(t, from);
        return;
      }
      case MessageKind.AskPost: {
        const session = this.#sessions.get(sid);
        if (session === undefined) this.#links.send(from, notMine(RequestKind.Post, sid, t));
        else session.post(t, from, frame.body);
        return;
      }
      case MessageKind.Answer: {
        const read = readAnswer(frame);
        if (read !== undefined) this.#holder.onAnswer(read.kind, sid, t, read.answer);
        return;
      }
      case MessageKind.NotMine:
        this.#cache.delete(sid);
        this.#holder.onNotMine(from, frame.n === 0 ? RequestKind.Get : RequestKind.Post, sid, t);
        return;
      case MessageKind.Gone:
        this.#sessions.get(sid)?.gone(t, from);
        return;
      case MessageKind.Taken: {
        const session = this.#sessions.get(sid);
        // O6: only the store's word counts; this is the occasion to ask for it.
        if (session !== undefined && session.turn < frame.n) session.prove();
      }
    }
  }

  onBeat(from: NodeId): void {
    this.#membership.heardFrom(from);
  }

  /** Anything held over the link with that node may be lost, on the way there or back. */
  onLoss(peer: NodeId): void {
    this.#counters.count("linkLosses");
    this.#holder.askAgainAt(peer, "link loss");
  }

  onNoResponder(peer: NodeId): void {
    this.#membership.foundNobody(peer);
    if (this.#membership.isDead(peer)) return;
    this.clock.after(NO_RESPONDER_PAUSE, () => {
      if (!this.#membership.isDead(peer)) this.#holder.askAgainAt(peer, "no responder");
    });
  }

  // ---- MembershipListener ----

  onNodeJoined(node: NodeId): void {
    this.#options.events.onNodeJoined(node);
  }

  onNodeDead(node: NodeId): void {
    this.#links.forget(node);
    for (const session of this.#sessions.values()) session.holderDied(node);
    this.#options.events.onNodeDead(node);
    this.#holder.askAgainAt(node, "node dead");
  }

  onLeaseRetaken(incarnation: number): void {
    this.#links.reset(incarnation);
    for (const session of this.#sessions.values()) session.prove();
  }
}

const HERE: Whereabouts = { kind: "here" };
const UNKNOWN: Whereabouts = { kind: "unknown" };
const AWAY: Whereabouts = { kind: "away" };

/** How long to wait, in milliseconds, before a node that nobody answered for is asked the second time; more than SUSPECT_AFTER. */
const NO_RESPONDER_PAUSE = 120;

function graceOver(session: OwnedSession): void {
  session.graceOver();
}

function closingOver(session: OwnedSession): void {
  session.closingOver();
}
