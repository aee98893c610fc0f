import type { NodeId } from "../store/port";

/** Pause before a search goes on when it finds nobody or the wrong node, in milliseconds; grows with each miss. */
const SEARCH_PAUSE = 20;
const LONGEST_SEARCH_PAUSE = 500;

/** So many times a node may be found that does not own the session before the record's word for it is doubted. */
const STRANGERS_BEFORE_DOUBT = 3;

/** How long a search waits before it goes on, in milliseconds. */
export function searchPause(misses: number): number {
  return Math.min(SEARCH_PAUSE * misses, LONGEST_SEARCH_PAUSE);
}

/**
 * Who was found and said that the session is not its own. What one node said tells nothing of another: a poll at a node that
 * left, and had said so three times itself, had the session claimed back from the living one that had just taken it over.
 */
export class Strangers {
  #last: NodeId | undefined;
  #times = 0;

  met(node: NodeId): void {
    this.#times = node === this.#last ? this.#times + 1 : 1;
    this.#last = node;
  }

  /** The node that is not the owner, whatever the record says. */
  get doubted(): NodeId | undefined {
    return this.#times < STRANGERS_BEFORE_DOUBT ? undefined : this.#last;
  }
}
