import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { encodingOf } from "../../../src/protocol/encoding";
import { AnswerCode } from "../../../src/session/answers";
import { Outbox } from "../../../src/session/outbox";
import type { SessionRecord } from "../../../src/store/port";

const ENCODING = encodingOf(4, false);

function record(part: Pick<SessionRecord, "acked" | "packets" | "inflight">): SessionRecord {
  return {
    ...part,
    owner: "a",
    turn: 7,
    protocol: 4,
    transport: "polling",
    phase: "open",
    answered: [],
    handled: [],
    handshake: "{}",
    data: "",
  };
}

function filled(...packets: string[]): Outbox {
  const outbox = new Outbox();
  for (const packet of packets) outbox.push(packet);
  return outbox;
}

describe("Outbox", () => {
  it("gives all that waits to the poll that takes it, and the same again", () => {
    const outbox = filled("4a", "~4b");
    outbox.take("t1");
    assert.deepEqual(outbox.inflight, { t: "t1", upTo: 2 });
    assert.equal(outbox.waiting, 0);
    outbox.push("4c");
    const answer = { code: AnswerCode.Packets, body: "4a\x1e4b", compress: true };
    assert.deepEqual(outbox.answer(ENCODING), answer);
    assert.deepEqual(outbox.answer(ENCODING), answer);
  });

  it("asks for compression where one packet may have it", () => {
    const none = filled("~4a", "~4b");
    none.take("t");
    assert.equal(none.answer(ENCODING).compress, false);
  });

  it("drops what was in flight when that has arrived, and numbers on", () => {
    const outbox = filled("4a", "4b");
    outbox.take("t1");
    outbox.push("4c");
    assert.equal(outbox.arrived(), "t1");
    assert.deepEqual([outbox.acked, outbox.tail, outbox.inflight], [2, 3, null]);
    assert.equal(outbox.arrived(), undefined);
    outbox.take("t2");
    assert.deepEqual(outbox.inflight, { t: "t2", upTo: 3 });
  });

  it("names what the record does not have, taken or not", () => {
    const outbox = filled("4a");
    outbox.committed(1);
    outbox.push("4b");
    outbox.take("t");
    outbox.push("4c");
    assert.deepEqual(outbox.unrecorded(), ["4b", "4c"]);
    outbox.committed(2);
    assert.deepEqual(outbox.unrecorded(), ["4c"]);
    outbox.committed(3);
    assert.deepEqual(outbox.unrecorded(), []);
  });

  it("takes a take back, in order", () => {
    const outbox = filled("4a");
    outbox.take("t");
    outbox.push("4b");
    outbox.untake();
    assert.deepEqual([outbox.waitingPackets, outbox.inflight, outbox.tail], [["4a", "4b"], null, 2]);
  });

  it("gives up what no record has, and nothing else", () => {
    const outbox = filled("4a");
    outbox.committed(1);
    outbox.push("4b");
    outbox.push("4c");
    outbox.dropUnrecorded();
    assert.deepEqual(outbox.waitingPackets, ["4a"]);
    outbox.dropUnrecorded();
    assert.deepEqual(outbox.waitingPackets, ["4a"]);
  });

  it("goes on from a record with the same answer to the same poll", () => {
    const outbox = Outbox.fromRecord(record({ acked: 5, packets: ["4f", "4g", "4h"], inflight: { t: "t9", upTo: 7 } }));
    assert.equal(outbox.answer(ENCODING).body, "4f\x1e4g");
    assert.deepEqual(outbox.waitingPackets, ["4h"]);
    assert.deepEqual([outbox.tail, outbox.recorded, outbox.unrecorded()], [8, 8, []]);
    const none = Outbox.fromRecord(record({ acked: 5, packets: ["4f"], inflight: null }));
    assert.deepEqual([none.waiting, none.answer(ENCODING).body], [1, ""]);
  });

  it("says of itself what a record would hold before the turn that is under way", () => {
    const outbox = filled("4a", "4b");
    outbox.committed(2);
    outbox.push("4c");
    assert.deepEqual(outbox.recordedPart(false), { acked: 0, packets: ["4a", "4b"], inflight: null });
    outbox.take("t");
    assert.deepEqual(outbox.recordedPart(true), { acked: 0, packets: ["4a", "4b"], inflight: null });
    outbox.committed(3);
    assert.deepEqual(outbox.recordedPart(false), {
      acked: 0,
      packets: ["4a", "4b", "4c"],
      inflight: { t: "t", upTo: 3 },
    });
  });

  it("delivers every packet once and in order, whatever happens in between", () => {
    const step = fc.constantFrom("push", "poll", "commit", "move" as const);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let outbox = new Outbox();
        const sent: string[] = [];
        const delivered: string[] = [];
        let polls = 0;
        for (const one of steps) {
          if (one === "push") {
            sent.push(`4${String(sent.length)}`);
            outbox.push(sent.at(-1) ?? "");
          } else if (one === "poll") {
            outbox.arrived();
            if (outbox.waiting === 0) continue;
            outbox.take(`t${String(++polls)}`);
            outbox.committed(outbox.tail);
            delivered.push(...String(outbox.answer(ENCODING).body).split("\x1e"));
          } else if (one === "commit") {
            outbox.committed(outbox.tail);
          } else {
            outbox.committed(outbox.tail);
            outbox = Outbox.fromRecord(record(outbox.recordedPart(false)));
          }
          assert.ok(outbox.acked <= outbox.recorded && outbox.recorded <= outbox.tail);
        }
        outbox.arrived();
        outbox.take("last");
        if (outbox.answer(ENCODING).body !== "") delivered.push(...String(outbox.answer(ENCODING).body).split("\x1e"));
        assert.deepEqual(delivered, sent);
      }),
    );
  });
});
