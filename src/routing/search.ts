import type { Membership } from "../ownership/membership";
import type { LookResult, NodeId, SessionStore } from "../store/port";
import type { Counters } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import type { Whereabouts } from "./holder";
import type { OwnerCache } from "./owner-cache";
import type { StoreWatch } from "./store-watch";
import type { Takeovers } from "./takeovers";

/** The longest session id, in characters: ids become part of keys. */
export const MAX_SID_CHARS = 128;

const HERE: Whereabouts = { kind: "here" };
const UNKNOWN: Whereabouts = { kind: "unknown" };
const AWAY: Whereabouts = { kind: "away" };

export interface SearchParts {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly store: SessionStore;
  readonly counters: Counters;
  readonly sessions: { has(sid: string): boolean };
  readonly cache: OwnerCache;
  readonly takeovers: Takeovers;
  readonly storeWatch: StoreWatch;
  readonly isolation: { readonly withdrawn: boolean };
  readonly membership: Pick<Membership, "isDead" | "leaseEnded" | "isStoreAway">;
}

interface Look {
  readonly since: number;
  readonly result: Promise<LookResult>;
}

/** What the store leaves without an answer for so long has none for now, in milliseconds. */
const SLOW = 250;
/** So long behind a look that had no answer, in milliseconds, nothing says that the next one has: the others are told with two beats. */
const BLIND_FOR = 1000;

/** Finds the owner of a session, or becomes it where the owner is dead (H1). */
export class Search {
  readonly #parts: SearchParts;
  /** In the order in which they began. */
  readonly #looks = new Map<string, Look>();
  /** When a look was last found to have no answer. */
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: SearchParts) {
    this.#parts = parts;
  }

  /**
   * O9: whether who is given a poll here cannot look for its owner, who is not to give it up. Not where this node has withdrawn, and
   * keeps none: it may be cut off for hours, in which no owner would find that a client is gone but by its ping.
   */
  get isBlind(): boolean {
    const { clock, isolation, membership } = this.#parts;
    if (isolation.withdrawn) return false;
    const now = clock.now();
    for (const { since } of this.#looks.values()) {
      if (now - since > SLOW) this.#failedAt = now;
      break;
    }
    return membership.isStoreAway(SLOW) || now - this.#failedAt < BLIND_FOR;
  }

  /** Where the session was last known to be, without asking anybody. */
  guess(sid: string): Whereabouts | undefined {
    const { sessions, cache, membership } = this.#parts;
    if (sessions.has(sid)) return HERE;
    const node = cache.get(sid);
    return node === undefined || membership.isDead(node) ? undefined : { kind: "at", node };
  }

  /** `doubted`: nodes that were found before and did not own it. */
  async find(sid: string, doubted: readonly NodeId[]): Promise<Whereabouts> {
    const { id, clock, sessions, takeovers, storeWatch, membership, cache, isolation } = this.#parts;
    if (sessions.has(sid)) return HERE;
    const claiming = takeovers.running(sid);
    if (claiming !== undefined) return claiming;
    if (isolation.withdrawn) return AWAY;
    // No session has such an id: whoever makes them up is to cost the store nothing.
    if (sid.length > MAX_SID_CHARS) return UNKNOWN;
    const found = await this.#look(sid);
    if (found.kind === "away") this.#failedAt = clock.now();
    if (found.kind !== "found") return found.kind === "unknown" && !storeWatch.recovering ? UNKNOWN : AWAY;
    if (sessions.has(sid)) return HERE;
    const { owner } = found;
    // Own record without a session here: a claim of this node whose answer got lost. Claiming is harmless.
    if (doubted.includes(owner) || owner === id || membership.isDead(owner)) {
      // U6: not on a suspicion, since a claim ends it.
      const spared = found.transport === "websocket" && found.phase === "open" && owner !== id;
      if (!spared || membership.leaseEnded(owner)) return takeovers.claim(sid, owner, found.turn);
      // An owner that is doubted and lives is asked all the same: a gateway whose ack was lost would look on in vain.
      if (membership.isDead(owner)) return AWAY;
    }
    cache.set(sid, owner);
    return { kind: "at", node: owner, protocol: found.protocol };
  }

  /** Equal looks at one time are one. */
  #look(sid: string): Promise<LookResult> {
    const running = this.#looks.get(sid);
    if (running !== undefined) return running.result;
    const { counters, store, clock } = this.#parts;
    counters.count("looks");
    const result = store.look(sid).finally(() => this.#looks.delete(sid));
    this.#looks.set(sid, { since: clock.now(), result });
    return result;
  }
}
