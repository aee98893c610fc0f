import type { Frame } from "../bus/frame";
import type { Links } from "../bus/links";
import type { Rejection } from "../bus/message";
import { rejectionError } from "../bus/rejections";
import type { Isolation } from "../ownership/isolation";
import type { Membership } from "../ownership/membership";
import type { Sweeps } from "../ownership/sweeps";
import type { Revision, TransportName } from "../protocol/names";
import { RequestKind } from "../session/answers";
import type { OwnedSession } from "../session/owned-session";
import type { Found, NodeId, OpenResult } from "../store/port";
import type { Counters, FrequentCounts } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import { runApart } from "../time/throw-later";
import type { Tick } from "../time/tick";
import type { Dispatch } from "./dispatch";
import type { HeldWebSocket } from "./gateway";
import type { Gateways } from "./gateways";
import type { GivenUp } from "./given-up";
import type { Handovers } from "./handovers";
import type { Asked, Held, WaitingConnection } from "./held";
import type { Holder, Whereabouts } from "./holder";
import type { Identities, Identity } from "./identities";
import type { LostNodes } from "./lost-nodes";
import { ask, gone, leaseOver } from "./messages";
import type { ClusterNodeOptions } from "./node-options";
import { partsOf, type WholeNode } from "./node-parts";
import type { OwnedSessions } from "./owned-sessions";
import type { Relays } from "./relays";
import type { RemoteSends } from "./remote-sends";
import { MAX_SID_CHARS, type Search } from "./search";
import { countSessions } from "./session-count";
import type { Standstill } from "./standstill";
import type { StoreWatch } from "./store-watch";
import type { TakenNotices } from "./taken-notices";
import type { Takeovers } from "./takeovers";
import { Unanswered } from "./unanswered";
import { vitalsOf, type Vitals } from "./vitals";

/**
 * One node of the cluster: the sessions that it owns, the requests that it holds, and what passes between it, the store and
 * the other nodes.
 */
export class ClusterNode implements WholeNode {
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
  readonly #holder: Holder;
  readonly #links: Links;
  readonly #membership: Membership;
  readonly #isolation: Isolation;
  readonly #givenUp: GivenUp;
  readonly #counters: Counters;
  readonly #lostNodes: LostNodes;
  readonly #unanswered: Unanswered;
  readonly #storeWatch: StoreWatch;
  readonly #identities: Identities;
  readonly #standstill: Standstill;
  readonly #search: Search;
  readonly #dispatch: Dispatch;
  /** How often the way to a node was free again. */
  #freed = 0;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.id = options.id;
    this.clock = options.clock;
    this.tick = options.tick;
    this.relayLimit = options.relayLimit;
    this.#counters = options.counters;
    this.#counts = options.counters.frequent;
    const parts = partsOf(this, options);
    this.owned = parts.owned;
    this.#holder = parts.holder;
    this.#takeovers = parts.takeovers;
    this.#notices = parts.notices;
    this.#relays = parts.relays;
    this.#gateways = parts.gateways;
    this.#handovers = parts.handovers;
    this.#sends = parts.sends;
    this.#links = parts.links;
    this.#membership = parts.membership;
    this.#isolation = parts.isolation;
    this.#standstill = parts.standstill;
    this.#sweeps = parts.sweeps;
    this.#storeWatch = parts.storeWatch;
    this.#lostNodes = parts.lostNodes;
    this.#unanswered = new Unanswered(this.clock, (peer, since) => {
      this.#askAgainAt(peer, since);
    });
    this.#identities = parts.identities;
    this.#search = parts.search;
    this.#dispatch = parts.dispatch;
    this.#givenUp = parts.givenUp;
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
      waiting: this.#relays.waiting.size + this.#gateways.waiting.size + this.#holder.waitingForWay,
      renewals: this.owned.renewals.size,
      grace: this.owned.grace.size,
      closing: this.owned.closing.size,
    };
  }

  /** How much it keeps of other nodes, those that are gone included: what sessions leave behind is not to be found here either. */
  get known(): Readonly<Record<string, number>> {
    const { leavers } = this.#handovers;
    const [lostNodes, unanswered, notices] = [this.#lostNodes.size, this.#unanswered.size, this.#notices.size];
    return { ...this.#links.sizes, lostNodes, unanswered, leavers, notices };
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

  /** Nothing comes here any more from other nodes' sessions: this one is about to stop. */
  retire(): void {
    this.#sweeps.stop();
    this.#takeovers.stop();
  }

  async stop(): Promise<void> {
    this.#standstill.stop();
    this.#isolation.stop();
    this.#lostNodes.stop();
    this.retire();
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

  // ---- the holder's side: HolderNode ----

  guess(sid: string): Whereabouts | undefined {
    return this.#search.guess(sid);
  }

  find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts> {
    return this.#search.find(sid, doubted);
  }

  /** Who opened a session, for the application to tell whether a request is the same user's. */
  identity(sid: string): Identity | Promise<Identity> {
    return sid.length > MAX_SID_CHARS ? "unknown" : this.#identities.of(sid);
  }

  askHere(held: Held): boolean {
    return this.#dispatch.askHere(held);
  }

  ask(node: NodeId, held: Held): boolean {
    return this.#links.send(node, ask(held));
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

  get busConnected(): boolean {
    return this.#links.connected;
  }

  isDead(node: NodeId): boolean {
    return this.#membership.isDead(node);
  }

  unlist(sids: readonly string[]): void {
    this.owned.unlist(sids);
  }

  // ---- relays: RelayNode, GatewayNode ----

  session(sid: string): OwnedSession | undefined {
    return this.owned.get(sid);
  }

  send(node: NodeId, frame: Frame): void {
    if (node === this.id) this.onFrame(node, frame, this.#membership.incarnation);
    else this.#links.send(node, frame);
  }

  countPause(): void {
    this.#counters.count("relayPauses");
  }

  isCongested(node: NodeId): boolean {
    return node !== this.id && this.#links.isCongested(node);
  }

  lookAround(withinMs: number): Promise<boolean> {
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

  isStoreless(): boolean {
    return this.#search.isBlind;
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

  /** O6. Websockets go on: what they say is done under any lease. */
  onRetaken(peer: NodeId): void {
    this.#holder.askAgainAt(peer, "lease retaken");
  }

  onUncongested(peer: NodeId): void {
    const waiting = [this.#relays, this.#gateways, this.#holder];
    // Each is the first in turn: who is would have the way for itself as long as it has enough to say.
    for (let i = 0; i < waiting.length; i++) waiting[(this.#freed + i) % waiting.length]?.onUncongested(peer);
    this.#freed++;
  }

  /** O6. */
  onHearingAgain(): void {
    void this.owned.proveSoon();
  }

  onReconnected(): void {
    this.#membership.busReturned();
  }

  onNoResponder(peer: NodeId): void {
    this.#lostNodes.foundNobody(peer);
    this.#membership.foundNobody(peer);
    if (this.#membership.isDead(peer)) {
      // A last word of it may have come behind its death, and it would count as one that is not heard any more.
      this.#links.forget(peer);
      this.#unanswered.end(peer);
      return;
    }
    this.#unanswered.add(peer);
  }

  /** `since`: when a message to the peer found nobody. */
  #askAgainAt(peer: NodeId, since: number): void {
    const isHeard = (this.#links.lastHeard(peer) ?? since) > since;
    if (isHeard || this.#membership.isDead(peer)) this.#unanswered.end(peer);
    if (this.#membership.isDead(peer)) return;
    this.#holder.askAgainAt(peer, "no responder");
    // Of one that is there again its link tells what was lost: websockets of meanwhile have lost nothing.
    if (isHeard) return;
    this.#gateways.onTrouble(peer);
    // Nothing may be due to it but what it would say itself: a gateway whose clients are quiet.
    this.#links.probe(peer);
  }

  // ---- MembershipListener ----

  onNodeJoined(node: NodeId): void {
    this.#lostNodes.found(node);
    this.#notices.sweep();
    this.#handovers.forget(node);
    runApart(this.clock, () => {
      this.#options.events.onNodeJoined(node);
    });
  }

  onNodeDead(node: NodeId): void {
    const isCutOff = this.#links.isCutOff(node);
    // One that leaves says so and beats until its end, but for one that stands still meanwhile.
    if (isCutOff || !this.#handovers.isLeaving(node)) this.#lostNodes.add(node, isCutOff);
    this.#handovers.forget(node);
    this.#links.forget(node);
    runApart(this.clock, () => {
      this.#options.events.onNodeDead(node);
    });
    this.#holder.askAgainAt(node, "node dead");
    this.#gateways.onTrouble(node);
    for (const session of this.owned.all.values()) session.gatewayEnded(node);
    // L2: an heir may have claimed some of what it was offered, and ended before it could say so.
    if (this.leaving) void this.owned.proveSoon();
    // Also where it only could not be found: should it live, it hears of a loss on the link that was forgotten above, and
    // closes its websockets.
    this.#relays.onGatewayDead(node);
  }

  onLeaseEnded(node: NodeId): void {
    // O6: what it said of its claims was not heard.
    if (this.#lostNodes.leaseEnded(node)) void this.owned.proveSoon();
    this.#sweeps.onLeaseEnded(node);
  }

  onLeaseBack(node: NodeId): void {
    // H7: what it asked meanwhile was not handled here, and it has no new lease with which it would ask again. The store forgot it, or
    // its clock was set. A link that was forgotten is a loss at both ends when the node is heard.
    this.#links.forget(node);
  }

  /** I3. */
  withdraw(): void {
    this.#counters.count("withdrawals");
    this.#holder.abandonAll();
    this.#gateways.closeAll();
    // Were they kept until they are refused, their handlers would run for requests that others have answered.
    this.owned.giveUpAll();
  }

  onLeaseRetaken(incarnation: number): void {
    this.#isolation.onLeaseRetaken();
    this.#links.retaken(incarnation);
    this.#holder.askAllAgain("lease retaken");
    this.owned.listAll();
    this.owned.proveAll();
    void this.#givenUp.lookForAll();
  }
}
