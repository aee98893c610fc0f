import type { LeaseResult, NodeId } from "../port";
import type { Clock } from "../../time/clock";
import { standingArguments } from "./arguments";
import type { Caller } from "./caller";
import type { Connection } from "./connection";
import type { Keys } from "./keys";
import { leases, stood } from "./replies";
import { SCRIPTS } from "./scripts.generated";

export interface WitnessOptions {
  readonly caller: Caller;
  readonly connection: Connection;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly leaseTtl: number;
}

/** A lease that was taken or renewed. */
interface Held {
  readonly node: NodeId;
  /** When it was asked for: the lease is not older. */
  readonly since: number;
  readonly generation: number;
}

/** The two clocks may differ by as much: of a lease that is older than this part of its time nothing is said. */
const SURE = 0.9;

/**
 * This node's own lease, as a witness: by this node's clock it has not ended, so a Redis that does not have it has lost what it had,
 * though no connection broke. It was emptied, its clock was set forward, or what stands in front of it has turned to another one.
 */
export class Witness {
  readonly #options: WitnessOptions;
  #held: Held | undefined;
  #asking: Promise<void> | undefined;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  /** The lease is given back, or about to be: that it is not there tells nothing. */
  leave(): void {
    this.#held = undefined;
  }

  /** Reads what Redis answered to the node that asked for its lease at `asked`; `undefined`: it gave it back. */
  read(node: NodeId, asked: number | undefined, reply: unknown): LeaseResult {
    const nodes = leases(reply);
    // Ahead of whoever reads the list: leases that are missing tell as little as this one.
    if (!stood(reply)) this.#missing(node);
    const { generation } = this.#options.connection;
    this.#held = asked === undefined ? undefined : { node, since: asked, generation };
    return { kind: "ok", nodes };
  }

  /**
   * Redis does not know a session: is it the one that had it? Resolves when the generation tells; at once where that cannot be asked.
   * Many that ask at one time are one question: what came before its answer was done before it.
   */
  ask(): Promise<void> | undefined {
    const held = this.#held;
    if (held === undefined || !this.#isSure(held)) return undefined;
    this.#asking ??= this.#ask(held.node).finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #ask(node: NodeId): Promise<void> {
    const { caller, keys } = this.#options;
    const answer = await caller.run(SCRIPTS.lease, [keys.lease], standingArguments(node), 100);
    if (answer !== null && !stood(answer.reply)) this.#missing(node);
  }

  #missing(node: NodeId): void {
    const held = this.#held;
    if (held?.node === node && this.#isSure(held)) this.#options.connection.lostData();
  }

  /** Of a Redis that is known to have lost data since, there is nothing more to tell. */
  #isSure({ since, generation }: Held): boolean {
    const { connection, clock, leaseTtl } = this.#options;
    return generation === connection.generation && clock.now() - since <= SURE * leaseTtl;
  }
}
