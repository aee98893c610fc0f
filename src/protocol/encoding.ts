import * as codec3 from "./codec3";
import { decodePacketText, decodePayload, encodePacketText, joinPayload } from "./codec4";
import type { Revision } from "./names";
import { toBuffer, type Packet } from "./packet";
import { mayCompress, storedText } from "./stored";

/** How the packets of one session look on the wire. Fixed by its handshake. */
export interface Encoding {
  readonly revision: Revision;
  /** Whether binary data travels as text, because the client takes nothing else. */
  readonly base64: boolean;
  /** Whether the body of a POST may be binary. */
  readonly binaryPayloads: boolean;
  encodePayload(packets: readonly Packet[]): string | Buffer;
  /** The same from packets in their stored form. */
  encodeStored(stored: readonly string[]): string | Buffer;
  /** Never throws; ends at the first `error` packet. */
  decodePayload(payload: string | Uint8Array): Packet[];
  /** One packet as one message of a websocket. */
  encodeMessage(packet: Packet): string | Buffer;
  decodeMessage(message: string | Buffer): Packet;
}

const encoding4: Encoding = {
  revision: 4,
  base64: false,
  binaryPayloads: false,
  encodePayload: (packets) => joinPayload(packets.map(encodePacketText)),
  encodeStored: (stored) => {
    const [first] = stored;
    // Most payloads are one packet, and most packets may be compressed: nothing is copied then.
    if (stored.length === 1 && first !== undefined && mayCompress(first)) return first;
    return joinPayload(stored.map(storedText));
  },
  decodePayload: (payload) =>
    decodePayload(typeof payload === "string" ? payload : Buffer.from(payload).toString("utf8")),
  encodeMessage: (packet) => {
    const { data } = packet;
    return data === undefined || typeof data === "string" ? encodePacketText(packet) : toBuffer(data);
  },
  decodeMessage: (message) =>
    typeof message === "string" ? decodePacketText(message) : { type: "message", data: message },
};

/** Payloads of protocol 4 are text in any case: what changes is the message of a websocket. */
const encoding4Base64: Encoding = { ...encoding4, base64: true, encodeMessage: encodePacketText };

/** Protocol 3, whose payloads say the length of each packet, and are bytes where the client takes those and a packet is binary. */
function encoding3(takesBinary: boolean): Encoding {
  return {
    revision: 3,
    base64: !takesBinary,
    binaryPayloads: true,
    encodePayload: (packets) => codec3.encodePayload(packets, takesBinary),
    encodeStored: (stored) => codec3.encodeStoredPayload(stored, takesBinary),
    decodePayload: (payload) => codec3.decodePayload(typeof payload === "string" ? payload : bytesOf(payload)),
    encodeMessage: (packet) => codec3.encodePacket(packet, takesBinary),
    decodeMessage: (message) => codec3.decodePacket(message),
  };
}

function bytesOf(payload: Uint8Array): Buffer {
  return Buffer.isBuffer(payload) ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

const encoding3Binary = encoding3(true);
const encoding3Base64 = encoding3(false);

/** `base64`: the client takes no binary data (it says `b64=1`, or polls by JSONP). */
export function encodingOf(revision: Revision, base64: boolean): Encoding {
  if (revision === 4) return base64 ? encoding4Base64 : encoding4;
  return base64 ? encoding3Base64 : encoding3Binary;
}
