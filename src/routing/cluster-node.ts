import type { Frame } from "../bus/frame";
import type { Links } from "../bus/links";
import { Membership, type MembershipListener } from "../ownership/membership";
import { Sweeps } from "../ownership/sweeps";
import type { Revision, TransportName } from "../protocol/names";
import { AnswerCode, bare, RequestKind, type Answer } from "../session/answers";
import { Deadlines } from "../time/deadlines";
import { encodingFor, queryOf } from "../session/handshake";
import { Outbox } from "../session/outbox";
import { OwnedSession } from "../session/owned-session";
import type { SessionHandle } from "../session/owner-node";
import type { Socket } from "../session/socket";
import type {
  Commit,
  CommitWaiter,
  Found,
  LookResult,
  NodeId,
  OpenResult,
  RestoreResult,
  SessionRecord,
  SessionStore,
} from "../store/port";
import type { Counters, FrequentCounts } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import type { Tick, TickWork } from "../time/tick";
import { CLOSE_TIMEOUT } from "../transports/polling";
import { Gateways, type GatewayNode, type HeldWebSocket } from "./gateways";
import type { Asked, Held, WaitingConnection } from "./held";
import { Handovers } from "./handovers";
import { Holder, type HolderNode, type HolderTimes, type Whereabouts } from "./holder";
import { answerFrame, ask, gone, MessageKind, notMine, readAnswer, readKind } from "./messages";
import { OwnerCache } from "./owner-cache";
import { Relays, type RelayNode } from "./relays";
import { RemoteSends, UnavailableError, type SendLimit } from "./remote-sends";
import { Renewals } from "./renewals";
import { Standstill } from "./standstill";
import { StoreWatch } from "./store-watch";
import { TakenNotices } from "./taken-notices";
import { Takeovers, type TakeoverNode } from "./takeovers";
import { vitalsOf, type Vitals } from "./vitals";

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
  readonly upgradeTimeout: number;
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
  readonly ring: number;
  readonly maxDataChars: number;
  readonly ownerCache: number;
  readonly sendLimit: SendLimit;
  /** Whether sessions of dead owners go on here, or are closed so that their clients reconnect. */
  readonly adopts: boolean;
  /** Units of a relayed websocket that may be under way, in each direction. */
  readonly relayLimit: number;
}

/**
 * One node of the cluster: the sessions that it owns, the requests that it holds, and what passes between it, the store and
 * the other nodes.
 */
export class ClusterNode implements TakeoverNode, HolderNode, RelayNode, GatewayNode, MembershipListener {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly ring: number;
  readonly ringCover: number;
  readonly maxDataChars: number;
  readonly refreshAfter: number;
  readonly upgradeTimeout: number;
  readonly relayLimit: number;
  readonly tick: Tick;
  readonly counts: FrequentCounts;
  readonly grace: Deadlines<SessionHandle>;
  readonly closing: Deadlines<SessionHandle>;
  readonly #options: ClusterNodeOptions;
  readonly #lingering: Deadlines<SessionHandle>;
  readonly #sessions = new Map<string, OwnedSession>();
  readonly #looks = new Map<string, Promise<LookResult>>();
  readonly #takeovers: Takeovers;
  readonly #notices: TakenNotices;
  readonly #sweeps: Sweeps;
  readonly #renewals: Renewals;
  readonly #relays: Relays;
  readonly #gateways: Gateways;
  readonly #handovers: Handovers;
  readonly #sends: RemoteSends;
  readonly #cache: OwnerCache;
  readonly #holder: Holder;
  readonly #links: Links;
  readonly #membership: Membership;
  readonly #counters: Counters;
  readonly #storeWatch: StoreWatch;
  readonly #standstill: Standstill;

  constructor(options: ClusterNodeOptions) {
    const { clock, times } = options;
    this.#options = options;
    this.id = options.id;
    this.clock = clock;
    this.ring = options.ring;
    this.ringCover = times.leaseTtl;
    this.maxDataChars = options.maxDataChars;
    this.tick = options.tick;
    this.refreshAfter = times.recordTtl / 4;
    this.upgradeTimeout = times.upgradeTimeout;
    this.relayLimit = options.relayLimit;
    this.#counters = options.counters;
    this.counts = options.counters.frequent;
    this.grace = new Deadlines(clock, times.pollGrace, graceOver);
    this.closing = new Deadlines(clock, CLOSE_TIMEOUT, closingOver);
    this.#lingering = new Deadlines(clock, times.linger, (session) => {
      if (this.#sessions.get(session.sid) === session) this.#sessions.delete(session.sid);
    });
    this.#cache = new OwnerCache(options.ownerCache);
    this.#holder = new Holder(this, times);
    this.#takeovers = new Takeovers(this, options.store);
    this.#notices = new TakenNotices(this);
    this.#renewals = new Renewals(clock, options.store, options.id, times.recordTtl / 4);
    this.#relays = new Relays(this);
    this.#gateways = new Gateways(this);
    this.#handovers = new Handovers(this, {
      holder: this.#holder,
      gateways: this.#gateways,
      takeovers: this.#takeovers,
      handsOver: options.adopts,
    });
    this.#sends = new RemoteSends(options.id, options.tick, options.sendLimit, (asked, connection) => {
      this.#holder.hold(asked, connection);
    });
    this.#links = options.links(this);
    this.#membership = new Membership({
      node: options.id,
      store: options.store,
      clock,
      leaseTtl: times.leaseTtl,
      listener: this,
    });
    this.#standstill = new Standstill(clock, times.leaseTtl);
    this.#sweeps = new Sweeps(this, options.store);
    this.#storeWatch = new StoreWatch({
      node: options.id,
      clock,
      store: options.store,
      sessions: this.#sessions,
      patience: times.leaseTtl,
      returned: () => {
        this.#membership.storeReturned();
        this.#renewals.runNow();
      },
    });
  }

  get storeGeneration(): number {
    return this.#options.store.generation;
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

  /** How much of each kind this node keeps: nothing, when all its sessions have ended and `linger` has passed. */
  get sizes(): Readonly<Record<string, number>> {
    return {
      sessions: this.#sessions.size,
      held: this.#holder.size,
      searches: this.#holder.searches,
      claims: this.#takeovers.size,
      sends: this.#sends.size,
      gateways: this.#gateways.size,
      relays: this.#relays.size,
      renewals: this.#renewals.size,
      grace: this.grace.size,
      closing: this.closing.size,
    };
  }

  get others(): NodeId[] {
    return this.#membership.others;
  }

  get linkStats(): Links["stats"] {
    return this.#links.stats;
  }

  get vitals(): Vitals {
    return vitalsOf({
      membership: this.#membership,
      links: this.#links,
      leaving: this.leaving,
      waiting: this.#holder.waiting,
      sessions: this.#sessions.values(),
      gateways: this.#gateways.size,
      relays: this.#relays.size,
    });
  }

  /** Resolves when the node is reachable for the others and holds its lease. */
  async start(): Promise<void> {
    await this.#options.store.ready();
    await this.#links.start(this.#membership.incarnation);
    await this.#membership.start();
    this.#standstill.start();
  }

  /** Whether this node gives up all that is here: its connections are to go elsewhere. */
  get leaving(): boolean {
    return this.#handovers.leaving;
  }

  /** See `Handovers.leave`. */
  leave(timeout: number, handedOver: () => void): Promise<void> {
    return this.#handovers.leave(timeout, handedOver);
  }

  async stop(): Promise<void> {
    this.#standstill.stop();
    this.#sweeps.stop();
    this.#storeWatch.stop();
    this.#gateways.closeAll();
    this.#holder.stop();
    this.#renewals.stop();
    this.grace.stop();
    this.closing.stop();
    this.#lingering.stop();
    await this.#membership.stop();
    await this.#links.stop();
    await this.#options.store.close();
    for (const session of this.#sessions.values()) session.halt();
  }

  // ---- requests and handshakes that arrive here ----

  /** How long a request is to wait before it is held, in milliseconds; see `Standstill`. */
  get pause(): number {
    return this.#standstill.pause;
  }

  hold(asked: Asked, connection: WaitingConnection): Held {
    const { kind, sid } = asked;
    const held = this.#holder.hold(asked, connection);
    const local = this.#sessions.has(sid);
    if (kind === RequestKind.Get) this.counts[local ? "polls.local" : "polls.remote"]++;
    else this.counts[local ? "posts.local" : "posts.remote"]++;
    return held;
  }

  release(held: Held, connection: WaitingConnection): void {
    this.#holder.release(held, connection);
  }

  /** Whether an id is taken at this node already. */
  has(sid: string): boolean {
    return this.#sessions.has(sid);
  }

  open(sid: string, handshake: string, protocol: Revision, transport: TransportName): Promise<OpenResult> {
    return this.#options.store.open({ sid, node: this.id, protocol, transport, handshake });
  }

  /** A session whose record was opened by this node. */
  own(sid: string, handshake: string, protocol: Revision, transport: TransportName): OwnedSession {
    const fresh = { turn: 0, phase: "open", outbox: new Outbox(), answered: [], handled: [], extra: "" } as const;
    const encoding = encodingFor(protocol, queryOf(handshake));
    const session = new OwnedSession(sid, this, { ...fresh, handshake, encoding, transport });
    this.#add(session);
    return session;
  }

  /** A websocket of a session that another node owns. */
  relay(sid: string, websocket: HeldWebSocket): void {
    this.#counters.count("relayed");
    this.#gateways.open(sid, websocket);
  }

  /** Sessions in the indexes of all living nodes. */
  async countSessions(): Promise<number> {
    let count = 0;
    for (const session of this.#sessions.values()) if (!session.over) count++;
    for (const node of this.#membership.others) count += await this.#countOf(node);
    return count;
  }

  async #countOf(node: NodeId): Promise<number> {
    // By name: a slice may show a session twice.
    const sids = new Set<string>();
    let cursor = "0";
    do {
      const slice = await this.#options.store.indexSlice(node, cursor);
      if (slice.kind === "away") throw new UnavailableError("cluster.count");
      for (const sid of slice.sids) sids.add(sid);
      cursor = slice.cursor;
    } while (cursor !== "0");
    return sids.size;
  }

  /** Sends to sessions anywhere in the cluster. */
  get sends(): RemoteSends {
    return this.#sends;
  }

  #add(session: OwnedSession): void {
    this.#sessions.set(session.sid, session);
    this.#cache.delete(session.sid);
    this.#options.store.index(this.id, [session.sid], []);
  }

  // ---- the owner's side: OwnerNode ----

  get wasDeaf(): boolean {
    // Those who joined a moment ago are in no list of leases yet.
    const alone = this.#membership.alone && !this.#links.speaks;
    return !alone && this.#links.wasDeaf(this.#options.times.pollGrace);
  }

  lives(node: NodeId): boolean {
    return !this.isDead(node);
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

  onUpgraded(session: SessionHandle): void {
    this.#renewals.add(session);
  }

  onEnded(session: SessionHandle): void {
    this.#renewals.remove(session);
    this.#options.store.index(this.id, [], [session.sid]);
    this.#lingering.add(session);
  }

  onLost(session: SessionHandle, owner: NodeId | undefined): void {
    this.#counters.count("lost");
    this.#renewals.remove(session);
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
    const claiming = this.#takeovers.running(sid);
    if (claiming !== undefined) return claiming;
    // No session has such an id: whoever makes them up is to cost the store nothing.
    if (sid.length > MAX_SID_CHARS) return UNKNOWN;
    const found = await this.#look(sid);
    if (found.kind !== "found") return found.kind === "unknown" && !this.#storeWatch.recovering ? UNKNOWN : AWAY;
    if (this.#sessions.has(sid)) return HERE;
    const { owner } = found;
    // Own record without a session here: a claim of this node whose answer got lost. Claiming is harmless.
    if (doubt || owner === this.id || this.#membership.isDead(owner)) {
      // U6: not on a suspicion, since a claim ends it.
      const spared = found.transport === "websocket" && found.phase === "open" && owner !== this.id;
      if (!spared || this.leaseEnded(owner)) return this.claim(sid, found);
      // An owner that is doubted and lives is asked all the same: a gateway whose ack was lost would look on in vain.
      if (this.#membership.isDead(owner)) return AWAY;
    }
    this.#cache.set(sid, owner);
    return { kind: "at", node: owner, protocol: found.protocol };
  }

  /** Equal looks at one time are one. */
  #look(sid: string): Promise<LookResult> {
    const running = this.#looks.get(sid);
    if (running !== undefined) return running;
    this.#counters.count("looks");
    const look = this.#options.store.look(sid).finally(() => this.#looks.delete(sid));
    this.#looks.set(sid, look);
    return look;
  }

  askHere(held: Held): boolean {
    const session = this.#sessions.get(held.sid);
    if (session === undefined) return false;
    this.#request(session, held.kind, held.t, held.body, held.revision, this.id);
    return true;
  }

  ask(node: NodeId, held: Held): void {
    this.#links.send(node, ask(held));
  }

  hintGone(node: NodeId, held: Held): void {
    if (node === this.id) this.#sessions.get(held.sid)?.gone(held.t, this.id);
    else this.#links.send(node, gone(held.sid, held.t));
  }

  isSilent(node: NodeId): boolean {
    return this.#links.isSilent(node);
  }

  countRepeat(why: string): void {
    this.#counters.count("repeats", why);
  }

  // ---- takeover ----

  claim(sid: string, { owner, turn }: Found): Promise<Whereabouts> {
    return this.#takeovers.claim(sid, owner, turn);
  }

  leaseEnded(node: NodeId): boolean {
    return this.#membership.leaseEnded(node);
  }

  isDead(node: NodeId): boolean {
    return this.#membership.isDead(node);
  }

  onClaimed(session: OwnedSession, from: NodeId, record: SessionRecord): void {
    const { sid } = session;
    // One that is here was claimed by others meanwhile. Left alone it would be told that its next turns are committed, as repetitions
    // of those that the others made under the same numbers.
    this.#sessions.get(sid)?.replaced();
    this.#add(session);
    if (from !== this.id) this.#notices.tell(from, sid, record.turn);
    if (record.phase === "closed") {
      this.onEnded(session);
      return;
    }
    if (record.transport === "websocket") {
      session.endOrphan();
      return;
    }
    this.#counters.count(this.isDead(from) ? "takeovers" : "handovers");
    this.#options.events.onTakeover(sid, from);
    if (!this.#options.adopts) {
      session.closeUnadopted();
      return;
    }
    const socket = this.#options.engine.adopt(sid, record, session);
    session.useSocket(socket);
    session.resume();
    // Before any request is handed over: the requests that wait for this claim are put when it resolves.
    if (record.phase === "open") this.#options.engine.announce(socket);
  }

  // ---- relays: RelayNode, GatewayNode ----

  session(sid: string): OwnedSession | undefined {
    return this.#sessions.get(sid);
  }

  send(node: NodeId, frame: Frame): void {
    if (node === this.id) this.onFrame(node, frame);
    else this.#links.send(node, frame);
  }

  // ---- what comes over the links ----

  onFrame(from: NodeId, frame: Frame): void {
    this.#membership.heardFrom(from);
    const { sid, t } = frame;
    switch (frame.kind) {
      case MessageKind.AskGet:
        this.#asked(from, frame, RequestKind.Get);
        return;
      case MessageKind.AskPost:
        this.#asked(from, frame, RequestKind.Post);
        return;
      case MessageKind.AskSend:
        this.#asked(from, frame, RequestKind.Send);
        return;
      case MessageKind.Answer: {
        const read = readAnswer(frame);
        if (read !== undefined) this.#holder.onAnswer(read.kind, sid, t, read.answer);
        return;
      }
      case MessageKind.NotMine: {
        this.#cache.delete(sid);
        const kind = readKind(frame.n);
        if (kind !== undefined) this.#holder.onNotMine(from, kind, sid, t);
        return;
      }
      case MessageKind.Gone:
        this.#sessions.get(sid)?.gone(t, from);
        return;
      case MessageKind.Taken: {
        const session = this.#sessions.get(sid);
        // O6: only the store's word counts; this is the occasion to ask for it.
        if (session !== undefined && session.turn < frame.n) session.prove();
        return;
      }
      case MessageKind.Handover:
      case MessageKind.Release:
      case MessageKind.Leaving:
        this.#handovers.onFrame(from, frame);
        return;
      case MessageKind.RelayIn:
        this.counts["relayFrames.fromClient"]++;
        this.#relays.onMessage(from, frame);
        return;
      case MessageKind.RelayGone:
        this.#relays.onGone(from, frame);
        return;
      case MessageKind.RelayCredit:
        this.#relays.onCredit(from, frame);
        return;
      case MessageKind.RelayNotMine:
        this.#cache.delete(sid);
        this.#gateways.onFrame(from, frame);
        return;
      case MessageKind.RelayOut:
        this.counts["relayFrames.toClient"]++;
        this.#gateways.onFrame(from, frame);
        return;
      case MessageKind.RelayAck:
      case MessageKind.RelayClose:
        this.#gateways.onFrame(from, frame);
    }
  }

  #asked(from: NodeId, frame: Frame, kind: RequestKind): void {
    const session = this.#sessions.get(frame.sid);
    if (session === undefined) this.#links.send(from, notMine(kind, frame.sid, frame.t));
    // O6: this node stood still, or cannot reach the store, and others may have claimed what was its own. They are asked: nobody's
    // handlers run here for what is refused later, and nobody waits here for a store that others can reach.
    else if (this.#membership.lapsed) {
      this.#counters.count("lapsed");
      this.#links.send(from, notMine(kind, frame.sid, frame.t));
    } else this.#request(session, kind, frame.t, frame.body, frame.n, from);
  }

  /** Puts a request to the session that it names. */
  #request(
    session: OwnedSession,
    kind: RequestKind,
    t: string,
    body: string | Uint8Array,
    revision: number,
    holder: NodeId,
  ): void {
    if (revision !== 0 && revision !== session.protocol) {
      this.answer(holder, kind, session.sid, t, bare(AnswerCode.OtherProtocol));
    } else if (kind === RequestKind.Get) session.poll(t, holder);
    else if (kind === RequestKind.Post) session.post(t, holder, body);
    else session.sendFrom(t, holder, body);
  }

  onBeat(from: NodeId): void {
    this.#membership.heardFrom(from);
  }

  /** Anything held over the link with that node may be lost, on the way there or back. */
  onLoss(peer: NodeId): void {
    this.#counters.count("linkLosses");
    this.#holder.askAgainAt(peer, "link loss");
    this.#notices.onLoss(peer);
    this.#relays.onLoss(peer);
    this.#gateways.onTrouble(peer);
  }

  onNoResponder(peer: NodeId): void {
    this.#membership.foundNobody(peer);
    if (this.#membership.isDead(peer)) return;
    this.clock.after(NO_RESPONDER_PAUSE, () => {
      if (this.#membership.isDead(peer)) return;
      this.#holder.askAgainAt(peer, "no responder");
      this.#gateways.onTrouble(peer);
      // Nothing may be due to it but what it would say itself: a gateway whose clients are quiet.
      this.#links.probe(peer);
    });
  }

  // ---- MembershipListener ----

  onNodeJoined(node: NodeId): void {
    this.#notices.sweep();
    this.#handovers.forget(node);
    this.#options.events.onNodeJoined(node);
  }

  onNodeDead(node: NodeId): void {
    this.#handovers.forget(node);
    this.#links.forget(node);
    for (const session of this.#sessions.values()) session.holderDied(node);
    this.#options.events.onNodeDead(node);
    this.#holder.askAgainAt(node, "node dead");
    this.#gateways.onTrouble(node);
    // Also where it only could not be found: should it live, it hears of a loss on the link that was forgotten above, and
    // closes its websockets.
    this.#relays.onGatewayDead(node);
  }

  onLeaseEnded(node: NodeId): void {
    this.#sweeps.onLeaseEnded(node);
  }

  onLeaseRetaken(incarnation: number): void {
    this.#links.reset(incarnation);
    for (const session of this.#sessions.values()) session.prove();
  }
}

/** The longest session id, in characters: ids become part of keys. */
export const MAX_SID_CHARS = 128;

const HERE: Whereabouts = { kind: "here" };
const UNKNOWN: Whereabouts = { kind: "unknown" };
const AWAY: Whereabouts = { kind: "away" };

/** How long to wait, in milliseconds, before a node that nobody answered for is asked the second time; more than SUSPECT_AFTER. */
const NO_RESPONDER_PAUSE = 120;

function graceOver(session: SessionHandle): void {
  session.graceOver();
}

function closingOver(session: SessionHandle): void {
  session.closingOver();
}
