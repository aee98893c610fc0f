/**
 * One message from node to node, in a shape that fits all of them. What the kinds mean is `routing/messages.ts`'s
 * business; here they are bytes.
 */
export interface Frame {
  /** 0…255. */
  readonly kind: number;
  readonly sid: string;
  /** The cache-busting parameter of the request that the frame speaks of, or another name. May be empty. */
  readonly t: string;
  /** A number that belongs to the kind: a code, a turn, a position. 0…2^53-1. */
  readonly n: number;
  readonly body: string | Uint8Array;
}

const TEXT = 0;
const BINARY = 1;
const HEAD_BYTES = 1 + 1 + 5 + 5 + 8 + 5;
const KEEP_BYTES = 1024 * 1024;

/** Writes frames one behind the other into one growing buffer. */
export class FrameWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 4096) {
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  write(frame: Frame): void {
    const text = typeof frame.body === "string";
    const bodyBytes = text ? Buffer.byteLength(frame.body) : frame.body.byteLength;
    // Three bytes per UTF-16 unit is UTF-8's worst case.
    this.#reserve(HEAD_BYTES + 3 * (frame.sid.length + frame.t.length) + bodyBytes);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = frame.kind;
    buffer[at++] = text ? TEXT : BINARY;
    at = this.#string(frame.sid, at);
    at = this.#string(frame.t, at);
    at = varint(buffer, at, frame.n);
    at = varint(buffer, at, bodyBytes);
    if (typeof frame.body === "string") at += buffer.write(frame.body, at, "utf8");
    else {
      buffer.set(frame.body, at);
      at += bodyBytes;
    }
    this.#length = at;
  }

  /** The bytes written, as a view that the next call to the writer makes invalid. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Takes away the newest bytes, so that `length` are left. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Takes away the oldest bytes. */
  discard(bytes: number): void {
    this.#buffer.copyWithin(0, bytes, this.#length);
    this.#length = Math.max(0, this.#length - bytes);
    // One frame of many megabytes must not keep that memory for as long as its peer lives.
    if (this.#length === 0 && this.#buffer.length > KEEP_BYTES) this.#buffer = Buffer.allocUnsafe(4096);
  }

  /** The bytes written, in memory of their own; the writer starts again empty. */
  take(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#length));
    this.#length = 0;
    return bytes;
  }

  #string(text: string, at: number): number {
    const bytes = Buffer.byteLength(text);
    at = varint(this.#buffer, at, bytes);
    return at + this.#buffer.write(text, at, "utf8");
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/** Reads what `FrameWriter` wrote. `undefined` where the bytes are not frames: nothing of them is used then. */
export function readFrames(bytes: Buffer): Frame[] | undefined {
  const frames: Frame[] = [];
  const reader = new Reader(bytes);
  while (!reader.done) {
    const kind = reader.byte();
    const format = reader.byte();
    const sid = reader.text(reader.varint());
    const t = reader.text(reader.varint());
    const n = reader.varint();
    const length = reader.varint();
    const body = format === TEXT ? reader.text(length) : reader.bytes(length);
    // Once it has failed, a reader gives nothing more: asking at the end is enough.
    if (reader.failed || format > BINARY) return undefined;
    frames.push({ kind, sid, t, n, body });
  }
  return frames;
}

/** Base-128, least significant group first; exact up to 2^53-1. */
export function varint(buffer: Buffer, at: number, value: number): number {
  while (value > 0x7f) {
    buffer[at++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  buffer[at++] = value;
  return at;
}

export class Reader {
  readonly #bytes: Buffer;
  #at = 0;
  failed = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.failed || this.#at >= this.#bytes.length;
  }

  get at(): number {
    return this.#at;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) this.failed = true;
    return value ?? 0;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const group = this.byte();
      value += (group & 0x7f) * scale;
      if (group < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) this.failed = true;
        return value;
      }
      scale *= 0x80;
    }
    this.failed = true;
    return 0;
  }

  text(length: number): string {
    if (this.#short(length)) return "";
    const text = this.#bytes.toString("utf8", this.#at, this.#at + length);
    this.#at += length;
    return text;
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    if (this.#short(length)) return this.#bytes.subarray(0, 0);
    const view = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return view;
  }

  #short(length: number): boolean {
    if (this.#at + length > this.#bytes.length) this.failed = true;
    return this.failed;
  }
}
