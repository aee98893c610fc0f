import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodePacketText, encodePacketText, joinPayload } from "../../../src/protocol/codec4";
import type { Packet } from "../../../src/protocol/packet";
import { fromStored, mayCompress, storedText, toStored } from "../../../src/protocol/stored";
import { anyPacket } from "./arbitraries";

const withOptions: fc.Arbitrary<Packet> = fc
  .tuple(anyPacket, fc.constantFrom(undefined, {}, { compress: true }, { compress: false }))
  .map(([packet, options]) => (options === undefined ? packet : { ...packet, options }));

describe("stored form of packets", () => {
  it("is the text form, and what the text form says after it was stored", () => {
    fc.assert(
      fc.property(withOptions, (packet) => {
        assert.equal(storedText(toStored(packet)), encodePacketText(packet));
      }),
    );
  });

  it("keeps whether the answer may be compressed, by default that it may", () => {
    fc.assert(
      fc.property(withOptions, (packet) => {
        const may = packet.options?.compress !== false;
        const stored = toStored(packet);
        assert.equal(mayCompress(stored), may);
        assert.deepEqual(fromStored(stored), {
          ...decodePacketText(encodePacketText(packet)),
          options: { compress: may },
        });
      }),
    );
  });

  it("is stable: what was read from a record is stored as it was", () => {
    fc.assert(
      fc.property(withOptions, (packet) => {
        const stored = toStored(packet);
        assert.equal(toStored(fromStored(stored)), stored);
      }),
    );
  });

  it("makes a payload of packets without encoding them again", () => {
    fc.assert(
      fc.property(fc.array(withOptions, { minLength: 1, maxLength: 6 }), (packets) => {
        const payload = joinPayload(packets.map(toStored).map(storedText));
        assert.equal(payload, joinPayload(packets.map(encodePacketText)));
      }),
    );
  });

  it("does not take a text that begins like the mark for the mark", () => {
    const stored = toStored({ type: "message", data: "~4x" });
    assert.equal(stored, "4~4x");
    assert.equal(mayCompress(stored), true);
    assert.equal(fromStored(stored).data, "~4x");
  });

  it("reads a record's text that is no packet as an error packet, without throwing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (given) => {
        assert.equal(typeof fromStored(given).type, "string");
      }),
    );
  });
});
