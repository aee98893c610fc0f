import type { Packet, PacketType, RawData } from "./packet";

export type { Packet, PacketType, RawData };

/** What binary data is decoded to: a Buffer, but for `arraybuffer`. */
export type BinaryType = "nodebuffer" | "arraybuffer" | "blob";

/**
 * A callback's parameter may be declared narrower than what it is called with, as `(payload: string) => void` where a payload
 * could be bytes too: programs that are written against the stock parsers, which say `any`, do so. Only methods compare so.
 */
export type Callback<Arguments extends readonly unknown[], Result = void> = {
  call(...values: Arguments): Result;
}["call"];

/** A packet as a caller has it. In JavaScript its data can be anything; what is not binary is written as text. */
export interface GivenPacket {
  type: PacketType;
  data?: unknown;
  options?: { compress?: boolean };
}

export function isBinaryData(data: unknown): data is ArrayBuffer | ArrayBufferView {
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data);
}

/** The bytes of a Buffer as an ArrayBuffer of their own. */
export function toArrayBuffer(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

/** Whatever is not binary, as the stock parsers write it: `[object Object]` of an object. */
export const asText: (data: unknown) => string = String;

/** The one function among optional arguments of which it is the last. Where there is none the caller has an error to see. */
export function callbackOf(candidates: readonly unknown[]): unknown {
  const callback = candidates.find((candidate) => typeof candidate === "function");
  if (callback === undefined) throw new TypeError("callback is not a function");
  return callback;
}
