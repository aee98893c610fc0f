/** Counts that are raised for requests and frames: plain numbers, in an object whose shape never changes. */
export class FrequentCounts {
  /** Requests that arrived here, by kind and by whether their session is owned here. */
  "polls.local" = 0;
  "polls.remote" = 0;
  "posts.local" = 0;
  "posts.remote" = 0;
  /** What came again to this owner and was not done again: polls, POSTs, and sends of other nodes. */
  "duplicates.polls" = 0;
  "duplicates.posts" = 0;
  "duplicates.sends" = 0;
  /** Frames of relayed websockets that came here: at the owner from the client, at the gateway for the client. */
  "relayFrames.fromClient" = 0;
  "relayFrames.toClient" = 0;
}

/** Counts of what a node does: cheap to raise, read as a plain object. */
export class Counters {
  readonly frequent = new FrequentCounts();
  readonly #counts = new Map<string, number>();

  /** Raises `name`, or `name.label`. */
  count(name: string, label?: string): void {
    const key = label === undefined ? name : `${name}.${label}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  read(): Record<string, number> {
    return Object.fromEntries<number>([...Object.entries(this.frequent), ...this.#counts]);
  }
}
