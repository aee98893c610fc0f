import type { NodeId } from "../../src/store/port";
import type { Fault } from "./schedule";

/** Something that went wrong, from when it began. */
interface Strike {
  readonly kind: Fault["kind"];
  /** Undefined where it is everybody's. */
  readonly node: NodeId | undefined;
  readonly lasts: number;
  readonly at: number;
}

/** As the package has it, in milliseconds. */
export const UPGRADE_TIMEOUT = 10_000;

/** A websocket, and where it is. */
export interface WebSocketPlace {
  readonly sid: string;
  readonly gateway: NodeId;
  readonly openedAt: number;
  /** Whether its gateway is not the owner. */
  readonly relayed: boolean;
}

/** Who owned a session from when on. */
interface Tenure {
  readonly node: NodeId;
  readonly since: number;
}

/** What has gone wrong so far, and at whom: what has not begun yet, or is another node's, ends no websocket. */
export class Strikes {
  readonly #now: () => number;
  readonly #strikes: Strike[] = [];
  readonly #tenures = new Map<string, Tenure[]>();

  constructor(now: () => number) {
    this.#now = now;
  }

  hit(kind: Fault["kind"], node: NodeId | undefined, lasts = 0): void {
    this.#strikes.push({ kind, node, lasts, at: this.#now() });
  }

  /** The session is the node's from now on. */
  owns(sid: string, node: NodeId): void {
    const tenures = this.#tenures.get(sid);
    const tenure = { node, since: this.#now() };
    if (tenures === undefined) this.#tenures.set(sid, [tenure]);
    else if (tenures.at(-1)?.node !== node) tenures.push(tenure);
  }

  /** Whether anything has begun that may end the websocket. */
  mayEnd(place: WebSocketPlace, leaseTtl: number): boolean {
    const nodes = new Set([place.gateway, ...this.#ownersSince(place.sid, place.openedAt)]);
    return (
      this.#strikes.some((strike) => mayEnd(strike, nodes) || outlasts(strike, place)) || this.#isBackForSome(leaseTtl)
    );
  }

  /** The store was away for all, and at one of them also on its own: it is back for some sooner, who take the others for dead. */
  #isBackForSome(leaseTtl: number): boolean {
    const away = this.#strikes.filter(({ kind }) => kind === "storeAway");
    return (
      away.some(({ node }) => node !== undefined) &&
      away.some(({ node, lasts }) => node === undefined && lasts > leaseTtl)
    );
  }

  #ownersSince(sid: string, since: number): NodeId[] {
    const tenures = this.#tenures.get(sid) ?? [];
    return tenures.filter((_, i) => (tenures[i + 1]?.since ?? Infinity) >= since).map(({ node }) => node);
  }
}

/** Whether the store was away, for all, for nearly as long as a client may take to go over: while it is, no upgrade is recorded. */
function outlasts({ kind, node, lasts, at }: Strike, { openedAt }: WebSocketPlace): boolean {
  if (kind !== "storeAway" || node !== undefined || lasts < 0.8 * UPGRADE_TIMEOUT) return false;
  return openedAt > at - 0.2 * UPGRADE_TIMEOUT && openedAt < at + lasts;
}

function mayEnd({ kind, node }: Strike, nodes: ReadonlySet<NodeId>): boolean {
  switch (kind) {
    case "storeLost":
    case "storeOlder":
    case "storeSlow":
    case "busSlow":
      return false;
    case "storeAway":
      // All: their leases have ended, and none is dead. One: its lease ends, and its sessions are claimed.
      return node !== undefined && nodes.has(node);
    case "kill":
    case "drain":
    case "pause":
    case "suspect":
    case "busCut":
    case "busSilent":
      return node === undefined || nodes.has(node);
  }
}
