import type { NodeId } from "../store/port";
import type { RequestKind, Answer } from "../session/answers";

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

/** A request that waits here, whatever number of connections sent it: a client's own and a balancer's retries. */
export class Held implements Asked {
  readonly kind: RequestKind;
  readonly sid: string;
  readonly t: string;
  readonly body: string | Uint8Array;
  readonly revision: number;
  readonly connections: WaitingConnection[] = [];
  /** Whether it still waits here. */
  isHeld = false;
  /** The node that was asked last; undefined while the owner is looked for. */
  askedAt: NodeId | undefined;
  /** How often the search found somebody who was not the owner. */
  misses = 0;
  /** How often a poll was said again to the node that has it. */
  repeats = 0;

  constructor({ kind, sid, t, body, revision }: Asked) {
    this.kind = kind;
    this.sid = sid;
    this.t = t;
    this.body = body;
    this.revision = revision;
  }
}

/**
 * The requests held at a node, by session: of one session there are two or three, which are told apart by looking at
 * them. No name is made of session and `t`: that would be a string for every request and every answer.
 */
export class HeldRequests {
  readonly #bySession = new Map<string, Held[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(kind: RequestKind, sid: string, t: string): Held | undefined {
    const list = this.#bySession.get(sid);
    if (list === undefined) return undefined;
    for (const held of list) if (held.kind === kind && held.t === t) return held;
    return undefined;
  }

  add(held: Held): void {
    const list = this.#bySession.get(held.sid);
    if (list === undefined) this.#bySession.set(held.sid, [held]);
    else list.push(held);
    this.#size++;
    held.isHeld = true;
  }

  remove(held: Held): void {
    const list = this.#bySession.get(held.sid);
    const at = list?.indexOf(held) ?? -1;
    if (list === undefined || at < 0) return;
    if (list.length === 1) this.#bySession.delete(held.sid);
    else list.splice(at, 1);
    this.#size--;
    held.isHeld = false;
    held.askedAt = undefined;
  }

  /** All requests that were put to `node`. Looks at every request: asked only when something is amiss. */
  at(node: NodeId): Held[] {
    return this.all().filter((held) => held.askedAt === node);
  }

  all(): Held[] {
    return [...this.#bySession.values()].flat();
  }
}
