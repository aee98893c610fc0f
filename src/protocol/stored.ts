import { decodePacketText, encodePacketText } from "./codec4";
import type { Packet } from "./packet";

/**
 * The form in which packets wait in a session's record and travel to the poll that takes them: protocol 4's text form,
 * behind a mark where the packet must not be compressed. Text, since most of what is sent is text and a script's
 * arguments are cheapest as text; it is what a protocol 4 payload is made of, so a packet is encoded once.
 */
const DO_NOT_COMPRESS = "~";

export function toStored(packet: Packet): string {
  const text = encodePacketText(packet);
  return packet.options?.compress === false ? DO_NOT_COMPRESS + text : text;
}

export function mayCompress(stored: string): boolean {
  return stored.charCodeAt(0) !== 0x7e;
}

export function storedText(stored: string): string {
  return mayCompress(stored) ? stored : stored.slice(1);
}

export function fromStored(stored: string): Packet {
  const packet = decodePacketText(storedText(stored));
  return { ...packet, options: { compress: mayCompress(stored) } };
}
