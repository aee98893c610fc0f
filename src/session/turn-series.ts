import type { Commit, CommitResult, CommitWaiter, NodeId, SessionPhase, SessionRecord } from "../store/port";
import type { Timer } from "../time/clock";
import type { TickWork } from "../time/tick";
import { BufferLimitError } from "./buffer-limit-error";
import type { Outbox } from "./outbox";
import type { OwnerNode } from "./owner-node";
import { Next, type Ending, type Plan, type Taken, type Turn } from "./turn";

export interface SeriesStart {
  readonly turn: number;
  readonly phase: SessionPhase;
  readonly outbox: Outbox;
}

/** How long to wait before a commit that the store did not answer is sent again, in milliseconds. */
const COMMIT_AGAIN = 200;

/** No generation of a store: it has lost the record, and does not know. */
const LOST = 0;

/**
 * The turns of one session, one commit under way at a time: what happens meanwhile makes the next one. That keeps order,
 * and batches under load. What a turn holds, and what it lets out when it is committed, is the subclass's business.
 */
export abstract class TurnSeries implements CommitWaiter, TickWork {
  readonly sid: string;
  protected readonly node: OwnerNode;
  protected readonly outbox: Outbox;
  protected committing: Turn | undefined;
  protected next = new Next();
  #turn: number;
  #phase: SessionPhase;
  /** Lost, or closed and recorded so: no turn follows. */
  #over: boolean;
  /** A turn is asked for at the end of this tick. */
  #due = false;
  #refreshedAt: number;
  /** Of the store, when it was last seen to have the record. */
  #generation: number;
  /** When the commit that is under way was asked for, and the last one that was made: then the record was this node's. */
  #askedAt = 0;
  #ownedAt = Number.NEGATIVE_INFINITY;
  #again: Timer | undefined;

  constructor(sid: string, node: OwnerNode, start: SeriesStart) {
    this.sid = sid;
    this.node = node;
    this.outbox = start.outbox;
    this.#turn = start.turn;
    this.#phase = start.phase;
    this.#over = start.phase === "closed";
    this.#refreshedAt = node.clock.now();
    this.#generation = node.storeGeneration;
  }

  /** Number of the last turn that is committed. */
  get turn(): number {
    return this.#turn;
  }

  get phase(): SessionPhase {
    return this.#phase;
  }

  /** The generation of the store in which it was last seen to have the record. */
  get seenIn(): number {
    return this.#generation;
  }

  /** Closed and recorded so, in which case only its last answer is of interest; or lost. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether nothing is under way: no turn, and nothing that would make one. */
  get idle(): boolean {
    return !this.#due && this.committing === undefined && this.next.empty;
  }

  /** Whether packets leave by a connection of this node's, and not by turns. */
  abstract get direct(): boolean;
  /** How many names of requests this owner remembers, which a successor is to know as well. */
  protected abstract get remembered(): number;
  /** What the next turn does to polls and phase. What it takes is the turn's. */
  protected abstract plan(next: Next): Plan;
  /** The part of the record that only the owner understands, where it has changed. */
  protected abstract ownPart(): string | undefined;
  /** The turn is committed. */
  protected abstract letOut(turn: Turn): void;
  /** The turn that took the poll is given up. */
  protected abstract takeBack(taken: Taken): void;
  /** O5: the session is another node's, or nobody's. */
  protected abstract lose(owner: NodeId | undefined): void;
  /** The record as it stood before the turn that is under way; `taking`: that turn answers a poll. */
  protected abstract copy(taking: boolean): SessionRecord;

  /** O6: an empty turn, which tells whether this node still owns the session. */
  prove(): void {
    if (this.#over) return;
    this.next.proof = true;
    this.touch();
  }

  /** The end of the tick in which something happened. */
  run(): void {
    this.#due = false;
    this.#start();
  }

  /** Something happened: a turn is due at the end of the tick. */
  protected touch(): void {
    if (this.#due || this.#over) return;
    this.#due = true;
    this.node.turnDue(this);
  }

  /** The session ends with the next turn. */
  protected end(ending: Ending): void {
    if (this.#over || this.isEnding) return;
    this.next.ending = ending;
    this.touch();
  }

  /** Whether the session's end is decided, and only its commit is missing. */
  protected get isEnding(): boolean {
    return this.next.ending !== undefined || this.committing?.phase === "closed";
  }

  /** The node has stopped: what is not committed by now will not be by it. */
  halt(): void {
    this.stop();
  }

  /** No turn follows. */
  protected stop(): void {
    this.#over = true;
    this.#again?.stop();
  }

  /** O3. */
  #start(): void {
    if (this.#over || this.committing !== undefined) return;
    // First: data that cannot be written ends the session, in this very turn.
    const data = this.ownPart();
    const next = this.next;
    const plan = this.plan(next);
    const { phase, taken, released, flushed } = plan;
    if (taken !== undefined) this.outbox.take(taken.t);
    const packets = this.direct || next.upgrade !== undefined ? NONE : this.outbox.unrecorded();
    const changed = packets.length > 0 || phase !== this.#phase || data !== undefined;
    if (next.empty && taken === undefined && !changed) return;
    const commit: Commit = {
      sid: this.sid,
      node: this.node.id,
      turn: this.#turn + 1,
      acked: this.outbox.acked,
      inflight: this.outbox.inflight,
      packets,
      posts: next.posts.size === 0 ? NONE : [...next.posts.keys()],
      keep: Math.max(this.node.ring, this.remembered),
      refresh: this.#refreshDue(),
      // One shape for every commit, and no spread: this is made for every message.
      phase: phase === this.#phase ? undefined : phase,
      data,
      transport: next.upgrade === undefined ? undefined : "websocket",
    };
    this.next = new Next();
    // A listener of "flush" has ended the session while this turn, which does not, was made: the next one does.
    if (phase !== "closed" && next.ending !== undefined) {
      this.next.ending = next.ending;
      next.ending = undefined;
    }
    this.committing = { phase, taken, released, flushed, commit, next, tail: this.outbox.tail, data };
    this.#send(commit);
  }

  #send(commit: Commit): void {
    this.#askedAt = this.node.clock.now();
    this.node.commit(commit, this);
  }

  #refreshDue(): boolean {
    const now = this.node.clock.now();
    if (now - this.#refreshedAt <= this.node.refreshAfter) return false;
    this.#refreshedAt = now;
    return true;
  }

  onCommitResult(result: CommitResult): void {
    const turn = this.committing;
    if (turn === undefined || this.#over) return;
    switch (result.kind) {
      case "ok":
        this.#committed(turn);
        return;
      case "fenced":
        this.lose(result.owner);
        return;
      case "unknown":
        if (this.#cannotHaveEnded()) this.#generation = LOST;
        // Ended elsewhere, or lost by the store since this owner's last turn (O5).
        if (this.node.storeGeneration === this.#generation) this.lose(undefined);
        else void this.#restore(turn);
        return;
      case "overflow":
        this.#overflowed(turn);
        return;
      case "behind":
        void this.#restore(turn);
        return;
      case "away":
        // It may have been written or not: the same commit again is harmless, and tells.
        this.#again = this.node.clock.after(COMMIT_AGAIN, () => {
          this.#send(turn.commit);
        });
    }
  }

  /** Whether a record that is gone was this node's so little time ago that it cannot have come to its end. */
  #cannotHaveEnded(): boolean {
    return this.node.clock.now() - this.#ownedAt < this.node.recordLasts;
  }

  #committed(turn: Turn): void {
    this.committing = undefined;
    this.#generation = this.node.storeGeneration;
    this.#ownedAt = this.#askedAt;
    this.#turn++;
    this.#phase = turn.phase;
    this.outbox.committed(turn.tail);
    try {
      this.letOut(turn);
    } finally {
      // Whoever survives what his listeners throw has a session that goes on.
      this.#start();
    }
  }

  /** The record cannot take what the session has to say: it ends, and its client and application are told. */
  #overflowed(turn: Turn): void {
    this.committing = undefined;
    if (turn.taken !== undefined) {
      this.outbox.untake();
      this.takeBack(turn.taken);
    }
    this.outbox.dropUnrecorded();
    const next = turn.next.with(this.next);
    const description = new BufferLimitError();
    // A record that is full refuses even the packet of the close; without any it takes the turn.
    next.ending = { packet: turn.phase === "closed" ? "" : "1", reason: "transport error", description };
    this.next = next;
    this.touch();
  }

  /** The record is older than this owner's knowledge: the store lost data. */
  async #restore(turn: Turn): Promise<void> {
    const result = await this.node.restore(this.sid, this.copy(turn.taken !== undefined));
    if (this.#over || this.committing !== turn) return;
    if (result.kind === "fenced") this.lose(result.owner);
    else if (result.kind === "ok") this.#send(turn.commit);
    else this.onCommitResult(result);
  }
}

const NONE: readonly string[] = [];
