import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";

/** The first time, in milliseconds: a little more than after which a second word of nobody counts as death. */
const FIRST = 120;
const LONGEST = 1000;

interface Round {
  pause: number;
  /** Whether it is still to come. */
  due: boolean;
}

/**
 * What is done some time after a message found nobody at a node that is not taken for dead: once for all such messages of that time,
 * and more and more seldom. Each round says something to the node again, often many messages, and each of them may find nobody as
 * well: a timer for each made of a thousand polls thousands of searches in the two seconds in which nobody is buried.
 */
export class Unanswered {
  readonly #clock: Clock;
  readonly #again: (node: NodeId, since: number) => void;
  readonly #rounds = new Map<NodeId, Round>();

  /** `again`: with the time of the first of the messages. */
  constructor(clock: Clock, again: (node: NodeId, since: number) => void) {
    this.#clock = clock;
    this.#again = again;
  }

  get size(): number {
    return this.#rounds.size;
  }

  /** A message to the node found nobody. */
  add(node: NodeId): void {
    const round = this.#rounds.get(node) ?? { pause: FIRST / 2, due: false };
    if (round.due) return;
    round.due = true;
    round.pause = Math.min(2 * round.pause, LONGEST);
    this.#rounds.set(node, round);
    const since = this.#clock.now();
    this.#clock.after(round.pause, () => {
      round.due = false;
      // One that was ended meanwhile is another's.
      if (this.#rounds.get(node) === round) this.#again(node, since);
    });
  }

  /** The node is there, or dead: what finds nobody from now on begins anew. */
  end(node: NodeId): void {
    if (this.#rounds.size > 0) this.#rounds.delete(node);
  }
}
