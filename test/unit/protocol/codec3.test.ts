import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decodePacket,
  decodePayload,
  encodePacket,
  encodePayload,
  encodeStored,
  encodeStoredPayload,
} from "../../../src/protocol/codec3";
import { PARSER_ERROR, toBuffer, type Packet } from "../../../src/protocol/packet";
import type { DecodedPacket } from "../../../src/protocol/parser3";
import { toStored } from "../../../src/protocol/stored";
import { anyBinaryPayload, anyTextPayload, packet3, packets3, text3 } from "./arbitraries3";
import { given, stock3, stock3of6 } from "./stock";

const RUNS = { numRuns: 1000 };

/** Half a pair is no character: in UTF-8 it is U+FFFD. Within a string payload it arrives so too, being sent as UTF-8. */
const throughUtf8 = (text: string): string => Buffer.from(text).toString();

/** As it is after the wire: binary data as a Buffer; an empty text is no text. */
function arrived({ type, data }: Packet, utf8 = false): Packet {
  if (data === undefined || data === "") return { type };
  if (typeof data !== "string") return { type, data: toBuffer(data) };
  return { type, data: utf8 ? throughUtf8(data) : data };
}

/** A stock type that is missing is malformed here; and so ends a payload. */
function known({ type, data }: DecodedPacket): Packet {
  if (type === undefined) return PARSER_ERROR;
  return data === undefined ? { type } : { type, data };
}

function stockPackets(payload: string | Buffer): Packet[] {
  const packets: Packet[] = [];
  stock3.decodePayload(payload, (packet) => void packets.push(known(packet)));
  const error = packets.findIndex(({ type }) => type === "error");
  return error < 0 ? packets : packets.slice(0, error + 1);
}

describe("codec of protocol 3", () => {
  it("gives back every packet of a websocket message", () => {
    fc.assert(
      fc.property(packet3, fc.boolean(), (packet, supportsBinary) => {
        assert.deepEqual(decodePacket(encodePacket(packet, supportsBinary)), arrived(packet));
      }),
      RUNS,
    );
  });

  it("gives back every list of packets, as text and as bytes", () => {
    fc.assert(
      fc.property(packets3, fc.boolean(), (packets, supportsBinary) => {
        const payload = encodePayload(packets, supportsBinary);
        const asBytes = typeof payload !== "string";
        assert.equal(
          asBytes,
          supportsBinary && packets.some(({ data }) => data !== undefined && typeof data !== "string"),
        );
        assert.deepEqual(
          decodePayload(payload),
          packets.map((packet) => arrived(packet, asBytes)),
        );
      }),
      RUNS,
    );
  });

  it("gives back a text payload that went over the wire, half pairs as U+FFFD", () => {
    fc.assert(
      fc.property(packets3, (packets) => {
        assert.deepEqual(
          decodePayload(throughUtf8(encodePayload(packets, false).toString())),
          packets.map((packet) => arrived(packet, true)),
        );
      }),
      RUNS,
    );
  });

  // Of engine.io 6's copy: engine.io-parser 2 itself writes typed arrays into a text payload as if they were text.
  it("writes what the stock parser writes", () => {
    fc.assert(
      fc.property(packets3, packet3, fc.boolean(), (packets, packet, supportsBinary) => {
        assert.deepEqual(
          encodePayload(packets, supportsBinary),
          given((callback) => stock3of6.encodePayload(packets, supportsBinary, callback)),
        );
        assert.deepEqual(
          encodePacket(packet, supportsBinary),
          given((callback) => stock3.encodePacket(packet, supportsBinary, callback)),
        );
      }),
      RUNS,
    );
  });

  it("reads texts as the stock parser does, malformed ones included", () => {
    fc.assert(
      fc.property(anyTextPayload, (payload) => {
        assert.deepEqual(decodePayload(payload), stockPackets(payload));
        assert.deepEqual(decodePacket(payload), known(stock3.decodePacket(payload)));
      }),
      { numRuns: 5000 },
    );
  });

  it("reads bytes as the stock parser does, malformed ones included", () => {
    fc.assert(
      fc.property(anyBinaryPayload, (payload) => {
        assert.deepEqual(decodePayload(payload), stockPackets(payload));
        assert.deepEqual(decodePacket(payload), known(stock3.decodePacket(payload)));
      }),
      { numRuns: 5000 },
    );
  });

  it("ends at the first error, which is its last packet", () => {
    fc.assert(
      fc.property(fc.oneof(anyTextPayload, anyBinaryPayload), (payload) => {
        const errors = decodePayload(payload).map(({ type }) => type === "error");
        assert.equal(errors.slice(0, -1).includes(true), false);
      }),
      RUNS,
    );
  });

  it("counts text in UTF-16 units, and in bytes where the payload is bytes", () => {
    assert.equal(encodePayload([{ type: "message", data: "€😀" }], true), "4:4€😀");
    assert.deepEqual(
      encodePayload(
        [
          { type: "message", data: "€😀" },
          { type: "message", data: Buffer.from([255]) },
        ],
        true,
      ),
      Buffer.from([0, 8, 255, ...Buffer.from("4€😀"), 1, 2, 255, 4, 255]),
    );
    assert.equal(
      encodePayload(
        [
          { type: "message", data: "€😀" },
          { type: "message", data: Buffer.from([255]) },
        ],
        false,
      ),
      "4:4€😀6:b4/w==",
    );
  });

  it("has a payload for no packets, and reads none in it", () => {
    assert.equal(encodePayload([], true), "0:");
    assert.deepEqual(decodePayload("0:"), []);
    assert.deepEqual(decodePayload(Buffer.alloc(0)), []);
    assert.deepEqual(decodePayload(""), [PARSER_ERROR]);
  });

  it("handles the packets in front of what is malformed in a text, none of bytes without a readable length", () => {
    assert.deepEqual(decodePayload("2:4a1:6x"), [{ type: "message", data: "a" }, { type: "noop" }, PARSER_ERROR]);
    assert.deepEqual(decodePayload("2:4a9:4b"), [{ type: "message", data: "a" }, PARSER_ERROR]);
    assert.deepEqual(decodePayload(Buffer.from([0, 2, 255, 52, 97, 0, 2])), [PARSER_ERROR]);
  });

  it("calls binary data of a type that does not exist malformed, which the stock parser gives without a type", () => {
    for (const given of ["b9AAAA", "b", "bx", Buffer.from([9, 1]), Buffer.alloc(0)]) {
      assert.equal(stock3.decodePacket(given).type, undefined);
      assert.deepEqual(decodePacket(given), PARSER_ERROR);
    }
    assert.deepEqual(decodePayload("6:b9AAAA2:4a"), [PARSER_ERROR]);
  });

  it("has bytes that end within their last packet give what is there, as the stock parser does", () => {
    const short = Buffer.from([1, 9, 255, 4, 1, 2]);
    assert.deepEqual(decodePayload(short), [{ type: "message", data: Buffer.from([1, 2]) }]);
    assert.deepEqual(decodePayload(short), stockPackets(short));
  });
});

/** Protocol 4 writes no type with binary data: there it is always a message. */
const storable = packet3.map((packet): Packet =>
  packet.data === undefined || typeof packet.data === "string" ? packet : { ...packet, type: "message" },
);
const compress = fc.constantFrom(undefined, true, false);
const storedPacket = fc
  .tuple(storable, compress)
  .map(([packet, compress]) => (compress === undefined ? packet : { ...packet, options: { compress } }));

describe("stored packets in protocol 3", () => {
  it("are the messages and payloads that their packets are", () => {
    fc.assert(
      fc.property(fc.array(storedPacket, { maxLength: 8 }), fc.boolean(), (packets, supportsBinary) => {
        assert.deepEqual(
          encodeStoredPayload(packets.map(toStored), supportsBinary),
          encodePayload(packets, supportsBinary),
        );
        for (const packet of packets) {
          assert.deepEqual(encodeStored(toStored(packet), supportsBinary), encodePacket(packet, supportsBinary));
        }
      }),
      RUNS,
    );
  });

  it("keep a text that begins like binary data", () => {
    assert.equal(encodeStoredPayload([toStored({ type: "message", data: "b4AA" })], true), "5:4b4AA");
    assert.equal(encodeStored("~4b", true), "4b");
  });
});

/** Many times what each of these takes here; one that is not linear takes minutes. */
const BOUND_MS = 5_000;

function within<T>(work: () => T): T {
  const start = performance.now();
  const result = work();
  const took = performance.now() - start;
  assert.ok(took < BOUND_MS, `took ${took} ms`);
  return result;
}

describe("time that protocol 3 takes", () => {
  const MILLION = 1_000_000;

  it("is bounded for megabyte messages", () => {
    const text: Packet = { type: "message", data: "€".repeat(MILLION) };
    const bytes: Packet = { type: "message", data: Buffer.alloc(MILLION, 0xed) };
    for (const supportsBinary of [true, false]) {
      const back = within(() => decodePayload(encodePayload([text, bytes], supportsBinary)));
      assert.deepEqual(back, [text, bytes]);
    }
    // The bytes of text that is nothing but half pairs, each of them to be mended.
    const halves = Buffer.alloc(3 * MILLION + 1, Buffer.from([0xed, 0xa0, 0xbd]));
    halves.copyWithin(1, 0);
    halves[0] = 0x34;
    const header = Buffer.from([0, 3, 0, 0, 0, 0, 0, 1, 255]);
    const [packet] = within(() => decodePayload(Buffer.concat([header, halves])));
    assert.equal(packet?.data, "\ufffd".repeat(MILLION));
  });

  it("is bounded for 100,000 packets", () => {
    const packets = Array.from({ length: 100_000 }, (_, n): Packet => ({ type: "message", data: String(n) }));
    const mixed = [...packets, { type: "message", data: Buffer.from([1]) } as const];
    for (const supportsBinary of [true, false]) {
      assert.deepEqual(
        within(() => decodePayload(encodePayload(mixed, supportsBinary))),
        mixed,
      );
      assert.deepEqual(
        within(() => decodePayload(encodeStoredPayload(mixed.map(toStored), supportsBinary))),
        mixed,
      );
    }
  });

  it("is bounded for lengths of millions of digits, right or wrong", () => {
    const digits = 2 * MILLION;
    assert.deepEqual(
      within(() => decodePayload(`${"0".repeat(digits)}2:4a`)),
      [{ type: "message", data: "a" }],
    );
    for (const length of ["9", " ", "1", "0x" + "f".repeat(digits), "1e", "-", "x"]) {
      assert.deepEqual(
        within(() => decodePayload(`${length.repeat(length.length > 2 ? 1 : digits)}:4a`)).at(-1),
        PARSER_ERROR,
      );
    }
    assert.deepEqual(
      within(() => decodePayload("9".repeat(digits))),
      [PARSER_ERROR],
    );
    for (const byte of [0, 1, 9, 254]) {
      assert.deepEqual(
        within(() => decodePayload(Buffer.alloc(digits, byte))),
        [PARSER_ERROR],
      );
    }
  });

  it("is bounded for payloads that are nothing but lengths", () => {
    assert.deepEqual(
      within(() => decodePayload("0:".repeat(MILLION))),
      [],
    );
    assert.deepEqual(
      within(() => decodePayload(":".repeat(MILLION))),
      [PARSER_ERROR],
    );
    assert.deepEqual(
      within(() => decodePayload(Buffer.alloc(MILLION, 255))),
      [PARSER_ERROR],
    );
    assert.deepEqual(
      within(() => decodePayload(Buffer.alloc(3 * MILLION, Buffer.from([1, 0, 255])))),
      [PARSER_ERROR],
    );
  });

  it("is bounded for text of any kind", () => {
    fc.assert(
      fc.property(text3, (text) => {
        const packet: Packet = { type: "message", data: text.repeat(1_000) };
        assert.deepEqual(
          within(() => decodePayload(encodePayload([packet], false))),
          [arrived(packet)],
        );
      }),
    );
  });
});
