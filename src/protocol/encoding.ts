import { decodePacketText, decodePayload, encodePacketText, joinPayload } from "./codec4";
import type { Revision } from "./names";
import { toBuffer, type Packet } from "./packet";
import { mayCompress, storedText } from "./stored";

/** How the packets of one session look on the wire. Fixed by its handshake. */
export interface Encoding {
  readonly revision: Revision;
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

/** `base64`: the client cannot take binary payloads (protocol 3 with `b64=1`, or JSONP). */
export function encodingOf(_revision: Revision, _base64: boolean): Encoding {
  return encoding4;
}
