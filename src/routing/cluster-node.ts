import type { Frame } from "../bus/frame";
import type { Links } from "../bus/links";
import type { Rejection } from "../bus/message";
import { rejectionError } from "../bus/rejections";
import { Isolation } from "../ownership/isolation";
import { Membership, type MembershipListener } from "../ownership/membership";
import { Sweeps } from "../ownership/sweeps";
import type { Revision, TransportName } from "../protocol/names";
import { RequestKind, type Answer } from "../session/answers";
import type { OwnedSession } from "../session/owned-session";
import type { Found, NodeId, OpenResult, SessionRecord } from "../store/port";
import type { Counters, FrequentCounts } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import type { Tick } from "../time/tick";
import { Dispatch } from "./dispatch";
import { Gateways, type GatewayNode, type HeldWebSocket } from "./gateways";
import { GivenUp, type GivingNode } from "./given-up";
import { Handovers } from "./handovers";
import type { Asked, Held, WaitingConnection } from "./held";
import { Holder, type HolderNode, type Whereabouts } from "./holder";
import { answerFrame, ask, gone, leaseOver, notMine } from "./messages";
import { Identities, type Identity } from "./identities";
import type { ClusterNodeOptions } from "./node-options";
import { OwnedSessions, type OwnersReach } from "./owned-sessions";
import { OwnerCache } from "./owner-cache";
import { Relays, type RelayNode } from "./relays";
import { RemoteSends } from "./remote-sends";
import { MAX_SID_CHARS, Search } from "./search";
import { countSessions } from "./session-count";
import { Standstill } from "./standstill";
import { StoreWatch } from "./store-watch";
import { TakenNotices } from "./taken-notices";
import { Takeovers, type TakeoverNode } from "./takeovers";
import { vitalsOf, type Vitals } from "./vitals";

/**
 * One node of the cluster: the sessions that it owns, the requests that it holds, and what passes between it, the store and
 * the other nodes.
 */
export class ClusterNode
  implements OwnersReach, TakeoverNode, HolderNode, RelayNode, GatewayNode, GivingNode, MembershipListener
{
  readonly id: NodeId;
  readonly clock: Clock;
  readonly relayLimit: number;
  readonly tick: Tick;
  /** The sessions that this node owns. */
  readonly owned: OwnedSessions;
  readonly #counts: FrequentCounts;
  readonly #options: ClusterNodeOptions;
  readonly #takeovers: Takeovers;
  readonly #notices: TakenNotices;
  readonly #sweeps: Sweeps;
  readonly #relays: Relays;
  readonly #gateways: Gateways;
  readonly #handovers: Handovers;
  readonly #sends: RemoteSends;
  readonly #cache: OwnerCache;
  readonly #holder: Holder;
  readonly #links: Links;
  readonly #membership: Membership;
  readonly #isolation: Isolation;
  readonly #givenUp = new GivenUp(this);
  readonly #counters: Counters;
  readonly #storeWatch: StoreWatch;
  readonly #identities: Identities;
  readonly #standstill: Standstill;
  readonly #search: Search;
  readonly #dispatch: Dispatch;

  constructor(options: ClusterNodeOptions) {
    const { id, clock, times, store, counters } = options;
    this.#options = options;
    this.id = id;
    this.clock = clock;
    this.tick = options.tick;
    this.relayLimit = options.relayLimit;
    this.#counters = counters;
    this.#counts = counters.frequent;
    this.#cache = new OwnerCache(options.ownerCache);
    this.owned = new OwnedSessions(options, this);
    this.#holder = new Holder(this, times);
    this.#takeovers = new Takeovers(this, store);
    this.#notices = new TakenNotices(this);
    this.#relays = new Relays(this);
    this.#gateways = new Gateways(this);
    this.#handovers = new Handovers(this, {
      holder: this.#holder,
      gateways: this.#gateways,
      takeovers: this.#takeovers,
      handsOver: options.adopts,
    });
    this.#sends = new RemoteSends(id, options.tick, options.sendLimit, (asked, connection) => {
      this.#holder.hold(asked, connection);
    });
    this.#links = options.links(this);
    this.#membership = new Membership({ node: id, store, clock, leaseTtl: times.leaseTtl, listener: this });
    this.#isolation = new Isolation({
      clock,
      lease: this.#membership,
      leaseTtl: times.leaseTtl,
      pollGrace: times.pollGrace,
      busConnected: () => this.#links.connected,
      withdraw: () => {
        this.#withdraw();
      },
    });
    this.#standstill = new Standstill(clock, times.leaseTtl);
    this.#sweeps = new Sweeps(this, store);
    this.#storeWatch = new StoreWatch({
      node: id,
      clock,
      store,
      sessions: this.owned.all,
      patience: Math.max(times.leaseTtl, RESTORED_WITHIN),
      returned: () => {
        this.#membership.storeReturned();
        this.owned.renewals.runNow();
      },
    });
    this.#identities = new Identities({
      clock,
      store,
      sessions: this.owned.all,
      capacity: options.ownerCache,
      keptFor: times.recordTtl,
      patience: times.giveUpAfter,
      recovering: () => this.#storeWatch.recovering,
    });
    const shared = { id, counters, cache: this.#cache, sessions: this.owned, membership: this.#membership };
    this.#search = new Search({
      ...shared,
      store,
      takeovers: this.#takeovers,
      storeWatch: this.#storeWatch,
      isolation: this.#isolation,
    });
    this.#dispatch = new Dispatch({
      ...shared,
      holder: this.#holder,
      relays: this.#relays,
      gateways: this.#gateways,
      handovers: this.#handovers,
      isolation: this.#isolation,
      send: (node, frame) => {
        this.#links.send(node, frame);
      },
    });
  }

  /** Sessions here, those that ended a moment ago included. */
  get sessions(): ReadonlyMap<string, OwnedSession> {
    return this.owned.all;
  }

  /** Whether a session here has not ended yet. */
  get unsettled(): boolean {
    return this.owned.livingCount > 0;
  }

  get held(): number {
    return this.#holder.size;
  }

  /** How much of each kind this node keeps: nothing, when all its sessions have ended and `linger` has passed. */
  get sizes(): Readonly<Record<string, number>> {
    return {
      sessions: this.owned.all.size,
      held: this.#holder.size,
      searches: this.#holder.searches,
      claims: this.#takeovers.size,
      sends: this.#sends.size,
      gateways: this.#gateways.size,
      relays: this.#relays.size,
      renewals: this.owned.renewals.size,
      grace: this.owned.grace.size,
      closing: this.owned.closing.size,
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
      sessions: this.owned.all.values(),
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
    this.#isolation.start();
  }

  /** Whether this node alone is cut off from bus or store (I3): its connections are to break, so that others get their requests. */
  get withdrawn(): boolean {
    return this.#isolation.withdrawn;
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
    this.#isolation.stop();
    this.#sweeps.stop();
    this.#storeWatch.stop();
    this.#gateways.closeAll();
    this.#holder.stop();
    this.owned.stop();
    await this.#membership.stop();
    await this.#links.stop();
    await this.#options.store.close();
    this.owned.halt();
  }

  // ---- requests and handshakes that arrive here ----

  /** How long a request is to wait before it is held, in milliseconds; see `Standstill`. */
  get pause(): number {
    return this.#standstill.pause;
  }

  hold(asked: Asked, connection: WaitingConnection): Held {
    const { kind, sid } = asked;
    const held = this.#holder.hold(asked, connection);
    const local = this.owned.has(sid);
    if (kind === RequestKind.Get) this.#counts[local ? "polls.local" : "polls.remote"]++;
    else this.#counts[local ? "posts.local" : "posts.remote"]++;
    return held;
  }

  release(held: Held, connection: WaitingConnection): void {
    this.#holder.release(held, connection);
  }

  /** Whether an id is taken at this node already. */
  has(sid: string): boolean {
    return this.owned.has(sid);
  }

  open(sid: string, handshake: string, protocol: Revision, transport: TransportName): Promise<OpenResult> {
    return this.owned.open(sid, handshake, protocol, transport);
  }

  /** A session whose record was opened by this node. */
  own(sid: string, handshake: string, protocol: Revision, transport: TransportName): OwnedSession {
    return this.owned.own(sid, handshake, protocol, transport);
  }

  /** A websocket of a session that another node owns. */
  relay(sid: string, websocket: HeldWebSocket): void {
    this.#counters.count("relayed");
    this.#gateways.open(sid, websocket);
  }

  /** Sessions here, and those in the indexes of all other living nodes. */
  async countSessions(): Promise<number> {
    return this.owned.livingCount + (await countSessions(this.#options.store, this.#membership.others));
  }

  /** Sends to sessions anywhere in the cluster. */
  get sends(): RemoteSends {
    return this.#sends;
  }

  // ---- what the owned sessions reach: OwnersReach ----

  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void {
    if (holder === this.id) this.#holder.onAnswer(kind, sid, t, answer);
    else this.#links.send(holder, answerFrame(kind, sid, t, answer));
  }

  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void {
    if (holder === this.id) this.#holder.onNotMine(this.id, kind, sid, t);
    else this.#links.send(holder, notMine(kind, sid, t));
  }

  get inDoubt(): boolean {
    return !this.#links.connected || this.#membership.lapsed;
  }

  get wasDeaf(): boolean {
    // Those who joined a moment ago are in no list of leases yet.
    const alone = this.#membership.alone && !this.#links.speaks;
    return !alone && this.#links.wasDeaf(this.#options.times.pollGrace);
  }

  mayHold(node: NodeId): boolean {
    return this.#membership.mayHold(node);
  }

  movedTo(sid: string, owner: NodeId): void {
    this.#cache.set(sid, owner);
  }

  arrived(sid: string): void {
    this.#cache.delete(sid);
  }

  gaveUp(sid: string): boolean {
    if (this.withdrawn) this.#givenUp.add(sid);
    return this.withdrawn;
  }

  unlist(sids: readonly string[]): void {
    this.owned.unlist(sids);
  }

  // ---- the holder's side: HolderNode ----

  guess(sid: string): Whereabouts | undefined {
    return this.#search.guess(sid);
  }

  find(sid: string, doubt: boolean): Promise<Whereabouts> {
    return this.#search.find(sid, doubt);
  }

  /** Who opened a session, for the application to tell whether a request is the same user's. */
  identity(sid: string): Identity | Promise<Identity> {
    return sid.length > MAX_SID_CHARS ? "unknown" : this.#identities.of(sid);
  }

  askHere(held: Held): boolean {
    return this.#dispatch.askHere(held);
  }

  ask(node: NodeId, held: Held): void {
    this.#links.send(node, ask(held));
  }

  hintGone(node: NodeId, held: Held): void {
    if (node === this.id) this.owned.get(held.sid)?.gone(held.t, this.id);
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
    this.owned.get(sid)?.replaced();
    this.owned.add(session);
    if (from !== this.id) this.#notices.tell(from, sid, record.turn);
    if (record.phase === "closed") {
      this.owned.onEnded(session);
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
    return this.owned.get(sid);
  }

  send(node: NodeId, frame: Frame): void {
    if (node === this.id) this.onFrame(node, frame, this.#membership.incarnation);
    else this.#links.send(node, frame);
  }

  lookAround(withinMs: number): Promise<void> {
    return this.#membership.lookAround(withinMs);
  }

  // ---- what comes over the links ----

  onFrame(from: NodeId, frame: Frame, incarnation: number): void {
    this.#membership.heardFrom(from);
    this.#dispatch.onFrame(from, frame, incarnation);
  }

  onBeat(from: NodeId, incarnation: number): void {
    this.#membership.heardFrom(from, incarnation);
    if (this.#membership.leaseEnded(from)) this.#links.send(from, leaseOver());
  }

  onRejected(why: Rejection): void {
    this.#options.events.onTrouble?.(rejectionError(why));
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

  /** I3. */
  #withdraw(): void {
    this.#counters.count("withdrawals");
    this.#holder.abandonAll();
    this.#gateways.closeAll();
    // Were they kept until they are refused, their handlers would run for requests that others have answered.
    this.owned.giveUpAll();
  }

  onLeaseRetaken(incarnation: number): void {
    this.#isolation.onLeaseRetaken();
    this.#links.reset(incarnation);
    this.#holder.askAgainAt(this.id, "lease retaken");
    this.owned.listAll();
    this.owned.proveAll();
    void this.#givenUp.lookForAll();
  }
}

/** Other owners are given so long at least to restore what the store lost, in milliseconds: some clients try for seconds on their own. */
const RESTORED_WITHIN = 4000;

/** How long to wait, in milliseconds, before a node that nobody answered for is asked the second time; more than SUSPECT_AFTER. */
const NO_RESPONDER_PAUSE = 120;
