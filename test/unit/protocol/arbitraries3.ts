import fc from "fast-check";
import { encodePayload } from "../../../src/protocol/codec3";
import { PACKET_TYPES, type Packet } from "../../../src/protocol/packet";
import { binary } from "./arbitraries";

/** Half a pair of UTF-16 more often than chance has it, and the characters that mean something to a payload. */
export const text3 = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({
    unit: fc.constantFrom(
      "b",
      "4",
      ":",
      "1",
      "0",
      "\u0000",
      "\x1e",
      "\x7f",
      "\x80",
      "é",
      "€",
      "😀",
      "\ud83d",
      "\ude00",
    ),
  }),
);

const type = fc.constantFrom(...PACKET_TYPES);

/** In protocol 3 any type can be binary. */
export const packet3: fc.Arbitrary<Packet> = fc.oneof(
  type.map((type) => ({ type })),
  fc.tuple(type, text3).map(([type, data]) => ({ type, data })),
  fc.tuple(type, binary).map(([type, data]) => ({ type, data })),
);

export const packets3 = fc.array(packet3, { maxLength: 8 });

/** What `Number` takes for a length, and what it does not. */
const length = fc.oneof(
  fc.integer({ min: 0, max: 12 }).map(String),
  fc.constantFrom(
    "",
    " ",
    "\n",
    "+1",
    "-1",
    "-0",
    "1.0",
    "1.5",
    ".",
    "1e0",
    "1e1",
    "1e400",
    "1e-400",
    "0x2",
    "0b1",
    "0o3",
  ),
  fc.constantFrom(" 2", "2 ", "02", "NaN", "Infinity", "9007199254740993", "٤", "４", "1n", "1_0", "9".repeat(400)),
);

const piece = fc.oneof(
  { weight: 3, arbitrary: fc.tuple(fc.constantFrom("0", "1", "2", "3", "4", "5", "6"), text3).map((p) => p.join("")) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom("b", "b4", "b9", "bb"), fc.base64String()).map((p) => p.join("")) },
  { weight: 1, arbitrary: text3 },
);

/** Text close to a payload: lengths that are right, and such that are not. */
const likelyText = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: piece.map((packet) => `${packet.length}:${packet}`) },
      { weight: 1, arbitrary: fc.tuple(length, piece).map(([given, packet]) => `${given}:${packet}`) },
      { weight: 1, arbitrary: fc.constantFrom("0:", "1:", ":", "1", "x") },
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(""));

interface Change {
  at: number;
  removed: number;
  inserted: number[];
}

/** Places are fractions of the whole, so that a change fits any length. */
const changes = (max: number): fc.Arbitrary<Change[]> =>
  fc.array(
    fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      removed: fc.integer({ min: 0, max: 3 }),
      inserted: fc.array(fc.oneof(fc.constantFrom(0, 1, 9, 10, 48, 52, 58, 98, 255), fc.integer({ min: 0, max })), {
        maxLength: 3,
      }),
    }),
    { minLength: 1, maxLength: 3 },
  );

function changed(units: readonly number[], list: readonly Change[]): number[] {
  const result = [...units];
  for (const { at, removed, inserted } of list) result.splice(Math.floor(at * result.length), removed, ...inserted);
  return result;
}

const mutatedText = fc.tuple(packets3, changes(0xffff)).map(([packets, list]) =>
  changed(
    Array.from({ length: textOf(packets).length }, (_, at) => textOf(packets).charCodeAt(at)),
    list,
  )
    .map((unit) => String.fromCharCode(unit))
    .join(""),
);

function textOf(packets: readonly Packet[]): string {
  return encodePayload(packets, false).toString();
}

/** Texts that are payloads, were payloads, or look like some. */
export const anyTextPayload = fc.oneof(likelyText, mutatedText, packets3.map(textOf), text3);

/** Bytes that are UTF-8, nearly so, or not. */
const bytes = fc.oneof(
  text3.map((text) => [...Buffer.from(text)]),
  fc
    .array(
      fc.constantFrom(
        [0x41],
        [0xc3, 0xa9],
        [0xc0, 0x80],
        [0xe0, 0x80, 0x80],
        [0xe2, 0x82, 0xac],
        [0xed, 0xa0, 0xbd],
        [0xed, 0xb8, 0x80],
        [0xed, 0x9f, 0xbf],
        [0xed],
        [0xed, 0xa0],
        [0xef, 0xbb, 0xbf],
        [0xf0, 0x9f, 0x98, 0x80],
        [0xf0, 0x80, 0x80, 0x80],
        [0xf4, 0x90, 0x80, 0x80],
        [0xf8],
        [0x80],
        [0xff],
      ),
      { maxLength: 5 },
    )
    .map((parts) => parts.flat()),
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 8 }),
);

/** UTF-8, right and wrong, with one character for each byte; some with characters that are no bytes. */
export const anyByteString = fc.oneof(
  bytes.map((list) => Buffer.from(list).toString("latin1")),
  fc.tuple(bytes, text3).map(([list, text]) => Buffer.from(list).toString("latin1") + text),
);

const frame = fc
  .record({
    kind: fc.constantFrom(0, 0, 1, 1, 2, 255),
    type: fc.constantFrom([], [4], [6], [7], [48], [52], [57], [98], [98, 52], [98, 57]),
    rest: bytes,
    header: fc.oneof(
      { weight: 4, arbitrary: fc.constant(undefined) },
      { weight: 1, arbitrary: fc.array(fc.constantFrom(0, 1, 2, 9, 10, 48, 100, 254), { maxLength: 4 }) },
      { weight: 1, arbitrary: fc.integer({ min: 300, max: 320 }).map((count) => new Array<number>(count).fill(9)) },
    ),
    end: fc.constantFrom([255], [255], [255], []),
  })
  .map(({ kind, type, rest, header, end }) => {
    const packet = [...type, ...rest];
    return [kind, ...(header ?? Array.from(String(packet.length), Number)), ...end, ...packet];
  });

function bytesOf(packets: readonly Packet[]): number[] {
  return [...Buffer.from(encodePayload([...packets, { type: "message", data: Buffer.from([1, 2]) }], true))];
}

/** Bytes that are payloads, were payloads, end early, or look like some. */
export const anyBinaryPayload: fc.Arbitrary<Buffer> = fc
  .oneof(
    fc.array(frame, { maxLength: 5 }).map((frames) => frames.flat()),
    packets3.map(bytesOf),
    fc.tuple(packets3, changes(255)).map(([packets, list]) => changed(bytesOf(packets), list)),
    fc
      .tuple(packets3, fc.double({ min: 0, max: 1, noNaN: true }))
      .map(([packets, part]) => bytesOf(packets).slice(0, Math.floor(part * bytesOf(packets).length))),
    fc.array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0, 1, 255)), { maxLength: 40 }),
  )
  .map((list) => Buffer.from(list));
