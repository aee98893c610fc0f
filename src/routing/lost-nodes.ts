import type { NodeId } from "../store/port";
import type { Clock, Timer } from "../time/clock";

/** How often a lost node is looked for, in milliseconds. */
const LOOK = 500;

export interface LostNodesParts {
  readonly clock: Clock;
  readonly membership: { leaseEnded(node: NodeId): boolean };
  /** Says something to the node: where nobody listens in its name, the bus tells. */
  readonly probe: (node: NodeId) => void;
  /** After so many milliseconds each client that is gone has been found by its ping. */
  readonly recordTtl: number;
}

/**
 * Nodes that were taken for dead and did not say that they leave. One that was killed is gone, and its connections broke with it.
 * One that only stands still has requests in its sockets that nobody has read: it is still listened for in its name on the bus. So
 * it is lost until its lease has ended and nobody is found at it then.
 */
export class LostNodes {
  readonly #parts: LostNodesParts;
  /** With when each is forgotten. */
  readonly #lost = new Map<NodeId, number>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: LostNodesParts) {
    this.#parts = parts;
  }

  /** Whether a request may lie unread at one of them. */
  get some(): boolean {
    return this.#lost.size > 0;
  }

  add(node: NodeId): void {
    const { clock, recordTtl } = this.#parts;
    this.#lost.set(node, clock.now() + recordTtl);
    if (this.#timer === undefined) this.#again();
  }

  /** It has a lease again, and beats. */
  found(node: NodeId): void {
    this.#lost.delete(node);
  }

  /** A message to the node found nobody. Before its lease has ended that may be said of one whose connection is just made anew. */
  foundNobody(node: NodeId): void {
    if (this.#parts.membership.leaseEnded(node)) this.#lost.delete(node);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.stop();
  }

  #again(): void {
    if (!this.#stopped) this.#timer = this.#parts.clock.afterUnref(LOOK, this.#look);
  }

  readonly #look = (): void => {
    this.#timer = undefined;
    const { clock, membership, probe } = this.#parts;
    for (const [node, until] of this.#lost) {
      if (until <= clock.now()) this.#lost.delete(node);
      else if (membership.leaseEnded(node)) probe(node);
    }
    if (this.#lost.size > 0) this.#again();
  };
}
