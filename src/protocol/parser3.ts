import * as codec from "./codec3";
import { PACKET_TYPES, toBuffer, type PacketType } from "./packet";
import {
  asText,
  callbackOf,
  isBinaryData,
  toArrayBuffer,
  type BinaryType,
  type Callback,
  type GivenPacket,
} from "./parser-types";
import { decodeByteString, encodeByteString } from "./utf8";

export type { BinaryType, GivenPacket, PacketType };

/**
 * The functions of `engine.io-parser` 2, which engine.io 3 exports as `parser`: protocol 3, results given to callbacks.
 *
 * Same names, same optional arguments, same results, down to a payload's numbers in `decodePayload`, but:
 * - Nothing throws and nothing is left out: what is neither text nor binary decodes to an error packet, an ArrayBuffer
 *   is decoded as a Buffer is, and `decodePayload` without a callback returns an array.
 * - Every view of an ArrayBuffer is binary data to `encodePayload`, and an empty one is empty. (The stock parser has
 *   typed arrays written as text into a text payload, and of an empty DataView writes all that is behind it.)
 * - `packetslist`, which there is private.
 */
export const protocol = 3;

export const packets: Record<(typeof PACKET_TYPES)[number], number> = {
  open: 0,
  close: 1,
  ping: 2,
  pong: 3,
  message: 4,
  upgrade: 5,
  noop: 6,
};

/** The types in the order of their numbers. */
export const packetslist: (typeof PACKET_TYPES)[number][] = [...PACKET_TYPES];

/** A packet that was decoded. Its type is undefined where binary data names one that does not exist. */
export interface DecodedPacket {
  type: PacketType | undefined;
  data?: string | Buffer | ArrayBuffer;
}

type Encoded = string | Buffer;

/** As version 2 calls back, with where the packet is and of how much; false ends the decoding of a text. */
export type PacketCallback = Callback<[packet: DecodedPacket, index: number, total: number], unknown>;

const NUMBERS: Partial<Record<string, number>> = packets;

const error = (): DecodedPacket => ({ type: "error", data: "parser error" });

/** An optional argument that may be the callback already. */
function flag(value: unknown): boolean {
  return typeof value !== "function" && Boolean(value);
}

function binaryTypeOf(value: unknown): BinaryType | undefined {
  return value === "arraybuffer" ? value : undefined;
}

function encode({ type, data }: GivenPacket, supportsBinary: boolean, utf8encode: boolean): Encoded {
  if (isBinaryData(data)) {
    if (!supportsBinary) return codec.base64Packet(String(NUMBERS[type]), toBuffer(data));
    return codec.binaryPacket(NUMBERS[type] ?? 0, toBuffer(data));
  }
  const text = data === undefined ? "" : asText(data);
  return String(NUMBERS[type]) + (utf8encode ? encodeByteString(text) : text);
}

/** With `utf8encode` a text's characters are the bytes of its UTF-8. */
export function encodePacket<R>(packet: GivenPacket, callback: Callback<[encoded: Encoded], R>): R;
export function encodePacket<R>(
  packet: GivenPacket,
  supportsBinary: boolean | null | undefined,
  callback: Callback<[encoded: Encoded], R>,
): R;
export function encodePacket<R>(
  packet: GivenPacket,
  supportsBinary: boolean | null | undefined,
  utf8encode: boolean | null | undefined,
  callback: Callback<[encoded: Encoded], R>,
): R;
export function encodePacket<R>(packet: GivenPacket, second: unknown, third?: unknown, fourth?: unknown): R {
  const callback = callbackOf([second, third, fourth]) as Callback<[encoded: Encoded], R>;
  return callback(encode(packet, flag(second), flag(third)));
}

/** A binary packet as `b`, its type and base64. */
export function encodeBase64Packet<R>(packet: GivenPacket, callback: Callback<[encoded: string], R>): R {
  const bytes = isBinaryData(packet.data) ? toBuffer(packet.data) : Buffer.from(asText(packet.data ?? ""));
  return callback(codec.base64Packet(String(NUMBERS[packet.type]), bytes));
}

function decoded({ type, data }: codec.FoundPacket, binaryType: unknown): DecodedPacket {
  if (data === undefined) return { type };
  return { type, data: binaryType === "arraybuffer" && typeof data !== "string" ? toArrayBuffer(data) : data };
}

/** With `utf8decode` a text's characters are the bytes of its UTF-8. */
export function decodePacket(
  data: string | ArrayBuffer | ArrayBufferView | undefined,
  binaryType?: BinaryType | null,
  utf8decode?: boolean | null,
): DecodedPacket {
  if (isBinaryData(data)) return decoded(codec.findBinaryPacket(toBuffer(data)), binaryType);
  if (typeof data !== "string") return error();
  const packet = codec.findPacket(data);
  // The type is read before the decoding, and base64 is not decoded.
  if (!utf8decode || packet.type === "error" || data.startsWith("b")) return decoded(packet, binaryType);
  const text = decodeByteString(data);
  return text === undefined ? error() : decoded(codec.findPacket(text), binaryType);
}

/** What follows the `b` of a binary packet as text. */
export function decodeBase64Packet(message: string, binaryType?: BinaryType | null): DecodedPacket {
  return typeof message === "string" ? decoded(codec.findBase64Packet(message), binaryType) : error();
}

/** Text; bytes where the client takes them and a packet has some. */
export function encodePayload<R>(given: readonly GivenPacket[], callback: Callback<[payload: Encoded], R>): R;
export function encodePayload<R>(
  given: readonly GivenPacket[],
  supportsBinary: boolean | null | undefined,
  callback: Callback<[payload: Encoded], R>,
): R;
export function encodePayload<R>(given: readonly GivenPacket[], second: unknown, third?: unknown): R {
  const callback = callbackOf([second, third]) as Callback<[payload: Encoded], R>;
  const asBytes = flag(second) && given.some(({ data }) => isBinaryData(data));
  return callback(codec.joinEncoded(given.map((packet) => encode(packet, asBytes, false))));
}

export function encodePayloadAsBinary<R>(given: readonly GivenPacket[], callback: Callback<[payload: Buffer], R>): R {
  return callback(codec.joinAsBinary(given.map((packet) => encode(packet, true, false))));
}

/**
 * Calls back for each packet, or returns them where there is no callback. Before the callback may stand `binaryType` and,
 * as in the parser that engine.io 3.0.0 came with, `utf8decode`, which says that the characters of the payload are bytes.
 */
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  binaryType?: BinaryType | null,
): DecodedPacket[];
export function decodePayload(payload: string | ArrayBuffer | ArrayBufferView, callback: PacketCallback): void;
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  binaryType: BinaryType | null | undefined,
  callback: PacketCallback,
): void;
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  binaryType: BinaryType | null | undefined,
  utf8decode: boolean | null | undefined,
  callback: PacketCallback,
): void;
export function decodePayload(
  payload: unknown,
  second?: unknown,
  third?: unknown,
  fourth?: unknown,
): DecodedPacket[] | undefined {
  if ([second, third, fourth].some((value) => typeof value === "function")) {
    readPayload(payload, binaryTypeOf(second), flag(third), callbackOf([second, third, fourth]) as PacketCallback);
    return undefined;
  }
  const list: DecodedPacket[] = [];
  readPayload(payload, binaryTypeOf(second), flag(third), (packet) => list.push(packet));
  return list;
}

function readPayload(
  payload: unknown,
  binaryType: BinaryType | undefined,
  utf8decode: boolean,
  callback: PacketCallback,
): void {
  if (typeof payload !== "string") {
    readBinaryPayload(payload, binaryType, callback);
    return;
  }
  const text = utf8decode ? decodeByteString(payload) : payload;
  codec.scanTextPayload(
    text ?? "",
    (packet, index, total) => callback(decoded(packet, binaryType), index, total) !== false,
  );
}

function readBinaryPayload(payload: unknown, binaryType: BinaryType | undefined, callback: PacketCallback): void {
  if (!isBinaryData(payload)) {
    callback(error(), 0, 1);
    return;
  }
  codec.scanBinaryPayload(toBuffer(payload), (packet, index, total) => {
    callback(decoded(packet, binaryType), index, total);
    return true;
  });
}

/** As `decodePayload` does for bytes. */
export function decodePayloadAsBinary(payload: ArrayBuffer | ArrayBufferView, callback: PacketCallback): void;
export function decodePayloadAsBinary(
  payload: ArrayBuffer | ArrayBufferView,
  binaryType: BinaryType | null | undefined,
  callback: PacketCallback,
): void;
export function decodePayloadAsBinary(payload: unknown, second: unknown, third?: unknown): void {
  readBinaryPayload(payload, binaryTypeOf(second), callbackOf([second, third]) as PacketCallback);
}
