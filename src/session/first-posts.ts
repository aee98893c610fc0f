import type { NodeId } from "../store/port";

/**
 * A request that the last owner ended of is asked again at once, or when its holder finds the next owner, within this time, in
 * milliseconds. What comes later has ended nobody: a session that was idle when its owner was killed, and had the next one killed
 * with its first POST in hand, would be ended for nothing.
 */
const SUSPECTED_FOR = 20_000;

/** A POST that is not handled yet. */
export interface WaitingPost {
  readonly key: string;
  readonly holders: NodeId[];
  readonly body: string | Uint8Array;
}

/** O14: what an owner that adopted a session knows of its first POSTs. */
export class FirstPosts {
  /** The POST that the owner before was about to handle when it ended. */
  readonly suspect: string | undefined;
  /** When no request is suspected any more. */
  readonly #until: number;
  /** The POST whose mark is on its way to the record. */
  marked: WaitingPost | undefined;
  /** Those that came meanwhile. Each is marked in its turn: which of them the last owner ended of is not known. */
  readonly behind: WaitingPost[] = [];

  constructor(suspect: string | undefined, now: number) {
    this.suspect = suspect;
    this.#until = now + SUSPECTED_FOR;
  }

  isOver(now: number): boolean {
    return now >= this.#until;
  }

  get waiting(): readonly WaitingPost[] {
    return this.marked === undefined ? this.behind : [this.marked, ...this.behind];
  }
}
