/** Pause before a search goes on when it finds nobody or the wrong node, in milliseconds; grows with each miss. */
const SEARCH_PAUSE = 20;
const LONGEST_SEARCH_PAUSE = 500;

/** So many times a search may find a node that is not the owner before the record's word is doubted. */
export const STRANGERS_BEFORE_DOUBT = 3;

/** How long a search waits before it goes on, in milliseconds. */
export function searchPause(misses: number): number {
  return Math.min(SEARCH_PAUSE * misses, LONGEST_SEARCH_PAUSE);
}
