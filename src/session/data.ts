import type { RawData } from "../protocol/packet";

/** Units of data, for the limit of a buffer. */
export function sizeOf(data: RawData | undefined): number {
  if (data === undefined) return 0;
  return typeof data === "string" ? data.length : data.byteLength;
}

/** What a caller gives to `send`, as engine.io understands it: binary stays, falsy is an empty message, all else is text. */
export function coerce(data: unknown): RawData | undefined {
  if (typeof data === "string") return data === "" ? undefined : data;
  if (ArrayBuffer.isView(data) || data instanceof ArrayBuffer) return data;
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- what an object becomes as text is its own business
  return data ? String(data) : undefined;
}
