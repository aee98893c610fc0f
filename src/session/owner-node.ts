import type { Commit, CommitWaiter, NodeId, RestoreResult, SessionRecord } from "../store/port";
import type { FrequentCounts } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import type { TickWork } from "../time/tick";
import type { Answer, RequestKind } from "./answers";
import type { Deadlines } from "../time/deadlines";

/** A session, as its node's timers and tables know it. */
export interface SessionHandle {
  readonly sid: string;
  /** Nobody came back for the parked poll (O9). */
  graceOver(): void;
  /** No poll came to carry a close. */
  closingOver(): void;
  /** The record was not renewed: it is another node's, or the store lost it. */
  renewFailed(): Promise<void>;
}

/** What the sessions that a node owns need of it. */
export interface OwnerNode {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly counts: FrequentCounts;
  /** Raised when the store may have lost records. */
  readonly storeGeneration: number;
  /** How many handled POSTs and answered polls a session remembers at least. */
  readonly ring: number;
  /** All that came within so many milliseconds is remembered too (H6). */
  readonly ringCover: number;
  /** How old the last renewal of a record's time to live may be, in milliseconds. */
  readonly refreshAfter: number;
  /**
   * For so many milliseconds behind a commit the record is there, whoever has become its owner or closed it since: else the store has
   * lost it.
   */
  readonly recordLasts: number;
  /** The longest JSON of `socket.data`, in characters. */
  readonly maxDataChars: number;
  /** A parked poll has lost its last holder: the session ends unless one comes back. */
  readonly grace: Deadlines<SessionHandle>;
  /** A close waits for a poll to carry it. */
  readonly closing: Deadlines<SessionHandle>;

  /**
   * Whether this node may not have heard, within the last `pollGrace`, what other nodes had to say: it was cut off, or one of them is
   * not heard, or was lost (O9).
   */
  readonly wasDeaf: boolean;
  /** Others may have claimed sessions of this node, which cannot hear of it. */
  readonly inDoubt: boolean;
  /** Whether the node is not known to be dead. */
  lives(node: NodeId): boolean;
  /** How long a client may take to complete an upgrade, in milliseconds. */
  readonly upgradeTimeout: number;
  /** The session has a websocket now: its record is renewed with others, not by turns. */
  onUpgraded(session: SessionHandle): void;
  /** Calls `work.run()` at the end of the tick. */
  turnDue(work: TickWork): void;
  commit(commit: Commit, waiter: CommitWaiter): void;
  restore(sid: string, record: SessionRecord): Promise<RestoreResult>;
  /** Answers all connections that `holder` has for `(kind, sid, t)`. */
  answer(holder: NodeId, kind: RequestKind, sid: string, t: string, answer: Answer): void;
  /** The session is another node's: `holder` looks for its owner and asks again. */
  notMine(holder: NodeId, kind: RequestKind, sid: string, t: string): void;
  /** The session's owner of now may wait for a pong that was taken here. */
  passPong(sid: string): void;
  /** The session is over; its last answer can be asked for until `linger` has passed. */
  onEnded(session: SessionHandle): void;
  /** The session is another node's, or nobody's. */
  onLost(session: SessionHandle, owner: NodeId | undefined): void;
}
