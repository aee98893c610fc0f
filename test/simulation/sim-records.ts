import { Records, type RecordsOptions } from "../../src/store/memory";
import type { Commit, CommitResult, NodeId, Opening, SessionRecord } from "../../src/store/port";
import { isMessage, Ledger } from "./ledger";

type Operation = (records: SimRecords) => unknown;

/**
 * The records of the simulated store, watched by a ledger. They can be lost, and put back to what they were a while ago: for
 * that every operation is kept, and done again up to that moment.
 */
export class SimRecords {
  readonly #time: () => number;
  readonly #limits: RecordsOptions["limits"];
  readonly #violate: (text: string) => void;
  readonly #log: { at: number; operation: Operation }[] | undefined;
  #replayedAt: number | undefined;
  #records: Records;
  #ledger: Ledger;
  #mayRestore = false;
  /** Messages that were ever in a record, by session. */
  readonly #recorded = new Map<string, Set<string>>();
  /** Is told of each claim that succeeds. */
  onClaimed: (sid: string, record: SessionRecord) => void = () => undefined;
  /** When the newest ping of an owner came into a record, by session and node. */
  readonly #pinged = new Map<string, number>();

  /** `keeps`: whether it can be put back. */
  constructor(time: () => number, limits: RecordsOptions["limits"], keeps: boolean, violate: (text: string) => void) {
    this.#time = time;
    this.#limits = limits;
    this.#violate = violate;
    this.#log = keeps ? [] : undefined;
    this.#records = this.#empty();
    this.#ledger = this.#emptyLedger();
  }

  #empty(): Records {
    return new Records({ now: () => this.#replayedAt ?? this.#time(), limits: this.#limits });
  }

  #emptyLedger(): Ledger {
    return new Ledger(this.#violate, () => this.#mayRestore);
  }

  /** Does it, and remembers that it was done. */
  run<Result>(operation: (records: SimRecords) => Result): Result {
    this.#log?.push({ at: this.#time(), operation });
    return operation(this);
  }

  lose(): void {
    this.#mayRestore = true;
    this.#log?.splice(0);
    this.#records = this.#empty();
    this.#ledger = this.#emptyLedger();
  }

  /** All that was done in the last `ms` milliseconds is undone. */
  goBack(ms: number): void {
    const log = this.#log?.splice(0) ?? [];
    const until = this.#time() - ms;
    this.lose();
    for (const entry of log) {
      if (entry.at > until) break;
      this.#replayedAt = entry.at;
      this.#log?.push(entry);
      entry.operation(this);
    }
    this.#replayedAt = undefined;
  }

  /** Whether the message was in the session's record once. */
  hasRecorded(sid: string, message: string): boolean {
    return this.#recorded.get(sid)?.has(message) === true;
  }

  /** All of those. */
  recorded(sid: string): ReadonlySet<string> {
    return this.#recorded.get(sid) ?? NONE;
  }

  /** When the node's newest ping to the session was recorded. */
  pinged(sid: string, node: NodeId): number | undefined {
    return this.#pinged.get(`${sid} ${node}`);
  }

  // ---- what is asked of a store ----

  open(opening: Opening) {
    return this.#records.open(opening);
  }

  look(sid: string) {
    return this.#records.look(sid);
  }

  handshake(sid: string) {
    return this.#records.handshake(sid);
  }

  commit(commit: Commit): CommitResult {
    const before = this.#records.look(commit.sid);
    const result = this.#records.commit(commit);
    if (result.kind !== "ok") return result;
    this.#ledger.committed(commit, before);
    // "ok" is also said of a turn that is long over: one of before the node claimed the session anew changes nothing.
    const isNew = before.kind === "found" && before.turn < commit.turn;
    if (!isNew) return result;
    for (const packet of commit.packets) if (isMessage(packet)) this.#record(commit.sid, packet);
    if (commit.packets.includes(PING)) this.#pinged.set(`${commit.sid} ${commit.node}`, this.#time());
    return result;
  }

  /** That of the data that there is now: what is told later of a commit may be of data that was lost meanwhile. */
  get ledger(): Ledger {
    return this.#ledger;
  }

  #record(sid: string, packet: string): void {
    let messages = this.#recorded.get(sid);
    if (messages === undefined) this.#recorded.set(sid, (messages = new Set()));
    messages.add(packet.slice(1));
  }

  claim(sid: string, node: NodeId, turn: number) {
    const before = this.#records.look(sid);
    const result = this.#records.claim(sid, node, turn);
    if (result.kind === "ok") {
      this.#ledger.claimed(sid, node, turn, before);
      this.onClaimed(sid, result.record);
    }
    return result;
  }

  restore(sid: string, copy: SessionRecord) {
    const before = this.#records.look(sid);
    const result = this.#records.restore(sid, copy);
    if (result.kind === "ok") this.#ledger.restored(sid, copy, before);
    return result;
  }

  renew(node: NodeId, sids: readonly string[]) {
    return this.#records.renew(node, sids);
  }

  lease(node: NodeId, incarnation: number, takes = true) {
    return this.#records.lease(node, incarnation, takes);
  }

  release(node: NodeId): void {
    this.#records.release(node);
  }

  index(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    this.#records.index(node, add, remove);
  }

  indexSlice(node: NodeId, cursor: string) {
    return this.#records.indexSlice(node, cursor);
  }
}

/** In stored form. */
const PING = "2";
const NONE: ReadonlySet<string> = new Set();
