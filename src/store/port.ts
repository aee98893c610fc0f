import type { TransportName } from "../protocol/names";

export type { TransportName };

/**
 * The store keeps what a session needs to outlive its node: one record per session, and who is alive.
 *
 * Guarantees that every adapter gives:
 * - Each operation on one session is atomic, and all operations on one session have one order.
 * - Each is a function of the record and its arguments only: asking again with the same arguments (after a
 *   time-out, a reconnect, a crash between the write and its reply) changes nothing more and gives the same answer.
 * - Expected outcomes are tagged results, never exceptions. `away` means that the store could not be reached within its bound: the
 *   operation may or may not have run, and asking again with the same arguments is the remedy.
 * - An operation on one session never fails because of another session, though many travel in one call.
 * - Every key of a session has a time to live; only `open`, `commit`, `claim`, `restore` and `renew` move it on.
 */

/** Names one start of one server process. */
export type NodeId = string;

/** `closing`: a close was asked for and waits for a poll to carry it; `closed`: over, kept for `linger` only. */
export type SessionPhase = "open" | "closing" | "closed";

/** Packets acked+1…upTo were given to the poll `t` and are kept until a poll with another `t` proves they arrived. */
export interface InFlight {
  readonly t: string;
  readonly upTo: number;
}

export interface Opening {
  readonly sid: string;
  readonly node: NodeId;
  readonly protocol: 3 | 4;
  readonly transport: TransportName;
  /** JSON of what rebuilds the Socket: url, query, headers, address. Opaque to the store, never changed later. */
  readonly handshake: string;
}

/** What a session has become in one turn. Committed as a whole or not at all. */
export interface Commit {
  readonly sid: string;
  readonly node: NodeId;
  /** The number of the turn that is committed: one more than the record's. */
  readonly turn: number;
  /** Packets up to this number have arrived at the client; the record drops them. */
  readonly acked: number;
  /** What is in flight after this turn, always said: `null` means nothing. */
  readonly inflight: InFlight | null;
  /** Packets to append, each in its stored form. Opaque to the store. */
  readonly packets: readonly string[];
  /** Keys of the POSTs that this turn handled. */
  readonly posts: readonly string[];
  /** How many of the newest keys of handled POSTs, and of answered polls, the record must keep at least. */
  readonly keep: number;
  /** Whether the record's time to live is due to be moved on. */
  readonly refresh: boolean;
  readonly transport?: TransportName | undefined;
  /** JSON of `socket.data`, when it changed. */
  readonly data?: string | undefined;
  readonly phase?: SessionPhase | undefined;
}

export interface SessionRecord {
  readonly owner: NodeId;
  readonly turn: number;
  readonly protocol: 3 | 4;
  readonly transport: TransportName;
  readonly phase: SessionPhase;
  readonly acked: number;
  /** Packets acked+1…tail. */
  readonly packets: readonly string[];
  readonly inflight: InFlight | null;
  /** The newest `t` that were in flight before, oldest first. */
  readonly answered: readonly string[];
  /** The newest keys of handled POSTs, oldest first. */
  readonly handled: readonly string[];
  readonly handshake: string;
  /** JSON of `socket.data`; empty when it was never set. */
  readonly data: string;
}

export interface Away {
  readonly kind: "away";
}
export interface Unknown {
  readonly kind: "unknown";
}
export interface Ok {
  readonly kind: "ok";
}
/** Another node owns the session now, at this turn. */
export interface Fenced {
  readonly kind: "fenced";
  readonly owner: NodeId;
  readonly turn: number;
}

export type OpenResult = Ok | { readonly kind: "exists" } | Away;

export interface Found {
  readonly kind: "found";
  readonly owner: NodeId;
  readonly turn: number;
  readonly protocol: 3 | 4;
  readonly transport: TransportName;
  readonly phase: SessionPhase;
}
export type LookResult = Found | Unknown | Away;

export interface FoundHandshake {
  readonly kind: "found";
  readonly handshake: string;
}
export type HandshakeResult = FoundHandshake | Unknown | Away;

export type CommitResult =
  | Ok
  | Fenced
  /** The record is older than its owner: the store lost data. `restore`, then the same commit again. */
  | { readonly kind: "behind" }
  /** The write buffer would be over its limit. Nothing changed. */
  | { readonly kind: "overflow" }
  | Unknown
  | Away;

export type ClaimResult =
  | { readonly kind: "ok"; readonly record: SessionRecord }
  /** Somebody committed or claimed meanwhile: look again. */
  | { readonly kind: "no"; readonly owner: NodeId; readonly turn: number }
  | Unknown
  | Away;

export type RestoreResult = Ok | Fenced | Away;

/** Receives the outcome of a commit: an object, not a promise, because every echoed message needs one. */
export interface CommitWaiter {
  onCommitResult(result: CommitResult): void;
}

/** Of a node that has not lost its lease yet. */
export const FIRST_INCARNATION = 1;

export interface LivingNode {
  readonly node: NodeId;
  /** Raised when a lease that had ended is taken again under the same id. */
  readonly incarnation: number;
}

export type LeaseResult = { readonly kind: "ok"; readonly nodes: readonly LivingNode[] } | Away;

export interface SessionStore {
  /**
   * Raised when the store may have lost data, before anything is answered that it had and does not know any more: a record that is
   * `unknown`, the leases without this node's own. A session whose last turn was committed in an older generation and that is
   * `unknown` now was lost, not ended, as far as anyone can tell: `restore` it.
   */
  readonly generation: number;
  /** Called when the store answers again after it could not be reached, perhaps in a new generation. Its user sets it. */
  onReturn: (() => void) | undefined;

  /** Resolves when the store can be used; rejects with an error that says what to set when it never can. */
  ready(): Promise<void>;

  /** Makes the record, turn 0. `ok` again for the same owner while the turn is still 0. */
  open(opening: Opening): Promise<OpenResult>;

  /** Who owns it, and what a node must know before it asks the owner. */
  look(sid: string): Promise<LookResult>;

  /** What a session was opened with, which never changes. For nodes that do not own it. */
  handshake(sid: string): Promise<HandshakeResult>;

  /**
   * Writes one turn, if `node` still owns the session at the turn before. The commits of one tick travel in one
   * call. Commits of one session are answered in the order given. `waiter` is told exactly once.
   *
   * In this order: no record → `unknown`; another owner → `behind` where `turn - 1` is above the record's turn, else
   * `fenced`; a turn not above the record's → `ok`, nothing changes; a turn that leaves a gap → `behind`; over the limit →
   * `overflow`; else applied: when the record's in-flight `t` differs from the given one, the old `t` goes to `answered`.
   */
  commit(commit: Commit, waiter: CommitWaiter): void;

  /** Makes `node` the owner, if the record still stands at `turn`, and raises the turn. `ok` again when sent again. */
  claim(sid: string, node: NodeId, turn: number): Promise<ClaimResult>;

  /**
   * Writes the copy of a living owner where the store lost it or has an older one. A record of the same owner that
   * is not older is kept.
   */
  restore(sid: string, record: SessionRecord): Promise<RestoreResult>;

  /** Moves on the time to live of records that `node` owns; answers with the sids that are not (or no longer) its own. */
  renew(node: NodeId, sids: readonly string[]): Promise<{ kind: "ok"; readonly lost: readonly string[] } | Away>;

  /**
   * Takes or renews the lease of `node` for its time to live, and reads which leases stand. With `takes` false the lease, if there
   * is one, is given back, and those of others are read.
   */
  lease(node: NodeId, incarnation: number, takes?: boolean): Promise<LeaseResult>;

  /** Gives the lease back. */
  release(node: NodeId): Promise<void>;

  /** Hints at which sessions a node owns, for takeover; `claim` verifies. Batched per tick, unordered against commits. */
  index(node: NodeId, add: readonly string[], remove: readonly string[]): void;

  /** Reads that hint in slices: start with the cursor `"0"`, go on with the one returned until it is `"0"` again. */
  indexSlice(
    node: NodeId,
    cursor: string,
  ): Promise<{ kind: "ok"; readonly cursor: string; readonly sids: readonly string[] } | Away>;

  /** Closes what the store opened by itself. Operations under way are answered `away`. */
  close(): Promise<void>;
}

/** Times and limits that an adapter applies. Milliseconds. */
export interface StoreLimits {
  /** Time to live of a living record; longer than pingInterval + pingTimeout. */
  readonly recordTtl: number;
  /** How long a closed record stays, so that its last poll can still be answered by another node. */
  readonly linger: number;
  /** Time to live of a node's lease. */
  readonly leaseTtl: number;
  /** How long an operation waits for a store that cannot be reached before it is answered `away`. */
  readonly awayAfter: number;
  /** Packets that a record holds at most. */
  readonly maxPackets: number;
  /** Characters of stored packets that a record holds at most. */
  readonly maxPacketChars: number;
}
