import * as codec from "./codec4";
import { TYPE_DIGITS, toBuffer, type Packet, type PacketType, type RawData } from "./packet";
import { asText, isBinaryData, toArrayBuffer, type BinaryType, type Callback, type GivenPacket } from "./parser-types";

export type { BinaryType, Packet, PacketType, RawData };

/**
 * The functions of `engine.io-parser` 5, which engine.io 6 exports as `parser`: protocol 4.
 *
 * Same names and results, but that nothing throws (what is neither text nor binary decodes to an error packet), that
 * `encodePayload` calls back for an empty list too, with an empty payload, and that views that show a part of an ArrayBuffer, and
 * such that are no bytes, are decoded as what they show. The streams for WebTransport are not here.
 */
export const protocol = 4;

const DIGITS: Partial<Record<string, string>> = TYPE_DIGITS;

function encodeText({ type, data }: GivenPacket): string {
  if (isBinaryData(data)) return codec.encodePacketText({ type: "message", data });
  return String(DIGITS[type]) + (data ? asText(data) : "");
}

/** Binary data as it is where the transport takes it, all else as text. */
export function encodePacket<R>(
  packet: GivenPacket,
  supportsBinary: boolean | null | undefined,
  callback: Callback<[encoded: RawData], R>,
): R {
  return callback(supportsBinary && isBinaryData(packet.data) ? packet.data : encodeText(packet));
}

export function decodePacket(encoded: RawData | undefined, binaryType?: BinaryType | null): Packet {
  if (isBinaryData(encoded)) return { type: "message", data: binaryAs(encoded, binaryType) };
  const packet = codec.decodePacketText(typeof encoded === "string" ? encoded : "");
  const { type, data } = packet;
  return Buffer.isBuffer(data) ? { type, data: binaryAs(data, binaryType) } : packet;
}

function binaryAs(data: ArrayBuffer | ArrayBufferView, binaryType?: BinaryType | null): Buffer | ArrayBuffer {
  if (binaryType !== "arraybuffer") return toBuffer(data);
  return data instanceof ArrayBuffer ? data : toArrayBuffer(toBuffer(data));
}

export function encodePayload<R>(packets: readonly GivenPacket[], callback: Callback<[payload: string], R>): R {
  return callback(codec.joinPayload(packets.map(encodeText)));
}

/** Up to and including the first error packet. */
export function decodePayload(payload: string, binaryType?: BinaryType | null): Packet[] {
  const packets = codec.decodePayload(typeof payload === "string" ? payload : "");
  return packets.map((packet) =>
    Buffer.isBuffer(packet.data) ? { type: packet.type, data: binaryAs(packet.data, binaryType) } : packet,
  );
}
