import type { OwnedSession } from "../session/owned-session";
import { GOES_OVER_WITHIN } from "../session/upgrade";
import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import { pause } from "../time/pause";
import { GOING_AWAY } from "./gateway";
import type { Held } from "./held";

/** What a departure needs of the node that leaves. */
export interface DepartingNode {
  readonly clock: Clock;
  readonly sessions: ReadonlyMap<string, OwnedSession>;
  /** Whether another node goes on with this one's polling sessions; else they are closed. */
  readonly handsOver: boolean;
  /** Nodes that live and do not leave themselves. */
  readonly heirs: readonly NodeId[];
  /** Requests that wait here. */
  readonly waiting: readonly Held[];
  /** Whether an offer reaches anybody. */
  readonly busConnected: boolean;
  /** Sessions that are about to be here: claims under way. */
  readonly claimCount: number;
  /** Claims of a moment ago, of which the owner of before may not have heard. */
  readonly noticeCount: number;
  /** Websockets here of sessions that other nodes own. */
  readonly gatewayCount: number;
  offer(heir: NodeId, session: OwnedSession): void;
  release(held: Held): void;
  closeGateways(count: number): void;
}

/** How often a departure looks, in milliseconds. */
const STEP = 25;
/** So many sessions are offered in one step at most: heirs have other work too. */
const OFFERS_A_STEP = 200;
/** An offer that nobody took is made to the next node after so many milliseconds. */
const OFFER_AGAIN = 1000;
/** A client that polls has come by for its close packet within so many milliseconds. */
const TOLD_WITHIN = 1000;
/** A poll whose release brought no answer is released again after so many milliseconds. */
const RELEASE_AGAIN = 500;

/**
 * How a node leaves (docs/protocol.md, section on handover): its polling sessions are offered to the others, each when nothing
 * of it is under way; its websockets are closed, spread over the first half of the time; then it takes no more connections,
 * and the polls that wait here are let go. Nobody is answered an error.
 */
export class Departure {
  readonly #node: DepartingNode;
  readonly #timeout: number;
  readonly #handedOver: () => void;
  readonly #began: number;
  readonly #offered = new Map<OwnedSession, number>();
  /** Sessions whose clients were going over to a websocket here, and when that was seen. */
  readonly #goingOver = new Map<OwnedSession, number>();
  readonly #released = new Map<Held, number>();
  #heir = 0;
  /** Websockets that were closed because of this. */
  #closed = 0;
  #isHandedOver = false;

  /** `handedOver` is called once, when no session is left here that another node could have: connections can go elsewhere. */
  constructor(node: DepartingNode, timeout: number, handedOver: () => void) {
    this.#node = node;
    this.#timeout = timeout;
    this.#handedOver = handedOver;
    this.#began = node.clock.now();
  }

  /** Resolves when nothing is left here, or the time is over. */
  async run(): Promise<void> {
    while (!this.#step()) await pause(this.#node.clock, STEP);
  }

  /** Whether all is done that can be. */
  #step(): boolean {
    const elapsed = this.#node.clock.now() - this.#began;
    const alone = this.#node.heirs.length === 0;
    const sessions = [...this.#node.sessions.values()].filter((session) => !session.over);
    const movable = this.#node.handsOver ? sessions.filter((session) => !session.direct) : [];
    const ending = this.#node.handsOver ? sessions.filter((session) => session.direct) : sessions;
    const going = movable.filter((session) => !this.#goesOver(session));
    // Others may be there by the time its lease is given back, and claim what is handled here.
    if (alone) for (const session of going) session.depart();
    // An offer that is dropped moves nothing: requests that this node could serve were turned away until they were answered 503.
    else if (this.#node.busConnected) this.#offer(going);
    this.#closeWebsockets(ending, alone ? 1 : Math.min(1, (2 * elapsed) / this.#timeout));
    if (!this.#isHandedOver && this.#mayHandOver(elapsed, movable.length, alone ? ending : [])) {
      this.#isHandedOver = true;
      this.#handedOver();
    }
    if (elapsed >= this.#timeout) return true;
    if (!this.#isHandedOver) return false;
    this.#release();
    // Nobody listens any more: a client whose poll did not come by now is not told by any node.
    const told = alone ? ending.filter((session) => session.direct || session.hasPoll || !session.idle) : ending;
    const staying = alone
      ? movable.filter((session) => session.isHandling || this.#goesOver(session))
      : [...movable, ...this.#node.waiting];
    const { claimCount, noticeCount, gatewayCount } = this.#node;
    return staying.length + told.length + claimCount + noticeCount + gatewayCount === 0;
  }

  /**
   * `closing`: sessions that end with the last node. Their clients are told by a poll, which needs somebody who listens: when all
   * stopped at once, those between two polls were answered 502, and their sessions waited for them until the time was over.
   */
  #mayHandOver(elapsed: number, movable: number, closing: readonly OwnedSession[]): boolean {
    if (2 * elapsed >= this.#timeout) return true;
    if (closing.some((session) => !session.direct)) return elapsed >= TOLD_WITHIN;
    return movable === 0 || this.#node.heirs.length === 0;
  }

  /** Its client has stopped polling, and would not begin again if the websocket that it goes over to were closed. */
  #goesOver(session: OwnedSession): boolean {
    if (!session.isGoingOver) return false;
    const now = this.#node.clock.now();
    const since = this.#goingOver.get(session) ?? now;
    this.#goingOver.set(session, since);
    return now - since < GOES_OVER_WITHIN;
  }

  #offer(sessions: readonly OwnedSession[]): void {
    const now = this.#node.clock.now();
    const { heirs } = this.#node;
    let offers = 0;
    for (const session of sessions) {
      const at = this.#offered.get(session);
      if (at !== undefined && now - at < OFFER_AGAIN) continue;
      session.depart();
      // What is under way is finished first. Not for ever: an application may go on sending.
      if (session.isHandling || (!session.idle && now - this.#began < OFFER_AGAIN)) continue;
      if (++offers > OFFERS_A_STEP) continue;
      const heir = heirs[this.#heir++ % heirs.length];
      if (heir === undefined) return;
      this.#offered.set(session, now);
      this.#node.offer(heir, session);
    }
  }

  /** Closes as many as are due by now. `share`: of all that were here. */
  #closeWebsockets(sessions: readonly OwnedSession[], share: number): void {
    const waiting = sessions.filter((session) => session.socket?.readyState === "open");
    const left = waiting.length + this.#node.gatewayCount;
    const due = Math.ceil((left + this.#closed) * share) - this.#closed;
    if (due <= 0) return;
    this.#closed += Math.min(due, left);
    for (const session of waiting.slice(0, due)) session.goAway(GOING_AWAY);
    this.#node.closeGateways(Math.max(0, due - waiting.length));
  }

  #release(): void {
    const now = this.#node.clock.now();
    for (const held of this.#node.waiting) {
      const at = this.#released.get(held);
      if (held.askedAt === undefined || (at !== undefined && now - at < RELEASE_AGAIN)) continue;
      this.#released.set(held, now);
      this.#node.release(held);
    }
  }
}
