import type { Fault } from "./schedule";
import { TUNING, type SimNode } from "./sim-node";
import type { World } from "./world";

/** A holder that was cut off is not heard again at once. */
const AFTERWARDS = 1500;
/** So much trouble in the last `giveUpAfter` or so explains that a request found no owner. */
const TROUBLE_FOR_503 = 4000;
const LOOKED_BACK = 25_000;

/** After these a node is dead, or is taken for it. */
const ENDS: ReadonlySet<Fault["kind"]> = new Set([
  "kill",
  "drain",
  "pause",
  "suspect",
  "busCut",
  "busSilent",
  "storeAway",
]);

/**
 * What cannot be promised, and happened: a client may be dropped for it, and for nothing else. Each of these is said in
 * docs/protocol.md, section "Simulation".
 */
export class Excuses {
  readonly #world: World;
  readonly #excused = new Set<string>();
  /** Requests that were answered 503. */
  unavailables = 0;

  constructor(world: World) {
    this.#world = world;
  }

  excused(sid: string): boolean {
    return this.#excused.has(sid);
  }

  /** O14: two owners ended, or seemed to, with the same POST in hand, which looks as if it had ended them. */
  twoEnded(sid: string): void {
    const { faults } = this.#world.schedule;
    if (faults.filter(({ kind }) => ENDS.has(kind)).length > 1) this.#excused.add(sid);
  }

  /**
   * O9: the owner gave up a poll whose holders were all dead or cut off for longer than `pollGrace`. Where the store was away
   * that may have been a while ago: the close had to be committed.
   */
  pollLost(sid: string): void {
    const poll = this.#world.clients.get(sid)?.poll;
    const nodes = (this.#storeWasAway() ? poll?.tried : poll?.nodes) ?? [];
    const all = this.#storeWasAway()
      ? nodes.some((node) => this.#cutOff(node))
      : nodes.every((node) => this.#cutOff(node));
    if (all) this.#excused.add(sid);
  }

  #storeWasAway(): boolean {
    const { time, troubles } = this.#world;
    return troubles.some(({ kind, until }) => kind === "storeAway" && time.now < until + AFTERWARDS);
  }

  #cutOff(node: SimNode): boolean {
    const { now } = this.#world.time;
    const since = this.#storeWasAway() ? LOOKED_BACK : AFTERWARDS;
    return this.#world.troubles.some(({ who, until }) => (who === undefined || who === node) && now < until + since);
  }

  /** A request found no owner within `giveUpAfter`. */
  unavailable(t: string): void {
    this.unavailables++;
    const { now } = this.#world.time;
    let trouble = 0;
    for (const { from, until } of this.#world.troubles)
      trouble += Math.max(0, Math.min(until, now) - Math.max(from, now - LOOKED_BACK));
    if (trouble < TROUBLE_FOR_503) this.#world.violate(`${t} is answered 503 though nearly nothing was away`);
  }

  /** Whether anything fails in this history that may end a websocket. */
  get websockets(): boolean {
    const { faults, rates } = this.#world.schedule;
    return (
      rates.loss > 0 ||
      faults.some((fault) => {
        switch (fault.kind) {
          case "storeLost":
          case "storeOlder":
          case "busSlow":
            return false;
          case "storeAway":
            // Nodes whose leases have ended begin their links anew.
            return fault.who >= 0 || fault.lasts > TUNING.leaseTtl / 2;
          case "kill":
          case "drain":
          case "suspect":
          case "pause":
          case "busCut":
          case "busSilent":
            return true;
        }
      })
    );
  }
}
