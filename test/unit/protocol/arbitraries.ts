import fc from "fast-check";
import { SEPARATOR } from "../../../src/protocol/codec4";
import { PACKET_TYPES, type Packet, type RawData } from "../../../src/protocol/packet";

/** Any text, the characters that mean something on the wire more often than others. */
export const text = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom("b", "4", "~", "=", ":", SEPARATOR, "\u0000", "é", "😀") }),
);

/** Binary data in each of the forms that a caller may have it in. */
export const binary: fc.Arbitrary<Exclude<RawData, string>> = fc.oneof(
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  fc.uint8Array().map((bytes) => bytes.slice().buffer),
  fc.uint8Array({ minLength: 2 }).map((bytes) => bytes.subarray(1)),
  fc.uint16Array(),
  fc.uint8Array({ minLength: 3 }).map((bytes) => new DataView(bytes.buffer, bytes.byteOffset + 1, 2)),
);

const type = fc.constantFrom(...PACKET_TYPES);

export const textPacket: fc.Arbitrary<Packet> = fc.oneof(
  type.map((type) => ({ type })),
  fc
    .tuple(
      type,
      text.filter((data) => !data.includes(SEPARATOR)),
    )
    .map(([type, data]) => ({ type, data })),
);

export const anyPacket: fc.Arbitrary<Packet> = fc.oneof(
  type.map((type) => ({ type })),
  fc.tuple(type, text).map(([type, data]) => ({ type, data })),
  binary.map((data) => ({ type: "message" as const, data })),
);

/** Text close to a payload: mostly packets, some broken. */
export const likelyPayload = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.tuple(fc.constantFrom("0", "1", "2", "3", "4", "5", "6"), text).map((parts) => parts.join("")),
      },
      { weight: 2, arbitrary: fc.base64String().map((base64) => `b${base64}`) },
      { weight: 1, arbitrary: text.map((rest) => `b${rest}`) },
      { weight: 1, arbitrary: fc.constantFrom("", "7", "9", "-", "error", "\uffff", "٤", "４") },
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(SEPARATOR));
