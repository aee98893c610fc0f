import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Reader } from "../../../src/bus/frame";
import { ByteWriter } from "../../../src/hub/bytes";
import { NodeNames, readHello, writeHello } from "../../../src/hub/entries";
import {
  readCommit,
  readOpening,
  readRecord,
  writeCommit,
  writeOpening,
  writeRecord,
} from "../../../src/hub/operations";
import * as results from "../../../src/hub/results";
import type { Commit, Opening, SessionRecord } from "../../../src/store/port";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 80 }),
  // Lone surrogates included.
  fc.array(fc.nat({ max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
);
const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const protocol = fc.constantFrom<3 | 4>(3, 4);
const transport = fc.constantFrom<"polling" | "websocket">("polling", "websocket");
const phase = fc.constantFrom<"open" | "closing" | "closed">("open", "closing", "closed");
const inflight = fc.option(fc.record({ t: text, upTo: whole }), { nil: null });

const opening: fc.Arbitrary<Opening> = fc.record({ sid: text, node: text, protocol, transport, handshake: text });
const commit: fc.Arbitrary<Commit> = fc.record(
  {
    sid: text,
    node: fc.constantFrom("a", "b", "ü"),
    turn: whole,
    acked: whole,
    inflight,
    packets: fc.array(text),
    posts: fc.array(text),
    keep: whole,
    refresh: fc.boolean(),
    transport,
    data: text,
    phase,
  },
  { requiredKeys: ["sid", "node", "turn", "acked", "inflight", "packets", "posts", "keep", "refresh"] },
);
const record: fc.Arbitrary<SessionRecord> = fc.record({
  owner: text,
  turn: whole,
  protocol,
  transport,
  phase,
  acked: whole,
  packets: fc.array(text),
  inflight,
  answered: fc.array(text),
  handled: fc.array(text),
  handshake: text,
  data: text,
});

/** A result of each operation, with the pair that carries it. */
const outcome = fc.oneof(
  fc.constantFrom(...(["ok", "behind", "overflow", "unknown", "away"] as const)).map((kind) => ({ kind })),
  fc.record({ kind: fc.constant("fenced" as const), owner: text, turn: whole }),
);
const found = fc.record({ kind: fc.constant("found" as const), owner: text, turn: whole, protocol, transport, phase });
const claimed = fc.oneof(
  record.map((taken) => ({ kind: "ok" as const, record: taken })),
  fc.record({ kind: fc.constant("no" as const), owner: text, turn: whole }),
  fc.constantFrom({ kind: "unknown" as const }, { kind: "away" as const }),
);
const lease = fc.record({
  kind: fc.constant("ok" as const),
  nodes: fc.array(fc.record({ node: text, incarnation: whole })),
});
const renewed = fc.record({ kind: fc.constant("ok" as const), lost: fc.array(text) });
const slice = fc.record({ kind: fc.constant("ok" as const), cursor: text, sids: fc.array(text) });

function roundTrip<T>(
  value: fc.Arbitrary<T>,
  write: (out: ByteWriter, value: T) => void,
  read: (reader: Reader) => unknown,
): void {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 5 }), (values) => {
      const out = new ByteWriter(16);
      for (const one of values) write(out, one);
      const reader = new Reader(out.take());
      // Cloned, since the made-up values have no prototype.
      for (const one of values) assert.deepEqual(structuredClone(read(reader)), structuredClone(one));
      assert.equal(reader.failed, false);
      assert.equal(reader.done, true);
    }),
  );
}

const READERS: readonly ((reader: Reader) => unknown)[] = [
  (reader) => readOpening(reader, new NodeNames()),
  (reader) => readCommit(reader, new NodeNames()),
  readRecord,
  readHello,
  results.readCommitResult,
  results.readOpenResult,
  results.readLookResult,
  results.readClaimResult,
  results.readRestoreResult,
  results.readRenewResult,
  results.readLeaseResult,
  results.readSliceResult,
];

describe("hub codec", () => {
  it("reads back the operations that it wrote", () => {
    const wrote = new NodeNames();
    const read = new NodeNames();
    roundTrip(
      commit,
      (out, value) => {
        writeCommit(out, wrote, value);
        wrote.sent(value.node);
      },
      (reader) => readCommit(reader, read),
    );
    roundTrip(
      opening,
      (out, value) => writeOpening(out, new NodeNames(), value),
      (reader) => readOpening(reader, new NodeNames()),
    );
    roundTrip(record, writeRecord, readRecord);
  });

  it("reads back the results that it wrote", () => {
    roundTrip(outcome, results.writeOutcome, results.readCommitResult);
    roundTrip(found, results.writeLookResult, results.readLookResult);
    roundTrip(claimed, results.writeClaimResult, results.readClaimResult);
    roundTrip(lease, results.writeLeaseResult, results.readLeaseResult);
    roundTrip(renewed, results.writeRenewResult, results.readRenewResult);
    roundTrip(slice, results.writeSliceResult, results.readSliceResult);
  });

  it("does not send the name of a node again", () => {
    const names = new NodeNames();
    const out = new ByteWriter();
    names.write(out, "a-node-with-a-name");
    names.sent("a-node-with-a-name");
    const first = out.length;
    names.write(out, "a-node-with-a-name");
    assert.equal(out.length, first + 1);
  });

  it("never throws on other bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const read of READERS) read(new Reader(Buffer.from(bytes)));
      }),
      { numRuns: 500 },
    );
  });

  it("never throws on its own bytes with some of them changed, cut or doubled", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.nat(), way: fc.nat({ max: 2 }) });
    fc.assert(
      fc.property(commit, record, fc.array(change, { minLength: 1, maxLength: 4 }), (oneCommit, oneRecord, changes) => {
        const out = new ByteWriter();
        writeCommit(out, new NodeNames(), oneCommit);
        const commitBytes = out.take();
        writeRecord(out, oneRecord);
        for (const original of [commitBytes, out.take()]) {
          const bytes = changes.reduce((now, { at, to, cut, way }) => {
            if (way === 0 && now.length > 0) now[at % now.length] = to;
            return way === 1 ? now.subarray(0, cut % (now.length + 1)) : way === 2 ? Buffer.concat([now, now]) : now;
          }, Buffer.from(original));
          for (const read of READERS) read(new Reader(bytes));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("refuses to write what is not a whole number", () => {
    const out = new ByteWriter();
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53]) assert.throws(() => out.varint(value), RangeError);
  });

  it("tells a hello of another version from foreign bytes", () => {
    const out = new ByteWriter();
    out.byte(1);
    writeHello(out, "token");
    const bytes = out.take();
    assert.deepEqual(readHello(new Reader(Buffer.from(bytes))), { kind: "hello", token: "token" });
    const version = bytes.length - 1 - "token".length - 1;
    bytes[version] = 99;
    assert.deepEqual(readHello(new Reader(bytes)), { kind: "version", version: 99 });
    assert.deepEqual(readHello(new Reader(Buffer.from("GET / HTTP/1.1\r\n\r\n"))), { kind: "foreign" });
  });
});
