import { type Reader, varint } from "../bus/frame";

/** Up to this length a loop over character codes is faster than two calls into the runtime's native code. */
const SHORT_TEXT = 48;
/** A text begins with the number of its bytes, doubled, plus one of these. */
const UTF8 = 0;
const UTF16 = 1;
const VARINT_BYTES = 8;
/** A buffer that one large message made grow is not kept beyond this size. */
const KEEP_BYTES = 1024 * 1024;

/** What every supported runtime has, and the library that the types are made for does not know. */
type WellFormed = string & { isWellFormed(): boolean };

/** One growing buffer that many entries are written to, one behind the other, without an object for any of them. */
export class ByteWriter {
  readonly #initialBytes: number;
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 8192) {
    this.#initialBytes = initialBytes;
    this.#buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  /** A whole number, 0…2^53-1. Anything else is a mistake of the caller, and would be read as something else. */
  varint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0)
      throw new RangeError(`${value} is not a whole number from 0 to 2^53-1`);
    this.#reserve(VARINT_BYTES);
    this.#length = varint(this.#buffer, this.#length, value);
  }

  /** Exactly this text: also one that is not well-formed, since two ids must never become the same one on the way. */
  text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#shortAscii(text)) return;
    const bytes = Buffer.byteLength(text);
    if (bytes === text.length || (text as WellFormed).isWellFormed()) this.#encoded(text, "utf8", bytes, UTF8);
    else this.#encoded(text, "utf16le", 2 * text.length, UTF16);
  }

  texts(texts: readonly string[]): void {
    this.varint(texts.length);
    for (const text of texts) this.text(text);
  }

  /** The bytes, their number in front. */
  bytes(bytes: Uint8Array): void {
    this.varint(bytes.byteLength);
    this.raw(bytes);
  }

  /** The bytes alone. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.byteLength);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.byteLength;
  }

  /** Four bytes for a length that is known later only. */
  reserveLength(): void {
    this.#reserve(4);
    this.#length += 4;
  }

  /** Forgets what was written behind this position. */
  cut(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** What was written, in memory of its own. The writer starts again empty. */
  take(): Buffer {
    const full = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    if (full.length * 2 <= this.#buffer.length && this.#buffer.length <= KEEP_BYTES) return Buffer.from(full);
    // Handing the buffer over is cheaper than a copy once most of it is used.
    this.#buffer = Buffer.allocUnsafe(Math.min(this.#buffer.length, Math.max(KEEP_BYTES, this.#initialBytes)));
    return full;
  }

  #encoded(text: string, encoding: "utf8" | "utf16le", bytes: number, mark: number): void {
    this.varint(2 * bytes + mark);
    this.#reserve(bytes);
    this.#length += this.#buffer.write(text, this.#length, encoding);
  }

  #shortAscii(text: string): boolean {
    const characters = text.length;
    this.#reserve(1 + SHORT_TEXT);
    const buffer = this.#buffer;
    let at = this.#length;
    buffer[at++] = 2 * characters + UTF8;
    for (let i = 0; i < characters; i++) {
      const code = text.charCodeAt(i);
      // Its first byte is written over by the caller, who writes the same text the long way.
      if (code > 0x7f) return false;
      buffer[at++] = code;
    }
    this.#length = at;
    return true;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

export function readText(reader: Reader): string {
  const code = reader.varint();
  const mark = code % 2;
  const bytes = (code - mark) / 2;
  if (mark === UTF8) return reader.text(bytes);
  if (bytes % 2 !== 0) reader.failed = true;
  return reader.bytes(bytes).toString("utf16le");
}

/** Each text takes a byte at least, so a number that is not true ends with the bytes. */
export function readTexts(reader: Reader): string[] {
  const texts: string[] = [];
  const count = reader.varint();
  for (let i = 0; i < count && !reader.failed; i++) texts.push(readText(reader));
  return texts;
}

export function readBytes(reader: Reader): Buffer {
  return reader.bytes(reader.varint());
}
