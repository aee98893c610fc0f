import type { NodeId } from "../store/port";
import { RequestKind, type Answer } from "../session/answers";

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
  readonly connections = new Set<WaitingConnection>();
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

/** The requests held at a node: by name, and by the node that was asked. */
export class HeldRequests {
  readonly #byName = new Map<string, Held>();
  readonly #byNode = new Map<NodeId, Set<Held>>();

  get size(): number {
    return this.#byName.size;
  }

  get(kind: RequestKind, sid: string, t: string): Held | undefined {
    return this.#byName.get(nameOf(kind, sid, t));
  }

  add(held: Held): void {
    this.#byName.set(nameOf(held.kind, held.sid, held.t), held);
  }

  has(held: Held): boolean {
    return this.#byName.get(nameOf(held.kind, held.sid, held.t)) === held;
  }

  remove(held: Held): void {
    this.#byName.delete(nameOf(held.kind, held.sid, held.t));
    this.asked(held, undefined);
  }

  /** Notes which node was asked. */
  asked(held: Held, node: NodeId | undefined): void {
    if (held.askedAt === node) return;
    if (held.askedAt !== undefined) {
      const before = this.#byNode.get(held.askedAt);
      before?.delete(held);
      if (before?.size === 0) this.#byNode.delete(held.askedAt);
    }
    held.askedAt = node;
    if (node === undefined) return;
    const set = this.#byNode.get(node);
    if (set === undefined) this.#byNode.set(node, new Set([held]));
    else set.add(held);
  }

  /** All requests that were put to `node`. */
  at(node: NodeId): Held[] {
    return [...(this.#byNode.get(node) ?? [])];
  }

  all(): Held[] {
    return [...this.#byName.values()];
  }
}

// With the length: a client chooses both, and must not be able to name another session.
function nameOf(kind: RequestKind, sid: string, t: string): string {
  return `${KIND_LETTERS[kind]}${String(sid.length)} ${sid}${t}`;
}

const KIND_LETTERS = { [RequestKind.Get]: "g", [RequestKind.Post]: "p", [RequestKind.Send]: "s" } as const;
