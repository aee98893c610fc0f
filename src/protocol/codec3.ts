import { PACKET_TYPES, PARSER_ERROR, TYPE_DIGITS, toBuffer, type Packet, type PacketType } from "./packet";
import { mayCompress, storedText } from "./stored";
import { decodeUtf8 } from "./utf8";

/**
 * Protocol 3. A packet as text is its type's digit and its data, or `b`, the digit and base64; as bytes it is the type's number
 * and the data. A payload is text, `<length>:<packet>` for each packet with lengths in UTF-16 units; or bytes, for each packet
 * 0 (text, as UTF-8) or 1 (bytes), the decimal digits of its length in bytes as the numbers 0 to 9, 255, and the packet.
 *
 * The readers take all that the stock implementation takes, its leniency included: a length may be written as any JavaScript
 * number (`0x5`, ` 5`, `5e0`), a payload of bytes may end within its last packet. What it gives back without a type, a
 * binary packet of a number that is no type, is malformed here.
 */

/** What a reader finds: the type is missing where binary data names one that does not exist. */
export interface FoundPacket {
  type: PacketType | undefined;
  data?: string | Buffer;
}

/** Characters of a length in bytes after which the stock implementation gives it up: more than any number has. */
const LONGEST_LENGTH = 310;
const LENGTH_END = 255;
const LETTER_B = 0x62;
const DIGIT_0 = 0x30;

/** What a text that is no packet gives. */
export const MALFORMED: FoundPacket = Object.freeze({ type: "error", data: "parser error" });

/** The type that the digit at a place in a text stands for. */
function typeAt(text: string, at: number): PacketType | undefined {
  return PACKET_TYPES[text.charCodeAt(at) - DIGIT_0];
}

function digitOf(type: PacketType): string {
  return type === "error" ? "" : TYPE_DIGITS[type];
}

/** A packet as a websocket message: text, but for binary data to a client that takes it. */
export function encodePacket(packet: Packet, supportsBinary: boolean): string | Buffer {
  const { type, data = "" } = packet;
  const digit = digitOf(type);
  if (typeof data === "string") return digit + data;
  const bytes = toBuffer(data);
  return supportsBinary ? binaryPacket(Number(digit), bytes) : base64Packet(digit, bytes);
}

export function base64Packet(digit: string, bytes: Buffer): string {
  return `b${digit}${bytes.toString("base64")}`;
}

export function binaryPacket(type: number, bytes: Buffer): Buffer {
  const packet = Buffer.allocUnsafe(bytes.length + 1);
  packet[0] = type;
  packet.set(bytes, 1);
  return packet;
}

/** Packets to one payload: bytes where one of them is binary and the client takes it, else text. */
export function encodePayload(packets: readonly Packet[], supportsBinary: boolean): string | Buffer {
  const asBytes = supportsBinary && packets.some(({ data }) => data !== undefined && typeof data !== "string");
  return joinEncoded(packets.map((packet) => encodePacket(packet, asBytes)));
}

/** A stored packet, which is in protocol 4's text form, as a websocket message. */
export function encodeStored(stored: string, supportsBinary: boolean): string | Buffer {
  const text = storedText(stored);
  if (text.charCodeAt(0) !== LETTER_B) return text;
  // Protocol 4 does not write the type of binary data, which is always a message.
  const base64 = text.slice(1);
  return supportsBinary ? binaryPacket(4, Buffer.from(base64, "base64")) : `b${TYPE_DIGITS.message}${base64}`;
}

/** Stored packets to one payload. */
export function encodeStoredPayload(stored: readonly string[], supportsBinary: boolean): string | Buffer {
  const asBytes = supportsBinary && stored.some(isBinary);
  return joinEncoded(stored.map((packet) => encodeStored(packet, asBytes)));
}

function isBinary(stored: string): boolean {
  return stored.charCodeAt(mayCompress(stored) ? 0 : 1) === LETTER_B;
}

/** Encoded packets to one payload: text where all of them are text. */
export function joinEncoded(packets: readonly (string | Buffer)[]): string | Buffer {
  const texts = packets.filter((packet) => typeof packet === "string");
  return texts.length === packets.length ? joinTexts(texts) : joinAsBinary(packets);
}

function joinTexts(packets: readonly string[]): string {
  if (packets.length === 0) return "0:";
  let payload = "";
  for (const packet of packets) payload += `${packet.length}:${packet}`;
  return payload;
}

/** A payload of bytes, whatever its packets are. */
export function joinAsBinary(packets: readonly (string | Buffer)[]): Buffer {
  const chunks: Buffer[] = [];
  for (const packet of packets) {
    const isText = typeof packet === "string";
    const bytes = isText ? Buffer.from(packet, "utf8") : packet;
    chunks.push(lengthHeader(isText, bytes.length), bytes);
  }
  return Buffer.concat(chunks);
}

function lengthHeader(isText: boolean, length: number): Buffer {
  const digits = String(length);
  const header = Buffer.allocUnsafe(digits.length + 2);
  header[0] = isText ? 0 : 1;
  for (let at = 0; at < digits.length; at++) header[at + 1] = digits.charCodeAt(at) - DIGIT_0;
  header[digits.length + 1] = LENGTH_END;
  return header;
}

/** Reads a websocket message. Never throws. */
export function decodePacket(message: string | Buffer): Packet {
  return checked(typeof message === "string" ? findPacket(message) : findBinaryPacket(message));
}

/**
 * Reads up to and including the first `error` packet. Never throws.
 * Gives nothing for a payload without packets, and nothing but the error for bytes in which one length cannot be read.
 */
export function decodePayload(payload: string | Buffer): Packet[] {
  const packets: Packet[] = [];
  const take = (found: FoundPacket): boolean => {
    const packet = checked(found);
    packets.push(packet);
    return packet.type !== "error";
  };
  if (typeof payload === "string") scanTextPayload(payload, take);
  else scanBinaryPayload(payload, take);
  return packets;
}

function checked({ type, data }: FoundPacket): Packet {
  if (type === undefined || type === "error") return PARSER_ERROR;
  return data === undefined ? { type } : { type, data };
}

/** The packet in a text, `PARSER_ERROR` where it is none. */
export function findPacket(text: string): FoundPacket {
  if (text.charCodeAt(0) === LETTER_B) return findBase64Packet(text.slice(1));
  const type = typeAt(text, 0);
  if (type === undefined) return MALFORMED;
  return text.length > 1 ? { type, data: text.slice(1) } : { type };
}

/** The packet in what follows a `b`. */
export function findBase64Packet(text: string): FoundPacket {
  return { type: typeAt(text, 0), data: Buffer.from(text.slice(1), "base64") };
}

/** The packet in bytes; its data are the same memory. */
export function findBinaryPacket(bytes: Buffer): FoundPacket {
  return { type: PACKET_TYPES[bytes[0] ?? -1], data: bytes.subarray(1) };
}

/**
 * Takes a packet; false is an end. The numbers are where its last character is and the length of the payload, 0 and 1 with an
 * error.
 */
export type Take = (packet: FoundPacket, index: number, total: number) => boolean;

/** Gives each packet of a text, the last one being `MALFORMED` where it is no payload. */
export function scanTextPayload(payload: string, take: Take): void {
  if (payload === "") {
    take(MALFORMED, 0, 1);
    return;
  }
  for (let from = 0; from < payload.length;) {
    const colon = payload.indexOf(":", from);
    // No packet can be longer than what is left, and of no digits at all `Number` makes 0.
    const length = colon > from ? Number(payload.slice(from, colon)) : NaN;
    const to = colon + 1 + length;
    if (!Number.isInteger(length) || length < 0 || to > payload.length) {
      take(MALFORMED, 0, 1);
      return;
    }
    from = to;
    if (length === 0) continue;
    const packet = findPacket(payload.slice(colon + 1, to));
    if (packet === MALFORMED) {
      take(MALFORMED, 0, 1);
      return;
    }
    if (!take(packet, colon + length, payload.length)) return;
  }
}

/** Where a packet in a payload of bytes stands, and where the next one begins. */
interface Frame {
  isText: boolean;
  start: number;
  end: number;
  next: number;
}

/**
 * Gives each packet of a payload of bytes; nothing but `MALFORMED` where one of the lengths has no end.
 * That is found out first and without keeping anything: a megabyte can be a million packets, the first of them malformed.
 */
export function scanBinaryPayload(payload: Buffer, take: Take): void {
  const total = countFrames(payload);
  if (total === undefined) {
    take(MALFORMED, 0, 1);
    return;
  }
  let from = 0;
  for (let index = 0; index < total; index++) {
    const frame = frameAt(payload, from);
    if (frame === undefined || !take(findInFrame(payload, frame), index, total)) return;
    from = frame.next;
  }
}

function countFrames(payload: Buffer): number | undefined {
  let count = 0;
  for (let from = 0; from < payload.length; count++) {
    const frame = frameAt(payload, from);
    if (frame === undefined) return undefined;
    from = frame.next;
  }
  return count;
}

/**
 * A length's byte above 9 counts as its two or three decimal digits, and what comes next is looked for as far behind as these
 * have characters: nonsense, but what the stock implementation makes of it. A frame ends behind all that it was read from, but
 * for one without a length: the byte 255 in it may begin the next.
 */
function frameAt(payload: Buffer, from: number): Frame | undefined {
  const isText = payload[from] === 0;
  let digits = "";
  for (let at = from + 1; payload[at] !== LENGTH_END; at++) {
    if (at >= payload.length || digits.length > LONGEST_LENGTH) return undefined;
    digits += String(payload[at]);
  }
  const start = from + digits.length + 2;
  if (digits === "") return { isText, start, end: start, next: start - 1 };
  const next = start + Number(digits);
  return { isText, start, end: Math.min(next, payload.length), next };
}

/** `MALFORMED` also where a text is not UTF-8. */
function findInFrame(payload: Buffer, { isText, start, end }: Frame): FoundPacket {
  const bytes = payload.subarray(start, end);
  if (!isText) return findBinaryPacket(bytes);
  // Base64 is read as it stands, with whatever bytes are between.
  if (bytes[0] === LETTER_B) return findBase64Packet(bytes.toString("latin1", 1));
  const text = decodeUtf8(bytes);
  return text === undefined ? MALFORMED : findPacket(text);
}
