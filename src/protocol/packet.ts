/** Packet types of the Engine.IO protocol, by the digit that stands for each on the wire. */
export const PACKET_TYPES = ["open", "close", "ping", "pong", "message", "upgrade", "noop"] as const;

export type PacketType = (typeof PACKET_TYPES)[number] | "error";

/** What a message can carry. */
export type RawData = string | Buffer | ArrayBuffer | ArrayBufferView;

export interface PacketOptions {
  /** Whether the answer that carries the packet may be compressed. Default true. */
  compress?: boolean;
  /**
   * The packet's websocket frame in parts, ready to be sent, as `Sender.frame` of the package ws makes it. Used where this
   * process holds the websocket and compresses nothing; elsewhere the packet is encoded.
   */
  wsPreEncodedFrame?: Buffer[];
}

export interface Packet {
  type: PacketType;
  data?: RawData;
  options?: PacketOptions;
}

/** What a decoder returns for text that is no packet; a payload ends at it. */
export const PARSER_ERROR: Packet = Object.freeze({ type: "error", data: "parser error" });

/** The digit of a type, as a character. */
export const TYPE_DIGITS: Readonly<Record<Exclude<PacketType, "error">, string>> = Object.freeze({
  open: "0",
  close: "1",
  ping: "2",
  pong: "3",
  message: "4",
  upgrade: "5",
  noop: "6",
});

/** The bytes of binary data, without a copy where that can be. */
export function toBuffer(data: Exclude<RawData, string>): Buffer {
  if (Buffer.isBuffer(data)) return data;
  if (data instanceof ArrayBuffer) return Buffer.from(data);
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
