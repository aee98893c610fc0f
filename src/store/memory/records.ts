import type {
  ClaimResult,
  Commit,
  CommitResult,
  Fenced,
  Found,
  FoundHandshake,
  NodeId,
  Ok,
  Opening,
  OpenResult,
  RestoreResult,
  SessionRecord,
  StoreLimits,
  Unknown,
} from "../port";
import { Leases, type LeasesRead } from "./leases";
import { NodeIndex, type IndexSlice } from "./node-index";
import { appendTurn, bufferAfter, copyOut, recordFrom, type StoredRecord } from "./stored-record";

const OK: Ok = { kind: "ok" };
const EXISTS = { kind: "exists" } as const;
const UNKNOWN: Unknown = { kind: "unknown" };
const BEHIND = { kind: "behind" } as const;
const OVERFLOW = { kind: "overflow" } as const;

export interface RecordsOptions {
  /** Milliseconds; must never go back. */
  readonly now: () => number;
  readonly limits: StoreLimits;
}

/**
 * The records of all sessions, the leases and the index, on plain maps: what a store means, without anything that
 * waits. Each operation has happened when it returns. Nothing that it takes or returns is shared with the caller.
 *
 * A record whose time is over is gone at the next look at it; `sweep` frees those that nobody looks at.
 */
export class Records {
  readonly #now: () => number;
  readonly #limits: StoreLimits;
  readonly #records = new Map<string, StoredRecord>();
  readonly #leases: Leases;
  readonly #index: NodeIndex;
  #sweeping: IterableIterator<[string, StoredRecord]> | undefined;

  constructor(options: RecordsOptions) {
    this.#now = options.now;
    this.#limits = options.limits;
    const { recordTtl, linger, leaseTtl } = options.limits;
    this.#leases = new Leases(options.now, leaseTtl);
    // A dead node's index is of use for as long as a record of it can live.
    this.#index = new NodeIndex(options.now, Math.max(recordTtl, linger) + leaseTtl);
  }

  /** Records held, those whose time is over but that were not swept yet included. */
  get size(): number {
    return this.#records.size;
  }

  open(opening: Opening): OpenResult {
    const { sid } = opening;
    const present = this.#alive(sid);
    if (present === undefined) {
      this.#records.set(sid, recordFrom(opening, this.#now() + this.#limits.recordTtl));
      return OK;
    }
    if (present.owner !== opening.node || present.turn !== 0) return EXISTS;
    // As for a new one: what is closed has had a turn.
    present.expires = this.#now() + this.#limits.recordTtl;
    return OK;
  }

  look(sid: string): Found | Unknown {
    const record = this.#alive(sid);
    if (record === undefined) return UNKNOWN;
    const { owner, turn, protocol, transport, phase } = record;
    return { kind: "found", owner, turn, protocol, transport, phase };
  }

  handshake(sid: string): FoundHandshake | Unknown {
    const record = this.#alive(sid);
    return record === undefined ? UNKNOWN : { kind: "found", handshake: record.handshake };
  }

  commit(commit: Commit): CommitResult {
    const record = this.#alive(commit.sid);
    if (record === undefined) return UNKNOWN;
    if (record.owner !== commit.node) return commit.turn - 1 > record.turn ? BEHIND : fenced(record);
    if (commit.turn <= record.turn) return OK;
    if (commit.turn - 1 > record.turn) return BEHIND;
    const buffer = bufferAfter(record, commit);
    const { maxPackets, maxPacketChars } = this.#limits;
    // A turn that adds no packet is never refused: the one that closes a session whose buffer is full must pass.
    if (commit.packets.length > 0 && (buffer.packets > maxPackets || buffer.chars > maxPacketChars)) return OVERFLOW;
    appendTurn(record, commit, buffer.chars);
    if (commit.refresh || commit.phase === "closed") this.#touch(record);
    return OK;
  }

  claim(sid: string, node: NodeId, turn: number): Exclude<ClaimResult, { kind: "away" }> {
    const record = this.#alive(sid);
    if (record === undefined) return UNKNOWN;
    const again = record.owner === node && record.turn === turn + 1;
    if (!again && record.turn !== turn) return { kind: "no", owner: record.owner, turn: record.turn };
    record.owner = node;
    record.turn = turn + 1;
    this.#touch(record);
    return { kind: "ok", record: copyOut(record) };
  }

  restore(sid: string, copy: SessionRecord): Exclude<RestoreResult, { kind: "away" }> {
    const present = this.#alive(sid);
    if (present !== undefined && present.turn >= copy.turn) {
      if (present.owner !== copy.owner) return fenced(present);
      this.#touch(present);
      return OK;
    }
    const record: StoredRecord = {
      ...copyOut(copy),
      chars: copy.packets.reduce((sum, packet) => sum + packet.length, 0),
      expires: 0,
    };
    this.#touch(record);
    this.#records.set(sid, record);
    return OK;
  }

  renew(node: NodeId, sids: readonly string[]): { readonly kind: "ok"; readonly lost: readonly string[] } {
    const lost: string[] = [];
    for (const sid of sids) {
      const record = this.#alive(sid);
      if (record?.owner !== node) lost.push(sid);
      else if (record.phase !== "closed") this.#touch(record);
    }
    return { kind: "ok", lost };
  }

  lease(node: NodeId, incarnation: number, takes = true): LeasesRead {
    this.#index.touch(node);
    return takes ? this.#leases.take(node, incarnation) : this.#leases.leave(node, incarnation);
  }

  release(node: NodeId): void {
    this.#leases.release(node);
  }

  index(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    this.#index.change(node, add, remove);
  }

  indexSlice(node: NodeId, cursor: string): IndexSlice {
    return this.#index.slice(node, cursor);
  }

  /** Frees what has ended, visiting at most `most` records; the next call goes on where this one stopped. */
  sweep(most: number): void {
    const now = this.#now();
    this.#sweeping ??= this.#records.entries();
    for (let visited = 0; visited < most; visited++) {
      const next = this.#sweeping.next();
      if (next.done === true) {
        this.#sweeping = undefined;
        break;
      }
      const [sid, record] = next.value;
      if (record.expires <= now) this.#records.delete(sid);
    }
    this.#index.sweep();
  }

  #alive(sid: string): StoredRecord | undefined {
    const record = this.#records.get(sid);
    if (record === undefined) return undefined;
    if (record.expires > this.#now()) return record;
    this.#records.delete(sid);
    return undefined;
  }

  #touch(record: StoredRecord): void {
    const { recordTtl, linger } = this.#limits;
    record.expires = this.#now() + (record.phase === "closed" ? linger : recordTtl);
  }
}

function fenced(record: StoredRecord): Fenced {
  return { kind: "fenced", owner: record.owner, turn: record.turn };
}
