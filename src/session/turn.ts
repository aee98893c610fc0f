import type { Commit, NodeId, SessionPhase } from "../store/port";
import type { Transport } from "../transports/transport";
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
  /** The last packet of a parked poll: close, or noop where it was the client that closed; none where the record has no room. */
  readonly packet: "1" | "6" | "";
  /** Emitted as `close(reason, description)` when the turn is committed; empty where the socket has emitted it already. */
  readonly reason: string;
  readonly description?: unknown;
}

/** A session's change of transport, and who waits for its record. */
export interface UpgradeStep {
  readonly transport: Transport;
  readonly recorded: () => void;
}

const NOBODY: ReadonlyMap<string, NodeId[]> = new Map();
const NOTHING: readonly RefusedRequest[] = [];

/** What happened to a session since its previous turn began. */
export class Next {
  /** POSTs handled, by key, with the nodes that wait for the answer. */
  #posts: Map<string, NodeId[]> | undefined;
  /** What other nodes sent, by sender and number, with the nodes that wait for the answer. */
  #sends: Map<string, NodeId[]> | undefined;
  #refusals: RefusedRequest[] | undefined;
  ending: Ending | undefined;
  /** A turn is owed though nothing changed: it proves who the owner is. */
  proof = false;
  /** The session goes over to a websocket. */
  upgrade: UpgradeStep | undefined;
  /** Answers a websocket's probe, once the record says that it was answered (U7). */
  probe: (() => void) | undefined;

  // Most turns have one POST, or none, and nothing of the rest: what is not there costs nothing.

  get posts(): ReadonlyMap<string, NodeId[]> {
    return this.#posts ?? NOBODY;
  }

  get sends(): ReadonlyMap<string, NodeId[]> {
    return this.#sends ?? NOBODY;
  }

  get refusals(): readonly RefusedRequest[] {
    return this.#refusals ?? NOTHING;
  }

  addPost(key: string, holders: NodeId[]): void {
    this.#posts ??= new Map();
    this.#posts.set(key, holders);
  }

  addSend(name: string, holders: NodeId[]): void {
    this.#sends ??= new Map();
    this.#sends.set(name, holders);
  }

  refuse(request: RefusedRequest): void {
    this.#refusals ??= [];
    this.#refusals.push(request);
  }

  get empty(): boolean {
    const quiet = this.#posts === undefined && this.#sends === undefined && this.#refusals === undefined && !this.proof;
    return quiet && this.ending === undefined && this.upgrade === undefined && this.probe === undefined;
  }

  waiters(): Waiter[] {
    return [...named(this.posts, RequestKind.Post), ...named(this.sends, RequestKind.Send), ...this.refusals];
  }

  /** This with what happened afterwards; where either ends the session, so does the whole. */
  with(later: Next): Next {
    const both = new Next();
    for (const { posts, sends, refusals } of [this, later]) {
      for (const [key, holders] of posts) both.addPost(key, holders);
      for (const [key, holders] of sends) both.addSend(key, holders);
      for (const refused of refusals) both.refuse(refused);
    }
    both.ending = this.ending ?? later.ending;
    both.proof = this.proof || later.proof;
    both.upgrade = this.upgrade ?? later.upgrade;
    both.probe = this.probe ?? later.probe;
    return both;
  }
}

/** The poll that a turn answers. */
export interface Taken {
  readonly t: string;
  readonly holders: NodeId[];
}

/** What a turn does to the session's polls and phase. */
export interface Plan {
  readonly phase: SessionPhase;
  readonly taken: Taken | undefined;
  /** A poll that is let go because the session has another transport. */
  readonly released: Parked | undefined;
  /** Whether the socket's buffer was taken, so that callbacks are due. */
  readonly flushed: boolean;
}

/** A turn whose commit is under way. */
export interface Turn extends Plan {
  readonly commit: Commit;
  readonly next: Next;
  /** Number of the last packet that the record has once this is committed. */
  readonly tail: number;
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

/** The nodes that wait for a POST that is not in a turn yet. */
export function waitersOfPost({
  key,
  holders,
}: {
  readonly key: string;
  readonly holders: readonly NodeId[];
}): Waiter[] {
  return holders.map((holder) => ({ holder, kind: RequestKind.Post, t: key }));
}

function named(waiting: ReadonlyMap<string, readonly NodeId[]>, kind: RequestKind): Waiter[] {
  return [...waiting].flatMap(([t, holders]) => holders.map((holder) => ({ holder, kind, t })));
}
