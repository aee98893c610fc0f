import { PACKET_TYPES, PARSER_ERROR, TYPE_DIGITS, toBuffer, type Packet } from "./packet";

/**
 * Protocol 4. A packet as text is its type's digit and its data; binary data is `b` and base64, always a message.
 * A payload is packets joined by the record separator, which cannot be part of base64 and is not escaped in text: a text message
 * that holds one is split by the receiver, with every implementation of the protocol.
 */
export const SEPARATOR = "\x1e";

/** A packet in text form. */
export function encodePacketText(packet: Packet): string {
  const { type, data } = packet;
  if (data !== undefined && typeof data !== "string") return "b" + toBuffer(data).toString("base64");
  const digit = type === "error" ? "" : TYPE_DIGITS[type];
  return data === undefined ? digit : digit + data;
}

/** Never throws; text that is no packet gives an `error` packet. */
export function decodePacketText(text: string): Packet {
  if (text.charCodeAt(0) === 0x62 /* b */) return { type: "message", data: Buffer.from(text.slice(1), "base64") };
  const type = PACKET_TYPES[text.charCodeAt(0) - 0x30];
  if (type === undefined) return PARSER_ERROR;
  return text.length > 1 ? { type, data: text.slice(1) } : { type };
}

/** Packets in text form to one payload. */
export function joinPayload(packets: readonly string[]): string {
  return packets.length === 1 ? (packets[0] ?? "") : packets.join(SEPARATOR);
}

/** Decodes up to and including the first `error` packet. Never throws. */
export function decodePayload(payload: string): Packet[] {
  const packets: Packet[] = [];
  let from = 0;
  for (;;) {
    const to = payload.indexOf(SEPARATOR, from);
    const packet = decodePacketText(to < 0 ? payload.slice(from) : payload.slice(from, to));
    packets.push(packet);
    if (to < 0 || packet.type === "error") return packets;
    from = to + 1;
  }
}
