import * as parser3 from "./parser3";
import * as parser4 from "./parser4";
import { callbackOf, isBinaryData, type BinaryType, type Callback, type GivenPacket } from "./parser-types";
import type { Packet, PacketType, RawData } from "./packet";

/**
 * `parser`, for programs that are written against engine.io 6, where it is engine.io-parser 5 and speaks protocol 4, and
 * for those that are written against engine.io 3, where it is engine.io-parser 2 and speaks protocol 3.
 *
 * A name that only version 2 has is version 2's function. Where both have the name, the arguments say whose it is:
 *
 * | call | protocol |
 * | --- | --- |
 * | `encodePacket(packet, supportsBinary, callback)` | 4 |
 * | `encodePacket(packet, callback)`, `encodePacket(packet, supportsBinary, utf8encode, callback)` | 3 |
 * | `decodePacket(data)`, `decodePacket(data, binaryType)` | 4 |
 * | `decodePacket(data, binaryType, utf8decode)` | 3 |
 * | `encodePayload(packets, callback)` | 4 |
 * | `encodePayload(packets, supportsBinary, callback)` | 3 |
 * | `decodePayload(text)`, `decodePayload(text, binaryType)`, which return an array | 4 |
 * | `decodePayload(data, callback)`, `decodePayload(data, binaryType, callback)`, and bytes in any case | 3 |
 *
 * Three of these calls, the first of each name but the last, exist in both versions. They are protocol 4, as `protocol` says: it
 * is what engine.io 6 exports, and no argument tells them apart. Text packets are the same in both protocols; binary
 * packets and payloads are not, so that a program for protocol 3 that uses these calls takes `parser3`, which has version
 * 2's functions only, as `parser4` has version 5's.
 */
export const protocol = 4;

export {
  packets,
  packetslist,
  encodeBase64Packet,
  decodeBase64Packet,
  encodePayloadAsBinary,
  decodePayloadAsBinary,
} from "./parser3";
export type { BinaryType, Packet, PacketType, RawData };

type Encoded = string | Buffer;

export function encodePacket<R>(packet: GivenPacket, callback: Callback<[encoded: Encoded], R>): R;
export function encodePacket<R>(
  packet: GivenPacket,
  supportsBinary: boolean | null | undefined,
  callback: Callback<[encoded: RawData], R>,
): R;
export function encodePacket<R>(
  packet: GivenPacket,
  supportsBinary: boolean | null | undefined,
  utf8encode: boolean | null | undefined,
  callback: Callback<[encoded: Encoded], R>,
): R;
export function encodePacket<R>(packet: GivenPacket, ...rest: unknown[]): R {
  const callback = callbackOf(rest) as Callback<[encoded: RawData], R>;
  const [supportsBinary, utf8encode] = rest.slice(0, rest.indexOf(callback)).map(Boolean);
  if (rest[1] === callback) return parser4.encodePacket(packet, supportsBinary, callback);
  return parser3.encodePacket(packet, supportsBinary, utf8encode, callback);
}

export function decodePacket(data: RawData | undefined, binaryType?: BinaryType | null): Packet;
export function decodePacket(
  data: RawData | undefined,
  binaryType: BinaryType | null | undefined,
  utf8decode: boolean | null,
): parser3.DecodedPacket;
export function decodePacket(
  data: RawData | undefined,
  binaryType?: BinaryType | null,
  utf8decode?: boolean | null,
): Packet | parser3.DecodedPacket {
  if (utf8decode === undefined) return parser4.decodePacket(data, binaryType);
  return parser3.decodePacket(data, binaryType, utf8decode);
}

export function encodePayload<R>(packets: readonly GivenPacket[], callback: Callback<[payload: string], R>): R;
export function encodePayload<R>(
  packets: readonly GivenPacket[],
  supportsBinary: boolean | null | undefined,
  callback: Callback<[payload: Encoded], R>,
): R;
export function encodePayload<R>(packets: readonly GivenPacket[], ...rest: unknown[]): R {
  const callback = callbackOf(rest) as Callback<[payload: Encoded], R>;
  if (rest[0] === callback) return parser4.encodePayload(packets, callback);
  return parser3.encodePayload(packets, Boolean(rest[0]), callback);
}

export function decodePayload(payload: string, binaryType?: BinaryType | null): Packet[];
export function decodePayload(
  payload: ArrayBuffer | ArrayBufferView,
  binaryType?: BinaryType | null,
): parser3.DecodedPacket[];
export function decodePayload(payload: string | ArrayBuffer | ArrayBufferView, callback: parser3.PacketCallback): void;
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  binaryType: BinaryType | null | undefined,
  callback: parser3.PacketCallback,
): void;
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  binaryType: BinaryType | null | undefined,
  utf8decode: boolean | null | undefined,
  callback: parser3.PacketCallback,
): void;
export function decodePayload(
  payload: string | ArrayBuffer | ArrayBufferView,
  ...rest: unknown[]
): Packet[] | parser3.DecodedPacket[] | undefined {
  const callback = rest.findIndex((value) => typeof value === "function");
  const binaryType = rest[0] === "arraybuffer" ? rest[0] : undefined;
  if (callback < 0) {
    return isBinaryData(payload)
      ? parser3.decodePayload(payload, binaryType)
      : parser4.decodePayload(payload, binaryType);
  }
  parser3.decodePayload(
    payload,
    binaryType,
    callback > 1 && Boolean(rest[1]),
    rest[callback] as parser3.PacketCallback,
  );
  return undefined;
}
