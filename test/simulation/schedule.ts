/** Something that goes wrong once. `who` and `whom`, in [0, 1), pick among the nodes that live then. Times in virtual milliseconds. */
export type Fault =
  /** As `kill -9`; another node comes `back` later. */
  | { readonly kind: "kill"; readonly at: number; readonly who: number; readonly back: number }
  /** As on SIGTERM; the same. */
  | { readonly kind: "drain"; readonly at: number; readonly who: number; readonly back: number }
  /** A node finds nobody, twice, at one that lives. */
  | { readonly kind: "suspect"; readonly at: number; readonly who: number; readonly whom: number }
  /** A process stands still: SIGSTOP and SIGCONT. */
  | { readonly kind: "pause"; readonly at: number; readonly who: number; readonly lasts: number }
  /** The store comes back empty. */
  | { readonly kind: "storeLost"; readonly at: number }
  /** The store comes back as it was `by` milliseconds ago: a replica that lagged. */
  | { readonly kind: "storeOlder"; readonly at: number; readonly by: number }
  /**
   * The store cannot be reached, by one node or by all (`who` below 0). `hangs`: the connections hold, and all that was asked
   * is done when it goes on; else they break, and are made anew. `losesOnReturn`: it comes back without what it was told in
   * so many milliseconds before it went; `Infinity`: empty.
   */
  | {
      readonly kind: "storeAway";
      readonly at: number;
      readonly who: number;
      readonly lasts: number;
      readonly hangs: boolean;
      readonly losesOnReturn?: number;
    }
  /** What is asked of the store, and its answers, take up to `by` milliseconds more, for one node or for all (`who` below 0). */
  | {
      readonly kind: "storeSlow";
      readonly at: number;
      readonly who: number;
      readonly lasts: number;
      readonly by: number;
    }
  /** Messages of the bus take up to `by` milliseconds more. */
  | { readonly kind: "busSlow"; readonly at: number; readonly lasts: number; readonly by: number }
  /** A node's connection to the bus is broken, and it knows. */
  | { readonly kind: "busCut"; readonly at: number; readonly who: number; readonly lasts: number }
  /** All that a node sends and is sent over the bus is lost, and it does not know. */
  | { readonly kind: "busSilent"; readonly at: number; readonly who: number; readonly lasts: number };

/** What may happen at any time, as chances. */
export interface Rates {
  /** A message of the bus is lost. */
  readonly loss: number;
  /** An operation of the store runs twice: its reply was lost. */
  readonly resend: number;
  /** What a dead node or a broken connection had under way to the store arrives seconds later. */
  readonly late: number;
  /** The balancer sends a request to a second node while the first still has it. */
  readonly retry: number;
  /** The balancer loses a connection, and sends the request again a moment later. */
  readonly breaks: number;
  /** A message between a websocket's gateway and owner is lost while no upgrade between the two is recorded; see `RelayLosses`. */
  readonly relays: number;
}

export interface ClientPlan {
  readonly connectsAt: number;
  /** When it tries to go over to a websocket. */
  readonly upgradesAt?: number;
  /** When the application closes its session, at its owner or from whatever node. */
  readonly closes?: { readonly at: number; readonly from: "owner" | "anywhere" };
  /** The number of the message that ends each process that handles it. */
  readonly poison?: number;
}

/** Of all nodes and clients, in virtual milliseconds. */
export interface Beating {
  readonly pingInterval: number;
  readonly pingTimeout: number;
}

/** A whole history, but for what its chance decides: all that is shrunk when it fails. */
export interface Schedule {
  readonly seed: number;
  readonly profile: string;
  readonly clients: readonly ClientPlan[];
  /** Messages that each client sends, and that it is sent without asking at most. */
  readonly messages: number;
  /** The longest pause between two messages of a client, in virtual milliseconds. */
  readonly pace: number;
  readonly pushes: number;
  /** How often some node sends each client something. */
  readonly sends: number;
  readonly heartbeat: Beating;
  /** What becomes of sessions of dead owners; an option of the package. */
  readonly takeover: "adopt" | "close";
  readonly rates: Rates;
  readonly faults: readonly Fault[];
  /** Whatever goes wrong has nobody taken for dead who lives: sessions stay with their owners. */
  readonly ownersStay: boolean;
  /** When all clients are gone, a node is killed: nobody asks for its sessions any more. */
  readonly endsWithDeath: boolean;
}

/** When a fault is over. */
export function endOf(fault: Fault): number {
  return fault.at + ("lasts" in fault ? fault.lasts : "back" in fault ? fault.back : 0);
}

/** A fault in a line, for reports. */
export function describe(fault: Fault): string {
  const { kind, at, ...rest } = fault;
  const parts = Object.entries(rest).map(
    ([name, value]) => `${name} ${typeof value === "number" ? String(Math.round(value * 100) / 100) : String(value)}`,
  );
  return `${at.toFixed(0)} ms ${kind}${parts.length === 0 ? "" : `: ${parts.join(", ")}`}`;
}
