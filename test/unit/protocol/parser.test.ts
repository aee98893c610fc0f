import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as stock4 from "engine.io-parser";
import fc from "fast-check";
import { encodePayload } from "../../../src/protocol/codec3";
import * as parser from "../../../src/protocol/parser";
import * as parser3 from "../../../src/protocol/parser3";
import * as parser4 from "../../../src/protocol/parser4";
import type { GivenPacket } from "../../../src/protocol/parser-types";
import { binary, likelyPayload } from "./arbitraries";
import { anyBinaryPayload, anyByteString, anyTextPayload, packet3, packets3 } from "./arbitraries3";
import { given, stock3, stock3of6 } from "./stock";

const RUNS = { numRuns: 1000 };

const binaryType = fc.constantFrom(undefined, null, "nodebuffer" as const, "arraybuffer" as const);

/** What JavaScript programs send that is neither text nor binary, and types that are none. */
const oddPacket = fc
  .tuple(
    fc.constantFrom("message", "open", "error", "nonsense"),
    fc.oneof(fc.constantFrom<unknown>(null, undefined, 0, 1, NaN, false, true, "", 5n, {}, [], [1, 2]), fc.string()),
  )
  .map(([type, data]) => ({ type, data }) as GivenPacket);

const anyGiven: fc.Arbitrary<GivenPacket> = fc.oneof(packet3, packet3, oddPacket);

/** All that a decoder calls back with. */
function calls(decode: (callback: parser3.PacketCallback) => unknown): unknown[] {
  const list: unknown[] = [];
  decode((...values) => list.push(values));
  return list;
}

/** What only JavaScript can call with: types forbid it. */
const anything = (value: unknown): never => value as never;

describe("parser3 is the stock parser of protocol 3", () => {
  it("has its names, and its packets", () => {
    const names = Object.keys(parser3).filter((name) => name !== "packetslist");
    assert.deepEqual(names.sort(), Object.keys(stock3).sort());
    assert.equal(parser3.protocol, stock3.protocol);
    assert.deepEqual(parser3.packets, stock3.packets);
    assert.deepEqual(parser3.packetslist, Object.keys(stock3.packets));
  });

  it("encodes packets", () => {
    fc.assert(
      fc.property(anyGiven, fc.boolean(), fc.boolean(), (packet, supportsBinary, utf8encode) => {
        assert.deepEqual(
          given((callback) => parser3.encodePacket(packet, callback)),
          given((callback) => stock3.encodePacket(packet, callback)),
        );
        assert.deepEqual(
          given((callback) => parser3.encodePacket(packet, supportsBinary, callback)),
          given((callback) => stock3.encodePacket(packet, supportsBinary, callback)),
        );
        assert.deepEqual(
          given((callback) => parser3.encodePacket(packet, supportsBinary, utf8encode, callback)),
          given((callback) => stock3.encodePacket(packet, supportsBinary, utf8encode, callback)),
        );
      }),
      RUNS,
    );
  });

  it("encodes binary packets as base64", () => {
    fc.assert(
      fc.property(binary, (data) => {
        const packet = { type: "message" as const, data };
        assert.deepEqual(
          given((callback) => parser3.encodeBase64Packet(packet, callback)),
          given((callback) => stock3.encodeBase64Packet(packet, callback)),
        );
      }),
      RUNS,
    );
  });

  // Of engine.io 6's copy: version 2 itself writes a typed array that is no Buffer into a text payload as if it were text.
  it("encodes payloads", () => {
    fc.assert(
      fc.property(fc.array(anyGiven, { maxLength: 6 }), fc.boolean(), (packets, supportsBinary) => {
        assert.deepEqual(
          given((callback) => parser3.encodePayload(packets, callback)),
          given((callback) => stock3.encodePayload(packets, callback)),
        );
        assert.deepEqual(
          given((callback) => parser3.encodePayload(packets, supportsBinary, callback)),
          given((callback) => stock3of6.encodePayload(packets, supportsBinary, callback)),
        );
        assert.deepEqual(
          given((callback) => parser3.encodePayloadAsBinary(packets, callback)),
          given((callback) => stock3.encodePayloadAsBinary(packets, callback)),
        );
      }),
      RUNS,
    );
  });

  it("writes an empty view as no bytes, where the stock parser takes what is behind it", () => {
    const packet = { type: "message" as const, data: new DataView(Uint8Array.from([1, 2, 3]).buffer, 1, 0) };
    assert.equal(
      given((callback) => parser3.encodePacket(packet, callback)),
      "b4",
    );
    assert.equal(
      given((callback) => stock3.encodePacket(packet, callback)),
      "b4AgM=",
    );
  });

  it("decodes packets", () => {
    const data = fc.oneof(anyTextPayload, anyBinaryPayload, anyByteString);
    fc.assert(
      fc.property(data, binaryType, fc.boolean(), (data, binaryType, utf8decode) => {
        assert.deepEqual(
          parser3.decodePacket(data, binaryType, utf8decode),
          stock3.decodePacket(data, binaryType, utf8decode),
        );
        if (typeof data !== "string") return;
        assert.deepEqual(parser3.decodeBase64Packet(data, binaryType), stock3.decodeBase64Packet(data, binaryType));
      }),
      { numRuns: 5000 },
    );
    assert.deepEqual(parser3.decodePacket(undefined), stock3.decodePacket(undefined));
    // The lowest byte of this character is a digit, the character is none.
    assert.deepEqual(parser3.decodePacket("\u4c30", null, true), stock3.decodePacket("\u4c30", null, true));
  });

  it("decodes texts, numbers of the callback included", () => {
    fc.assert(
      fc.property(anyTextPayload, binaryType, (payload, binaryType) => {
        const expected = calls((callback) => stock3.decodePayload(payload, binaryType, callback));
        assert.deepEqual(
          calls((callback) => parser3.decodePayload(payload, binaryType, callback)),
          expected,
        );
        assert.deepEqual(
          calls((callback) => parser.decodePayload(payload, binaryType, callback)),
          expected,
        );
        assert.deepEqual(
          calls((callback) => parser3.decodePayload(payload, callback)),
          calls((callback) => stock3.decodePayload(payload, callback)),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it("decodes bytes, numbers of the callback included", () => {
    fc.assert(
      fc.property(anyBinaryPayload, binaryType, (payload, binaryType) => {
        const expected = calls((callback) => stock3.decodePayload(payload, binaryType, callback));
        for (const decode of [parser3.decodePayload, parser3.decodePayloadAsBinary, parser.decodePayload]) {
          assert.deepEqual(
            calls((callback) => decode(payload, binaryType, callback)),
            expected,
          );
        }
        assert.deepEqual(
          calls((callback) => parser3.decodePayloadAsBinary(payload, callback)),
          calls((callback) => stock3.decodePayloadAsBinary(payload, callback)),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it("ends a text, and not bytes, when the callback says false", () => {
    const packets = [{ type: "ping" as const }, { type: "pong" as const }, { type: "noop" as const }];
    const bytes = given<Buffer>((callback) => stock3.encodePayloadAsBinary(packets, callback));
    for (const { decodePayload } of [parser3, parser, stock3]) {
      const seen: unknown[] = [];
      const stop: parser3.PacketCallback = ({ type }) => {
        seen.push(type);
        return false;
      };
      decodePayload("1:21:31:6", stop);
      decodePayload(bytes, stop);
      assert.deepEqual(seen, ["ping", "ping", "pong", "noop"]);
    }
  });

  it("decodes a payload whose characters are bytes, as the parser of engine.io 3.0.0 can", () => {
    const text = "2:4a3:4€";
    const byteString = Buffer.from(text).toString("latin1");
    const packets = [
      { type: "message", data: "a" },
      { type: "message", data: "€" },
    ];
    for (const { decodePayload } of [parser3, parser]) {
      const seen: unknown[] = [];
      decodePayload("2:4a2:4" + byteString.slice(-3), null, true, (packet) => seen.push(packet));
      decodePayload("1:\xff", null, true, (packet) => seen.push(packet));
      assert.deepEqual(seen, [...packets, { type: "error", data: "parser error" }]);
    }
  });

  it("returns the packets where there is no callback", () => {
    fc.assert(
      fc.property(fc.oneof(anyTextPayload, anyBinaryPayload), binaryType, (payload, binaryType) => {
        assert.deepEqual(
          parser3.decodePayload(payload, binaryType),
          calls((callback) => stock3.decodePayload(payload, binaryType, callback)).map((values) =>
            Array.isArray(values) ? (values[0] as unknown) : undefined,
          ),
        );
      }),
      RUNS,
    );
  });

  it("returns what the callback of a packet returns", () => {
    assert.equal(
      parser3.encodePacket({ type: "ping" }, (encoded) => `${encoded.toString()}!`),
      "2!",
    );
    assert.equal(
      parser.encodePacket({ type: "ping" }, true, (encoded: string) => `${encoded}!`),
      "2!",
    );
  });
});

describe("parser4 is the stock parser of protocol 4", () => {
  type StockPacket = Parameters<typeof stock4.encodePacket>[0];

  it("has its names, but for the streams of WebTransport", () => {
    const names = Object.keys(stock4).filter((name) => name !== "default" && !name.endsWith("Stream"));
    assert.deepEqual(Object.keys(parser4).sort(), names.sort());
    assert.equal(parser4.protocol, stock4.protocol);
  });

  // To a type that is none the stock parser adds a number as numbers are added, and throws at a bigint.
  const sensible = anyGiven.filter(({ type, data }) => type in parser.packets || typeof data === "string");

  it("encodes packets and payloads", () => {
    fc.assert(
      fc.property(fc.array(sensible, { minLength: 1, maxLength: 6 }), fc.boolean(), (packets, supportsBinary) => {
        for (const ours of [parser4, parser]) {
          for (const packet of packets) {
            assert.deepEqual(
              given((callback) => ours.encodePacket(packet, supportsBinary, callback)),
              given((callback) => stock4.encodePacket(packet as StockPacket, supportsBinary, callback)),
            );
          }
          assert.deepEqual(
            given((callback) => ours.encodePayload(packets, callback)),
            given((callback) => stock4.encodePayload(packets as StockPacket[], callback)),
          );
        }
      }),
      RUNS,
    );
  });

  it("calls back for an empty list too, which the stock parser does not", () => {
    assert.equal(
      given((callback) => parser4.encodePayload([], callback)),
      "",
    );
  });

  it("decodes packets and payloads", () => {
    fc.assert(
      fc.property(
        fc.oneof(likelyPayload, anyTextPayload),
        anyBinaryPayload,
        fc.constantFrom(undefined, "nodebuffer" as const, "arraybuffer" as const),
        (text, bytes, binaryType) => {
          for (const ours of [parser4, parser]) {
            assert.deepEqual(ours.decodePayload(text, binaryType), stock4.decodePayload(text, binaryType));
            assert.deepEqual(ours.decodePacket(text, binaryType), stock4.decodePacket(text, binaryType));
            assert.deepEqual(ours.decodePacket(bytes, binaryType), stock4.decodePacket(bytes, binaryType));
            const buffer = Uint8Array.from(bytes).buffer;
            assert.deepEqual(ours.decodePacket(buffer, binaryType), stock4.decodePacket(buffer, binaryType));
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("parser is both", () => {
  it("has the names of both", () => {
    assert.equal(parser.protocol, 4);
    const names = [...Object.keys(parser3), ...Object.keys(parser4)];
    assert.deepEqual(Object.keys(parser).sort(), [...new Set(names)].sort());
    assert.equal(parser.packets, parser3.packets);
    for (const name of ["encodeBase64Packet", "decodeBase64Packet"] as const) {
      assert.equal(parser[name], parser3[name]);
    }
    for (const name of ["encodePayloadAsBinary", "decodePayloadAsBinary"] as const) {
      assert.equal(parser[name], parser3[name]);
    }
  });

  it("is protocol 3 where only that has the arguments", () => {
    fc.assert(
      fc.property(packets3, packet3, fc.boolean(), fc.boolean(), (packets, packet, supportsBinary, utf8) => {
        assert.deepEqual(
          given((callback) => parser.encodePacket(packet, callback)),
          given((callback) => stock3.encodePacket(packet, callback)),
        );
        assert.deepEqual(
          given((callback) => parser.encodePacket(packet, supportsBinary, utf8, callback)),
          given((callback) => stock3.encodePacket(packet, supportsBinary, utf8, callback)),
        );
        assert.deepEqual(
          given((callback) => parser.encodePayload(packets, supportsBinary, callback)),
          given((callback) => stock3of6.encodePayload(packets, supportsBinary, callback)),
        );
        const bytes = given<Buffer>((callback) => stock3.encodePayloadAsBinary(packets, callback));
        assert.deepEqual(parser.decodePayload(bytes), parser3.decodePayload(bytes));
      }),
      RUNS,
    );
    fc.assert(
      fc.property(fc.oneof(anyTextPayload, anyByteString), binaryType, fc.boolean(), (data, binaryType, utf8) => {
        assert.deepEqual(parser.decodePacket(data, binaryType, utf8), stock3.decodePacket(data, binaryType, utf8));
      }),
      RUNS,
    );
  });

  it("never throws at what JavaScript programs give it, and says that it is no packet", () => {
    const error = { type: "error", data: "parser error" };
    for (const value of [undefined, null, 5, true, {}, [], ["4a"]]) {
      for (const decoder of [parser, parser3, parser4]) {
        assert.deepEqual(decoder.decodePacket(anything(value)), error);
        assert.deepEqual(decoder.decodePayload(anything(value)), [error]);
      }
      assert.deepEqual(parser.decodeBase64Packet(anything(value)), error);
      assert.deepEqual(
        calls((callback) => parser.decodePayload(anything(value), callback)),
        [[error, 0, 1]],
      );
      assert.deepEqual(
        calls((callback) => parser.decodePayloadAsBinary(anything(value), callback)),
        [[error, 0, 1]],
      );
    }
    assert.throws(() => parser.encodePacket({ type: "ping" }, anything(undefined)), TypeError);
  });

  it("decodes an ArrayBuffer and a view as the bytes that they show", () => {
    const bytes = Buffer.from(encodePayload([{ type: "message", data: Buffer.from([7, 8]) }], true));
    const packets = [{ type: "message", data: Buffer.from([7, 8]) }];
    const padded = Uint8Array.from([9, ...bytes, 9]);
    const view = padded.subarray(1, -1);
    for (const payload of [bytes, Uint8Array.from(bytes).buffer, view, new DataView(padded.buffer, 1, bytes.length)]) {
      assert.deepEqual(parser.decodePayload(payload), packets);
      assert.deepEqual(parser3.decodePayload(payload), packets);
    }
    assert.deepEqual(parser.decodePacket(view, "arraybuffer").data, Uint8Array.from(bytes).buffer);
  });
});
