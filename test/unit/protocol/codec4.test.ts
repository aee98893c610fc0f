import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as stock from "engine.io-parser";
import fc from "fast-check";
import {
  decodePacketText,
  decodePayload,
  encodePacketText,
  joinPayload,
  SEPARATOR,
} from "../../../src/protocol/codec4";
import { PACKET_TYPES, toBuffer, type Packet, type RawData } from "../../../src/protocol/packet";
import { anyPacket, binary, likelyPayload, text, textPacket } from "./arbitraries";

type StockPacket = Parameters<typeof stock.encodePayload>[0][number];

/** The stock encoder calls back inside the call, but for an empty list. */
function stockPayload(packets: readonly Packet[]): string {
  let payload = "";
  stock.encodePayload(packets as StockPacket[], (encoded) => {
    payload = encoded;
  });
  return payload;
}

function ownPayload(packets: readonly Packet[]): string {
  return joinPayload(packets.map(encodePacketText));
}

/** As it is after the wire: binary data as a Buffer, and always a message; an empty text is no text. */
function arrived(packet: Packet): Packet {
  const { type, data } = packet;
  if (data === undefined || data === "") return { type };
  return typeof data === "string" ? { type, data } : { type: "message", data: toBuffer(data) };
}

describe("codec of protocol 4", () => {
  it("gives back every packet that it wrote", () => {
    fc.assert(
      fc.property(anyPacket, (packet) => {
        assert.deepEqual(decodePacketText(encodePacketText(packet)), arrived(packet));
      }),
    );
  });

  it("gives back every list of packets whose texts hold no separator", () => {
    const packets = fc.array(
      anyPacket.filter(({ data }) => typeof data !== "string" || !data.includes(SEPARATOR)),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(packets, (list) => {
        assert.deepEqual(decodePayload(ownPayload(list)), list.map(arrived));
      }),
    );
  });

  it("writes what the stock parser writes", () => {
    fc.assert(
      fc.property(fc.array(anyPacket, { minLength: 1, maxLength: 8 }), (packets) => {
        assert.equal(ownPayload(packets), stockPayload(packets));
      }),
    );
  });

  // The stock parser takes an empty list too, but then never calls back; here it is the payload of nothing.
  it("writes no packets as no text", () => {
    assert.equal(ownPayload([]), "");
  });

  it("reads what the stock parser reads, text that is no payload included", () => {
    const payload = fc.oneof(likelyPayload, fc.string({ unit: "binary" }), fc.string());
    fc.assert(
      fc.property(payload, (given) => {
        assert.deepEqual(decodePayload(given), stock.decodePayload(given));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads single packets as the stock parser does, malformed ones included", () => {
    fc.assert(
      fc.property(fc.oneof(likelyPayload, fc.string()), (given) => {
        assert.deepEqual(decodePacketText(given), stock.decodePacket(given));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads what the stock parser wrote, and the stock parser what it wrote", () => {
    fc.assert(
      fc.property(fc.array(anyPacket, { minLength: 1, maxLength: 8 }), (packets) => {
        assert.deepEqual(decodePayload(stockPayload(packets)), stock.decodePayload(ownPayload(packets)));
      }),
    );
  });

  it("stops at the first text that is no packet, and says so as its last packet", () => {
    const bad = fc.oneof(fc.constant(""), fc.constantFrom("7", "9", "x", ":", "/", "-1", "\u00e9", "\ud83d"));
    fc.assert(
      fc.property(
        fc.array(textPacket, { maxLength: 4 }),
        bad,
        fc.array(textPacket, { maxLength: 4 }),
        (good, wrong, rest) => {
          const packets = decodePayload(
            [...good.map(encodePacketText), wrong, ...rest.map(encodePacketText)].join(SEPARATOR),
          );
          assert.deepEqual(packets, [...good.map(arrived), { type: "error", data: "parser error" }]);
        },
      ),
    );
  });

  it("never throws, and never gives nothing", () => {
    fc.assert(
      fc.property(fc.oneof(likelyPayload, fc.string({ unit: "binary", maxLength: 200 })), (given) => {
        assert.ok(decodePayload(given).length > 0);
      }),
    );
  });

  it("splits a text that holds the separator, as every receiver does", () => {
    assert.deepEqual(decodePayload(encodePacketText({ type: "message", data: `a${SEPARATOR}4b` })), [
      { type: "message", data: "a" },
      { type: "message", data: "b" },
    ]);
  });

  it("knows each type by its digit", () => {
    PACKET_TYPES.forEach((type, digit) => {
      assert.equal(encodePacketText({ type }), String(digit));
      assert.equal(encodePacketText({ type, data: "x" }), `${String(digit)}x`);
    });
  });

  it("takes of a view what the view shows", () => {
    const bytes = Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]);
    const views: RawData[] = [new DataView(bytes.buffer, 2, 3), bytes.subarray(2, 5), Buffer.from(bytes.buffer, 2, 3)];
    for (const data of views) assert.equal(encodePacketText({ type: "message", data }), "bAgME");
    assert.equal(encodePacketText({ type: "message", data: bytes.buffer }), "bAAECAwQFBgc=");
  });

  it("keeps any text and any bytes", () => {
    fc.assert(
      fc.property(text, binary, (string, bytes) => {
        assert.equal(
          decodePacketText(encodePacketText({ type: "message", data: string })).data,
          string === "" ? undefined : string,
        );
        assert.deepEqual(decodePacketText(encodePacketText({ type: "message", data: bytes })).data, toBuffer(bytes));
      }),
    );
  });
});
