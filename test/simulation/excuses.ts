import { OwnPart } from "../../src/session/own-part";
import type { SessionRecord } from "../../src/store/port";
import type { Fault } from "./schedule";
import type { SimNode } from "./sim-node";
import { UPGRADE_TIMEOUT, type WebSocketPlace } from "./strikes";
import type { World } from "./world";

/** A holder that was cut off is not heard again at once. */
const AFTERWARDS = 1500;
/** So much trouble in the last `giveUpAfter` or so explains that a request found no owner. */
const TROUBLE_FOR_503 = 4000;
const LOOKED_BACK = 25_000;
/** Longer than a call to the store, and its answer. */
const ANSWERED = 20;
/** Longer than an answer is under way to a client, in virtual milliseconds. */
const UNDER_WAY = 20;
/** What makes that longer, and by how much. */
const DELAYS: ReadonlySet<Fault["kind"]> = new Set(["pause", "storeAway", "storeSlow", "busSlow"]);
const LONGEST_DELAY = 600;
/** Faults last longer than a client with such a heartbeat waits. */
const SHORT = 15_000;

/** After these a node is dead, or is taken for it, and what was in its hands is suspected. */
const ENDS: ReadonlySet<Fault["kind"]> = new Set(["kill", "pause", "suspect", "busCut", "busSilent", "storeAway"]);

/**
 * What cannot be promised, and happened: a client may be dropped for it, and for nothing else. Each of these is said in
 * docs/protocol.md, section "Simulation".
 */
export class Excuses {
  readonly #world: World;
  readonly #excused = new Set<string>();
  /** Who took a pong that was not theirs, by session. */
  readonly #astray = new Map<string, SimNode[]>();
  /** Requests that were answered 503. */
  unavailables = 0;

  constructor(world: World) {
    this.#world = world;
  }

  excused(sid: string): boolean {
    // O14: of the nodes that end of one client's request, two may have had another one's in hand; the second may end before it says so.
    return this.#excused.has(sid) || this.#world.poisonings > 1;
  }

  /** O14: two owners ended, or seemed to, with the same POST in hand, which looks as if it had ended them. */
  twoEnded(sid: string): void {
    const { faults } = this.#world.schedule;
    if (faults.filter(({ kind }) => ENDS.has(kind)).length > 1) this.#excused.add(sid);
  }

  /**
   * The same, and `pollLost`, where the owner that ended the session ended as well before it could say so: its record tells. Of one
   * that was closing already no application is told.
   */
  claimed(sid: string, { owner, phase, data }: SessionRecord): void {
    this.#world.strikes.owns(sid, owner);
    if (phase === "open") return;
    if (new OwnPart(data).mark !== undefined) this.twoEnded(sid);
    if (phase === "closed") this.pollLost(sid);
  }

  /**
   * O9: the owner gave up a poll while a node could not reach the store. That node has the poll and cannot find its owner; or it was
   * the owner, was wrongly taken for dead, and cannot learn that the session is another's. Or the poll waits at a node that looks as
   * one that is gone.
   */
  pollLost(sid: string): void {
    if (this.#world.clients.get(sid)?.poll?.nodes.some((node) => this.#seemsGone(node)) === true)
      this.#excused.add(sid);
    if (!this.#storeWasAway()) return;
    const { schedule, clients } = this.#world;
    const tried = clients.get(sid)?.poll?.tried ?? [];
    const suspected = schedule.faults.some(({ kind }) => kind === "suspect");
    if (suspected || tried.some((node) => this.#cutOff(node))) this.#excused.add(sid);
  }

  /** A client's answer to a ping, or the ping, found no way for nearly as long as it had. */
  pingLost(sid: string): void {
    const { schedule, oneIsCutOff } = this.#world;
    // O7: who lives passes it on.
    if (this.#astray.get(sid)?.some(({ alive }) => !alive) === true) this.#excused.add(sid);
    // What waits at a node that alone is cut off is let go in time (I3).
    if (this.#trouble() > schedule.heartbeat.pingTimeout / 2 && !oneIsCutOff) this.#excused.add(sid);
  }

  /** O8: the close waited for a poll that found no way to its owner for nearly as long as it does. */
  closeOver(sid: string): void {
    const { pingInterval, pingTimeout } = this.#world.schedule.heartbeat;
    if (this.#trouble() > (pingInterval + pingTimeout) / 2) this.#excused.add(sid);
  }

  /** See `Application`: the session ends by the ping that seems not to be answered, where `node` dies before it is fenced. */
  pongAstray(sid: string, node: SimNode): void {
    this.#astray.set(sid, [...(this.#astray.get(sid) ?? []), node]);
  }

  /** No ping came for as long as the client waits: for nearly all of that time there was no way, where that is short. */
  noPing(sid: string): void {
    const { pingInterval, pingTimeout } = this.#world.schedule.heartbeat;
    if (pingInterval + pingTimeout < SHORT) this.pingLost(sid);
  }

  /** How much trouble there was lately, in milliseconds, one after the other or at once. */
  #trouble(): number {
    const { now } = this.#world.time;
    let trouble = 0;
    for (const { from, until } of this.#world.troubles)
      trouble += Math.max(0, Math.min(until, now) - Math.max(from, now - LOOKED_BACK));
    return trouble;
  }

  #storeWasAway(): boolean {
    const { time, troubles } = this.#world;
    return troubles.some(({ kind, until }) => kind === "storeAway" && time.now < until + AFTERWARDS);
  }

  /**
   * It stands still, or did until the others could read of its next lease, and was cut off from the bus meanwhile: for so long that
   * its lease has ended and the time is over in which one that is only cut off lets go what it holds.
   */
  #seemsGone(node: SimNode): boolean {
    const { time, troubles, tuning } = this.#world;
    const { leaseTtl, pollGrace } = tuning;
    const lately = (until: number): boolean => time.now < until + leaseTtl / 3 + ANSWERED;
    const own = troubles.filter(({ who, from }) => who === node && from < time.now);
    return own.some(
      (still) =>
        still.kind === "pause" &&
        lately(still.until) &&
        own.some(
          (cut) =>
            cut.kind === "busCut" &&
            cut.until > still.from &&
            time.now - Math.min(cut.from, still.from) > (2 * leaseTtl) / 3 + pollGrace,
        ),
    );
  }

  #cutOff(node: SimNode): boolean {
    const { now } = this.#world.time;
    return this.#world.troubles.some(({ who, until }) => who === node && now < until + LOOKED_BACK);
  }

  /** A request found no owner within `giveUpAfter`. */
  unavailable(t: string): void {
    this.unavailables++;
    if (this.#trouble() < TROUBLE_FOR_503) this.#world.violate(`${t} is answered 503 though nearly nothing was away`);
  }

  /**
   * U7: a client that has stopped polling was given the last answer that it waited for, and not told that its websocket is gone, which
   * it noticed at `since`: the answer was under way already, or its commit. Or its time to go over was up, and nothing had ended.
   */
  hangs(openedAt: number, since: number): boolean {
    const { time, troubles } = this.#world;
    if (time.now - since < UNDER_WAY || since - openedAt >= UPGRADE_TIMEOUT) return true;
    return troubles.some(
      ({ kind, until }) =>
        DELAYS.has(kind) && until > since - LONGEST_DELAY && time.now < Math.max(since, until) + LONGEST_DELAY,
    );
  }

  /** Nodes end, and nothing else delays what is to happen then. */
  get nothingButEnds(): boolean {
    const { faults, rates } = this.#world.schedule;
    return rates.loss === 0 && faults.every(({ kind }) => kind === "kill" || kind === "drain");
  }

  /** Whether anything has failed so far that may end the websocket. */
  websockets(place: WebSocketPlace): boolean {
    const { schedule, tuning, strikes } = this.#world;
    return (schedule.rates.loss > 0 && place.relayed) || strikes.mayEnd(place, tuning.leaseTtl);
  }
}
