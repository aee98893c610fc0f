import type { NodeId } from "../store/port";
import type { Clock, Timer } from "../time/clock";

/** How often a lost node is looked for, in milliseconds. */
const LOOK = 500;
/** Nobody is found at it when nobody was found for so many milliseconds: at two looks in a row. */
const NOBODY_FOR = 0.8 * LOOK;

export interface LostNodesParts {
  readonly clock: Clock;
  /** Says something to the node: where nobody listens in its name, the bus tells. */
  readonly probe: (node: NodeId) => void;
  /** Reads anew who has a lease; waits for it so many milliseconds at most, and resolves with whether the store told. */
  readonly lookAround: (withinMs: number) => Promise<boolean>;
  /** So long behind the end of its lease a node that is cut off from the bus has withdrawn (I1), in milliseconds. */
  readonly withdrawal: number;
  /** After so many milliseconds each client that is gone has been found by its ping. */
  readonly recordTtl: number;
}

interface Lost {
  /** When it is forgotten. */
  readonly until: number;
  /** It was not heard for long: until its lease ended it may have lived, and claimed. */
  readonly cutOff: boolean;
  /** When its lease was seen to have ended. */
  endedAt: number | undefined;
  /** Since when each look found nobody. */
  nobodySince: number | undefined;
  /** Whether the last look found nobody. */
  nobody: boolean;
  /** Nobody was found at it, and the leases are being read. */
  asking: boolean;
}

/**
 * Nodes that were taken for dead and did not say that they leave. One that was killed is gone, and its connections broke with it.
 * One that only stands still has requests in its sockets that nobody has read: it is still listened for in its name on the bus.
 * At one that is cut off from the bus nobody is found, but it lets go what it holds when its lease has ended. So a node is lost until
 * that is over, nobody is found at it then, and the leases that are read behind that have none of its: one whose lease ended while
 * it stood still takes it again when it goes on, cut off or not, and lets nothing go before that one ends too. Once is not enough: the
 * bus may say for a moment that nobody is there, and one that stands still says nothing against it.
 */
export class LostNodes {
  readonly #parts: LostNodesParts;
  readonly #lost = new Map<NodeId, Lost>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(parts: LostNodesParts) {
    this.#parts = parts;
  }

  /** Whether a request may lie unread at one of them. */
  get some(): boolean {
    return this.#lost.size > 0;
  }

  get size(): number {
    return this.#lost.size;
  }

  /** `cutOff`: it was not heard for so long that one which is gone would have been found to be so. */
  add(node: NodeId, cutOff: boolean): void {
    const { clock, recordTtl } = this.#parts;
    const until = clock.now() + recordTtl;
    this.#lost.set(node, { until, cutOff, endedAt: undefined, nobodySince: undefined, nobody: false, asking: false });
    if (this.#timer === undefined) this.#again();
  }

  /** It has a lease again, and beats. */
  found(node: NodeId): void {
    this.#lost.delete(node);
  }

  /** Returns whether it may have claimed sessions of living nodes that were not told. */
  leaseEnded(node: NodeId): boolean {
    const lost = this.#lost.get(node);
    if (lost === undefined) return false;
    lost.endedAt ??= this.#parts.clock.now();
    return lost.cutOff;
  }

  /** A message to the node found nobody. */
  foundNobody(node: NodeId): void {
    const lost = this.#lost.get(node);
    if (lost === undefined || !this.#isOver(lost)) return;
    const now = this.#parts.clock.now();
    lost.nobody = true;
    lost.nobodySince ??= now;
    if (lost.asking || now - lost.nobodySince < NOBODY_FOR) return;
    lost.asking = true;
    void this.#parts.lookAround(LOOK).then((told) => {
      lost.asking = false;
      if (told && this.#lost.get(node) === lost) this.#lost.delete(node);
    });
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
    const { clock, probe } = this.#parts;
    for (const [node, lost] of this.#lost) {
      if (lost.until <= clock.now()) this.#lost.delete(node);
      else if (this.#isOver(lost)) {
        if (!lost.nobody) lost.nobodySince = undefined;
        lost.nobody = false;
        probe(node);
      }
    }
    if (this.#lost.size > 0) this.#again();
  };

  /** Whether it is gone, if it is not there. */
  #isOver(lost: Lost): boolean {
    const { clock, withdrawal } = this.#parts;
    return lost.endedAt !== undefined && clock.now() - lost.endedAt >= withdrawal;
  }
}
