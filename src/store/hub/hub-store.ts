import type { Reader } from "../../bus/frame";
import type { ByteWriter } from "../../hub/bytes";
import type { Channel } from "../../hub/channel";
import type { ClientPart, HubClient } from "../../hub/client";
import { EntryKind, NodeNames } from "../../hub/entries";
import { writeCommit, writeOpening, writeRecord } from "../../hub/operations";
import {
  awayResult,
  overflowResult,
  readClaimResult,
  readCommitResult,
  readHandshakeResult,
  readLeaseResult,
  readLookResult,
  readOpenResult,
  readRenewResult,
  readRestoreResult,
  readSliceResult,
  type RenewResult,
  type SliceResult,
} from "../../hub/results";
import type {
  ClaimResult,
  Commit,
  CommitResult,
  CommitWaiter,
  HandshakeResult,
  LeaseResult,
  LookResult,
  NodeId,
  Opening,
  OpenResult,
  RestoreResult,
  SessionRecord,
  SessionStore,
  StoreLimits,
} from "../port";
import { Asked, Call } from "./asked";

export interface HubStoreStats {
  /** Operations asked. */
  calls: number;
  /** Of them, commits. */
  commits: number;
  /** Messages that carried them: one for all operations of a tick. */
  scripts: number;
}

/**
 * The store of a worker: each operation is one entry of the tick's message to the primary, which answers them in
 * the order asked. It needs no numbers, no encoding in text and, for a commit, no object of its own.
 *
 * An operation that found no answer within `awayAfter` is answered `away`; its answer, when it comes, is passed over.
 */
export class HubStore implements SessionStore, ClientPart {
  /** What it holds is lost only with the nodes themselves. */
  readonly generation = 1;
  onReturn: (() => void) | undefined;
  readonly stats: HubStoreStats = { calls: 0, commits: 0, scripts: 0 };
  readonly #client: HubClient;
  readonly #channel: Channel;
  readonly #names = new NodeNames();
  readonly #asked: Asked;
  /** The channel's message that the last operation went into. */
  #message = -1;
  #closed = false;

  constructor(client: HubClient, limits: Pick<StoreLimits, "awayAfter">) {
    this.#client = client;
    this.#channel = client.channel;
    this.#asked = new Asked(client.clock, client.tick, limits.awayAfter);
    client.attachStore(this);
  }

  ready(): Promise<void> {
    if (this.#usable) return Promise.resolve();
    return Promise.reject(new Error("the connection to the primary is closed: connect a new hub client"));
  }

  open(opening: Opening): Promise<OpenResult> {
    return this.#call<OpenResult>(EntryKind.OPEN, readOpenResult, awayResult, opening.node, (out) =>
      writeOpening(out, this.#names, opening),
    );
  }

  look(sid: string): Promise<LookResult> {
    return this.#call<LookResult>(EntryKind.LOOK, readLookResult, awayResult, undefined, (out) => out.text(sid));
  }

  handshake(sid: string): Promise<HandshakeResult> {
    return this.#call<HandshakeResult>(EntryKind.HANDSHAKE, readHandshakeResult, awayResult, undefined, (out) =>
      out.text(sid),
    );
  }

  commit(commit: Commit, waiter: CommitWaiter): void {
    this.stats.calls++;
    this.stats.commits++;
    if (!this.#usable || this.#channel.crowded) {
      this.#asked.answerLater(waiter, awayResult);
      return;
    }
    writeCommit(this.#channel.begin(EntryKind.COMMIT), this.#names, commit);
    if (!this.#sent(commit.node)) {
      // Longer than a message may be, or over in this moment.
      this.#asked.answerLater(waiter, this.#channel.open ? overflowResult : awayResult);
      return;
    }
    this.#asked.push(waiter);
  }

  claim(sid: string, node: NodeId, turn: number): Promise<ClaimResult> {
    return this.#call<ClaimResult>(EntryKind.CLAIM, readClaimResult, awayResult, node, (out) => {
      this.#names.write(out, node);
      out.text(sid);
      out.varint(turn);
    });
  }

  restore(sid: string, record: SessionRecord): Promise<RestoreResult> {
    return this.#call<RestoreResult>(EntryKind.RESTORE, readRestoreResult, awayResult, undefined, (out) => {
      out.text(sid);
      writeRecord(out, record);
    });
  }

  renew(node: NodeId, sids: readonly string[]): Promise<RenewResult> {
    return this.#call<RenewResult>(EntryKind.RENEW, readRenewResult, awayResult, node, (out) => {
      this.#names.write(out, node);
      out.texts(sids);
    });
  }

  lease(node: NodeId, incarnation: number, takes = true): Promise<LeaseResult> {
    return this.#call<LeaseResult>(EntryKind.LEASE, readLeaseResult, awayResult, node, (out) => {
      this.#names.write(out, node);
      out.varint(incarnation);
      out.varint(takes ? 1 : 0);
    });
  }

  async release(node: NodeId): Promise<void> {
    await this.#call<CommitResult>(EntryKind.RELEASE, readCommitResult, awayResult, node, (out) =>
      this.#names.write(out, node),
    );
  }

  index(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    this.stats.calls++;
    if (!this.#usable) return;
    const out = this.#channel.begin(EntryKind.INDEX);
    this.#names.write(out, node);
    out.texts(add);
    out.texts(remove);
    this.#sent(node);
  }

  indexSlice(node: NodeId, cursor: string): Promise<SliceResult> {
    return this.#call<SliceResult>(EntryKind.INDEX_SLICE, readSliceResult, awayResult, node, (out) => {
      this.#names.write(out, node);
      out.text(cursor);
    });
  }

  /** The connection to the primary ends with it, unless a bus still uses it. */
  close(): Promise<void> {
    this.#closed = true;
    this.#asked.allAway();
    return this.#client.done(this);
  }

  serve(kind: number, reader: Reader): boolean {
    if (kind !== EntryKind.COMMIT) return this.#asked.answerCall(kind, reader);
    const result = readCommitResult(reader);
    return !reader.failed && this.#asked.answerCommit(result);
  }

  onLost(): void {
    this.#asked.allAway();
  }

  get #usable(): boolean {
    return !this.#closed && this.#channel.open;
  }

  #call<T>(
    kind: number,
    read: (reader: Reader) => T,
    away: T,
    node: NodeId | undefined,
    write: (out: ByteWriter) => void,
  ): Promise<T> {
    this.stats.calls++;
    // What waits already is let out first: beyond its limit the channel would be taken for one that nobody reads.
    if (!this.#usable || (this.#channel.crowded && kind !== EntryKind.LEASE)) return Promise.resolve(away);
    return new Promise((resolve) => {
      write(this.#channel.begin(kind));
      if (this.#sent(node)) this.#asked.push(new Call(kind, read, away, resolve));
      else resolve(away);
    });
  }

  /** Completes the entry that was begun. False where it does not leave. */
  #sent(node: NodeId | undefined): boolean {
    const { messagesOut } = this.#channel;
    if (!this.#channel.end()) return false;
    if (node !== undefined) this.#names.sent(node);
    if (this.#message !== messagesOut) {
      this.#message = messagesOut;
      this.stats.scripts++;
      this.#asked.newBatch();
    }
    return true;
  }
}
