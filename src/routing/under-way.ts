/** What a message costs besides its body: a frame, and entries in lists. Without it, empty messages were never too many. */
const MESSAGE_COST = 64;
/** Sizes that are done with are taken away together, when they are so many: one by one each would move all behind it. */
const COMPACT_FROM = 1024;

/** At the least limit that a node may have (`maxRelayedSize`), this lets the other end go on. */
const SAID_EVERY = 256 * 1024;

/**
 * After so many units the other end is told how far its messages were taken. It sends on while it has its limit's worth under way, and
 * its limit need not be this node's.
 */
export function saidEvery(limit: number): number {
  return Math.min(limit / 4, SAID_EVERY);
}

/** Messages that were numbered and sent, and not said to be handled. */
export class UnderWay {
  /** Of the messages, the oldest first, from `#head` on. */
  #sizes: number[] = [];
  #head = 0;
  #handled = 0;
  #size = 0;

  /** In units of what was said, and some for each message. */
  get size(): number {
    return this.#size;
  }

  add(length: number): void {
    this.#sizes.push(length + MESSAGE_COST);
    this.#size += length + MESSAGE_COST;
  }

  /** So many were handled, in all. */
  handled(total: number): void {
    // Whoever says more than there are says that all are.
    while (this.#handled < total && this.#head < this.#sizes.length) {
      this.#size -= this.#sizes[this.#head++] ?? 0;
      this.#handled++;
    }
    if (this.#head === this.#sizes.length) this.#sizes = [];
    else if (this.#head < COMPACT_FROM || this.#head * 2 < this.#sizes.length) return;
    else this.#sizes.splice(0, this.#head);
    this.#head = 0;
  }
}
