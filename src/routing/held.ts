import type { NodeId } from "../store/port";
import type { RequestKind, Answer } from "../session/answers";
import type { Ticket } from "../time/deadline-queue";
import type { Strangers } from "./search-patience";

/** A connection that waits for an answer. It may be gone by the time of the answer: then it ignores it. */
export interface WaitingConnection {
  answer(answer: Answer): void;
  /** This node leaves: the connection breaks, so that whatever is in front sends the request to another one. */
  abandon(): void;
}

/** What is asked of a session's owner. */
export interface Asked {
  readonly kind: RequestKind;
  readonly sid: string;
  /** `t` of a poll, key of a POST, sender and number of a send. */
  readonly t: string;
  readonly body: string | Uint8Array;
  /** Revision of the protocol that the request says it speaks; 0 where it says nothing. */
  readonly revision: number;
}

/** What is held of one session: two or three requests at most, told apart by looking at them. */
type Slot = Held[];

/** A request that waits here, whatever number of connections sent it: a client's own and a balancer's retries. */
export class Held implements Asked {
  readonly kind: RequestKind;
  readonly sid: string;
  readonly t: string;
  readonly body: string | Uint8Array;
  readonly revision: number;
  readonly connections: WaitingConnection[] = [];
  /** The node that was asked last; undefined while the owner is looked for. */
  askedAt: NodeId | undefined;
  /** How often the search was in vain, for whatever reason. */
  misses = 0;
  /** Who it found that was not the owner; made when somebody was. */
  strangers: Strangers | undefined;
  /** How often a poll was said again to the node that has it. */
  repeats = 0;
  /** When it is asked again. */
  repeatedAt: Ticket<Held> | undefined;
  /** When the search for its owner is given up. */
  givenUpAt: Ticket<Held> | undefined;
  /** The requests of its session, this one among them while it is held. */
  slot: Held[] | undefined;

  constructor({ kind, sid, t, body, revision }: Asked) {
    this.kind = kind;
    this.sid = sid;
    this.t = t;
    this.body = body;
    this.revision = revision;
  }

  /** Whether it still waits here. */
  get isHeld(): boolean {
    return this.slot !== undefined;
  }
}

/** Slots that nothing is held in are kept up to this number, or as many as are in use. */
const SPARE_SLOTS = 1000;

/**
 * The requests held at a node, by session. No name is made of session and `t`: that would be a string for every request
 * and every answer.
 *
 * A session's slot stays when it is empty, until there are many such: a client sends its next request at once, and a Map
 * that takes and drops a key for each grows a new table again and again (see `DeadlineQueue` for what that costs).
 */
export class HeldRequests {
  readonly #slots = new Map<string, Slot>();
  #spare = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(kind: RequestKind, sid: string, t: string): Held | undefined {
    const slot = this.#slots.get(sid);
    return slot === undefined ? undefined : find(slot, kind, t);
  }

  /** The request that is held by this name, or a new one, which is held from now on. */
  getOrAdd(asked: Asked): Held {
    const { kind, sid, t } = asked;
    let slot = this.#slots.get(sid);
    const known = slot === undefined ? undefined : find(slot, kind, t);
    if (known !== undefined) return known;
    if (slot === undefined) this.#slots.set(sid, (slot = []));
    else if (slot.length === 0) this.#spare--;
    const held = new Held(asked);
    held.slot = slot;
    slot.push(held);
    this.#size++;
    return held;
  }

  remove(held: Held): void {
    const { slot } = held;
    if (slot === undefined) return;
    const last = slot.pop();
    if (last !== undefined && last !== held) slot[slot.indexOf(held)] = last;
    held.slot = undefined;
    if (slot.length === 0 && ++this.#spare > SPARE_SLOTS && this.#spare * 2 > this.#slots.size) this.#sweep();
    this.#size--;
    held.askedAt = undefined;
  }

  /** All requests that were put to `node`. Looks at every request: asked only when something is amiss. */
  at(node: NodeId): Held[] {
    return this.all().filter((held) => held.askedAt === node);
  }

  all(): Held[] {
    return [...this.#slots.values()].flat();
  }

  #sweep(): void {
    for (const [sid, slot] of this.#slots) if (slot.length === 0) this.#slots.delete(sid);
    this.#spare = 0;
  }
}

function find(slot: Slot, kind: RequestKind, t: string): Held | undefined {
  for (const held of slot) if (held.kind === kind && held.t === t) return held;
  return undefined;
}
