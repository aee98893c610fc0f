import type { Encoding } from "../protocol/encoding";
import { mayCompress } from "../protocol/stored";
import type { InFlight, SessionRecord } from "../store/port";
import { AnswerCode, type Answer } from "./answers";

/**
 * The packets of a polling session that its client has not acknowledged, in their stored form, numbered from 1:
 *
 *     acked | in flight to one poll | waiting, recorded | waiting, not yet recorded | tail
 *
 * What is in flight stays until a poll with another `t` proves that it arrived: handing it out loses nothing.
 */
export class Outbox {
  acked = 0;
  inflight: InFlight | null = null;
  #inFlight: string[] = [];
  #waiting: string[] = [];
  /** How many of the waiting were given to a poll before, which took them back. */
  #untaken = 0;
  /** Number of the last packet that the record has. */
  #recorded = 0;

  static fromRecord(record: SessionRecord): Outbox {
    const outbox = new Outbox();
    const inFlight = record.inflight === null ? 0 : record.inflight.upTo - record.acked;
    outbox.acked = record.acked;
    outbox.inflight = record.inflight;
    outbox.#inFlight = record.packets.slice(0, inFlight);
    outbox.#waiting = record.packets.slice(inFlight);
    outbox.#recorded = outbox.tail;
    return outbox;
  }

  /** Packets that wait for a poll. */
  get waitingPackets(): readonly string[] {
    return this.#waiting;
  }

  get tail(): number {
    return this.acked + this.#inFlight.length + this.#waiting.length;
  }

  get recorded(): number {
    return this.#recorded;
  }

  /** How many wait for a poll. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** How many of those that no poll was given the record has: the oldest. */
  get waitingRecorded(): number {
    return Math.max(0, this.#recorded - (this.tail - this.#waiting.length) - this.#untaken);
  }

  push(stored: string): void {
    this.#waiting.push(stored);
  }

  /** The packets that the record does not have yet: always the newest, always waiting or just taken. */
  unrecorded(): string[] {
    const missing = this.tail - this.#recorded;
    if (missing === 0) return NONE;
    return this.#waiting.length >= missing
      ? this.#waiting.slice(this.#waiting.length - missing)
      : this.#inFlight.concat(this.#waiting).slice(-missing);
  }

  /** All waiting packets go to the poll `t`. Nothing else is in flight. */
  take(t: string): void {
    this.#inFlight = this.#waiting;
    this.#waiting = [];
    this.#untaken = 0;
    this.inflight = { t, upTo: this.tail };
  }

  /** The take is given back: its commit was refused, or its poll is to be given more. */
  untake(): void {
    this.#untaken = this.#inFlight.length;
    this.#waiting = this.#inFlight.concat(this.#waiting);
    this.#inFlight = [];
    this.inflight = null;
  }

  /** What was in flight has arrived. Gives the `t` that it was in flight to. */
  arrived(): string | undefined {
    if (this.inflight === null) return undefined;
    const { t, upTo } = this.inflight;
    this.acked = upTo;
    this.#inFlight = [];
    this.inflight = null;
    return t;
  }

  /** Everything up to `tail` is in the record. */
  committed(tail: number): void {
    this.#recorded = tail;
  }

  /** Packets not yet recorded are given up: the session ends without them. */
  dropUnrecorded(): void {
    const missing = this.tail - this.#recorded;
    if (missing > 0) this.#waiting.splice(Math.max(0, this.#waiting.length - missing));
  }

  /** What the poll in flight is answered: the same packets, however often it asks. */
  answer(encoding: Encoding): Answer {
    const packets = this.#inFlight;
    return { code: AnswerCode.Packets, body: encoding.encodeStored(packets), compress: packets.some(mayCompress) };
  }

  /** What the record has of this; `taking`: what is in flight was not yet so when it was written. */
  recordedPart(taking: boolean): Pick<SessionRecord, "acked" | "packets" | "inflight"> {
    const packets = this.#inFlight.concat(this.#waiting).slice(0, this.#recorded - this.acked);
    return { acked: this.acked, packets, inflight: taking ? null : this.inflight };
  }
}

const NONE: string[] = [];
