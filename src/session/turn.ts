import type { Commit, NodeId, SessionPhase } from "../store/port";
import { RequestKind, type AnswerCode } from "./answers";

/** A node that waits for an answer. */
export interface Waiter {
  readonly holder: NodeId;
  readonly kind: RequestKind;
  readonly t: string;
}

/** A request that is refused, once a commit has proved that this node may speak for the session. */
export interface RefusedRequest extends Waiter {
  readonly code: AnswerCode;
}

/** How a session ends with a turn. */
export interface Ending {
  /** The last packet of a parked poll: close, or noop where it was the client that closed. */
  readonly packet: "1" | "6";
  /** Emitted as `close(reason, description)` when the turn is committed; empty where the socket has emitted it already. */
  readonly reason: string;
  readonly description?: unknown;
}

/** What happened to a session since its previous turn began. */
export class Next {
  /** POSTs handled, by key, with the nodes that wait for the answer. */
  readonly posts = new Map<string, NodeId[]>();
  refusals: RefusedRequest[] = [];
  ending: Ending | undefined;
  /** A turn is owed though nothing changed: it proves who the owner is. */
  proof = false;

  get empty(): boolean {
    return this.posts.size === 0 && this.refusals.length === 0 && this.ending === undefined && !this.proof;
  }

  waiters(): Waiter[] {
    const posts = [...this.posts].flatMap(([t, holders]) => holders.map((holder) => ({ holder, kind: RequestKind.Post, t })));
    return [...posts, ...this.refusals];
  }

  /** This with what happened afterwards; where either ends the session, so does the whole. */
  with(later: Next): Next {
    const both = new Next();
    for (const { posts, refusals } of [this, later]) {
      for (const [key, holders] of posts) both.posts.set(key, holders);
      both.refusals.push(...refusals);
    }
    both.ending = this.ending ?? later.ending;
    both.proof = this.proof || later.proof;
    return both;
  }
}

/** The poll that a turn answers. */
export interface Taken {
  readonly t: string;
  readonly holders: NodeId[];
}

/** A turn whose commit is under way. */
export interface Turn {
  readonly commit: Commit;
  readonly next: Next;
  readonly taken: Taken | undefined;
  /** Number of the last packet that the record has once this is committed. */
  readonly tail: number;
  /** Whether the socket's buffer was taken, so that callbacks are due. */
  readonly flushed: boolean;
  readonly phase: SessionPhase;
  /** JSON of `socket.data` that this turn writes. */
  readonly data: string | undefined;
}

/** A poll that waits. */
export interface Parked {
  readonly t: string;
  holders: NodeId[];
}

/** The nodes that wait for one poll. */
export function waitersOfPoll(poll: Parked | Taken | undefined): Waiter[] {
  return poll?.holders.map((holder) => ({ holder, kind: RequestKind.Get, t: poll.t })) ?? [];
}
