import type { Reader } from "../bus/frame";
import type { CommitResult, NodeId } from "../store/port";
import { readText, readTexts } from "./bytes";
import type { Channel } from "./channel";
import { EntryKind, NodeNames } from "./entries";
import { readCommit, readOpening, readRecord } from "./operations";
import type { HubRecords } from "./records-port";
import {
  awayResult,
  okResult,
  writeClaimResult,
  writeHandshakeResult,
  writeLeaseResult,
  writeLookResult,
  writeOutcome,
  writeRenewResult,
  writeSliceResult,
} from "./results";

export interface StoreServiceEvents {
  onLease(node: NodeId): void;
  onRelease(node: NodeId): void;
  /** An operation threw: a fault of the records. Its worker was answered `away`. */
  onFault(error: unknown): void;
}

/** Runs the store operations of one worker on the primary's records, one by one in the order they came, and answers each. */
export class StoreService {
  readonly #records: HubRecords;
  readonly #channel: Channel;
  readonly #events: StoreServiceEvents;
  readonly #names = new NodeNames();

  constructor(records: HubRecords, channel: Channel, events: StoreServiceEvents) {
    this.#records = records;
    this.#channel = channel;
    this.#events = events;
  }

  /** False where the bytes are no such operation; nothing was run then. */
  serve(kind: number, reader: Reader): boolean {
    switch (kind) {
      case EntryKind.COMMIT:
        return this.#commit(reader);
      case EntryKind.OPEN:
        return this.#open(reader);
      case EntryKind.LOOK:
        return this.#look(reader);
      case EntryKind.HANDSHAKE:
        return this.#handshake(reader);
      case EntryKind.CLAIM:
        return this.#claim(reader);
      case EntryKind.RESTORE:
        return this.#restore(reader);
      case EntryKind.RENEW:
        return this.#renew(reader);
      case EntryKind.LEASE:
        return this.#lease(reader);
      case EntryKind.RELEASE:
        return this.#release(reader);
      case EntryKind.INDEX:
        return this.#index(reader);
      case EntryKind.INDEX_SLICE:
        return this.#indexSlice(reader);
      default:
        return false;
    }
  }

  #commit(reader: Reader): boolean {
    const commit = readCommit(reader, this.#names);
    if (reader.failed) return false;
    let result: CommitResult = awayResult;
    // As `#run`, without its closure: there is one commit for every message of every client.
    try {
      result = this.#records.commit(commit);
    } catch (error) {
      this.#events.onFault(error);
    }
    writeOutcome(this.#channel.begin(EntryKind.COMMIT), result);
    this.#channel.end();
    return true;
  }

  #open(reader: Reader): boolean {
    const opening = readOpening(reader, this.#names);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.open(opening)) ?? awayResult;
    writeOutcome(this.#channel.begin(EntryKind.OPEN), result);
    this.#channel.end();
    return true;
  }

  #look(reader: Reader): boolean {
    const sid = readText(reader);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.look(sid)) ?? awayResult;
    writeLookResult(this.#channel.begin(EntryKind.LOOK), result);
    this.#channel.end();
    return true;
  }

  #handshake(reader: Reader): boolean {
    const sid = readText(reader);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.handshake(sid)) ?? awayResult;
    writeHandshakeResult(this.#channel.begin(EntryKind.HANDSHAKE), result);
    if (this.#channel.end()) return true;
    writeHandshakeResult(this.#channel.begin(EntryKind.HANDSHAKE), awayResult);
    this.#channel.end();
    return true;
  }

  #claim(reader: Reader): boolean {
    const node = this.#names.read(reader);
    const sid = readText(reader);
    const turn = reader.varint();
    if (reader.failed) return false;
    // Records are long, and a node that dies has many: they go out as fast as the worker reads them.
    const result = this.#channel.crowded
      ? awayResult
      : (this.#run(() => this.#records.claim(sid, node, turn)) ?? awayResult);
    writeClaimResult(this.#channel.begin(EntryKind.CLAIM), result);
    if (this.#channel.end()) return true;
    // A record longer than a message: its limits are wrong. The answer must not be missing, those behind it would move up.
    writeClaimResult(this.#channel.begin(EntryKind.CLAIM), awayResult);
    this.#channel.end();
    return true;
  }

  #restore(reader: Reader): boolean {
    const sid = readText(reader);
    const record = readRecord(reader);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.restore(sid, record)) ?? awayResult;
    writeOutcome(this.#channel.begin(EntryKind.RESTORE), result);
    this.#channel.end();
    return true;
  }

  #renew(reader: Reader): boolean {
    const node = this.#names.read(reader);
    const sids = readTexts(reader);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.renew(node, sids)) ?? awayResult;
    writeRenewResult(this.#channel.begin(EntryKind.RENEW), result);
    this.#channel.end();
    return true;
  }

  #lease(reader: Reader): boolean {
    const node = this.#names.read(reader);
    const incarnation = reader.varint();
    const takes = reader.varint() === 1;
    if (reader.failed) return false;
    if (takes) this.#events.onLease(node);
    else this.#events.onRelease(node);
    const result = this.#run(() => this.#records.lease(node, incarnation, takes)) ?? awayResult;
    writeLeaseResult(this.#channel.begin(EntryKind.LEASE), result);
    this.#channel.end();
    return true;
  }

  #release(reader: Reader): boolean {
    const node = this.#names.read(reader);
    if (reader.failed) return false;
    this.#events.onRelease(node);
    this.#run(() => this.#records.release(node));
    writeOutcome(this.#channel.begin(EntryKind.RELEASE), okResult);
    this.#channel.end();
    return true;
  }

  #index(reader: Reader): boolean {
    const node = this.#names.read(reader);
    const add = readTexts(reader);
    const remove = readTexts(reader);
    if (reader.failed) return false;
    this.#run(() => this.#records.index(node, add, remove));
    return true;
  }

  #indexSlice(reader: Reader): boolean {
    const node = this.#names.read(reader);
    const cursor = readText(reader);
    if (reader.failed) return false;
    const result = this.#run(() => this.#records.indexSlice(node, cursor)) ?? awayResult;
    writeSliceResult(this.#channel.begin(EntryKind.INDEX_SLICE), result);
    this.#channel.end();
    return true;
  }

  /** A fault in one operation must not take the primary down, and every session with it. */
  #run<T>(operation: () => T): T | undefined {
    try {
      return operation();
    } catch (error) {
      this.#events.onFault(error);
      return undefined;
    }
  }
}
