import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { FrameWriter, Reader, readFrames, varint, type Frame } from "../../../src/bus/frame";
import { MessageCodec } from "../../../src/bus/message";

const text = fc.string({ unit: "binary", maxLength: 40 });
const bytes = fc.uint8Array({ maxLength: 300 });
const frame: fc.Arbitrary<Frame> = fc.record({
  kind: fc.nat(255),
  sid: text,
  t: text,
  n: fc.oneof(
    fc.maxSafeNat(),
    fc.nat(300),
    fc.constantFrom(0, 127, 128, 16383, 16384, 2 ** 32, Number.MAX_SAFE_INTEGER),
  ),
  body: fc.oneof(text, bytes),
});

function write(frames: readonly Frame[], writer = new FrameWriter(16)): Buffer {
  for (const each of frames) writer.write(each);
  return writer.take();
}

/** Bodies of bytes as Buffers, so that frames can be compared whatever kind of view they hold. */
function plain(frames: readonly Frame[] | undefined): unknown {
  return frames?.map((each) => ({ ...each, body: typeof each.body === "string" ? each.body : Buffer.from(each.body) }));
}

describe("frames", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
        assert.deepEqual(plain(readFrames(write(frames))), plain(frames));
      }),
    );
  });

  it("are read as text or as bytes, as they were given", () => {
    const [asText, asBytes] =
      readFrames(
        write([
          { kind: 0, sid: "", t: "", n: 0, body: "é" },
          { kind: 0, sid: "", t: "", n: 0, body: Buffer.from("é") },
        ]),
      ) ?? [];
    assert.equal(asText?.body, "é");
    assert.deepEqual(asBytes?.body, Buffer.from("é"));
  });

  it("hold views, not copies", () => {
    const written = write([{ kind: 0, sid: "", t: "", n: 0, body: Uint8Array.of(1, 2, 3) }]);
    const body = readFrames(written)?.[0]?.body as Buffer;
    assert.equal(body.buffer, written.buffer);
  });

  it("make one unpaired surrogate U+FFFD, and leave the rest alone", () => {
    const [read] = readFrames(write([{ kind: 1, sid: "a\ud800b", t: "", n: 0, body: "\udc00!" }])) ?? [];
    assert.equal(read?.sid, "a\ufffdb");
    assert.equal(read.body, "\ufffd!");
  });

  it("of many megabytes are carried, in a writer that gives the memory back", () => {
    const body = Buffer.alloc(20_000_000, "0123456789");
    const writer = new FrameWriter();
    const [read] = readFrames(write([{ kind: 1, sid: "s", t: "t", n: 1, body }], writer)) ?? [];
    assert.ok(body.equals(read?.body as Buffer));
    writer.discard(writer.length);
    assert.equal(writer.length, 0);
    assert.deepEqual(readFrames(write([{ kind: 1, sid: "s", t: "t", n: 1, body: "x" }], writer))?.length, 1);
  });

  it("are never made of any other bytes by throwing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (any) => {
        readFrames(Buffer.from(any));
      }),
      { numRuns: 2000 },
    );
  });

  it("with bytes changed, cut off or put in are read or refused, never thrown over, and never reach beyond the bytes", () => {
    const mutation = fc.record({ at: fc.nat(), cut: fc.nat(3), put: fc.uint8Array({ maxLength: 3 }) });
    fc.assert(
      fc.property(
        fc.array(frame, { minLength: 1, maxLength: 5 }),
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        (frames, mutations) => {
          let written = write(frames);
          for (const { at, cut, put } of mutations) {
            const from = at % (written.length + 1);
            written = Buffer.concat([written.subarray(0, from), put, written.subarray(from + cut)]);
          }
          let total = 0;
          for (const { body } of readFrames(written) ?? []) if (typeof body !== "string") total += body.length;
          assert.ok(total <= written.length);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("cut off anywhere but between two frames are refused as a whole", () => {
    fc.assert(
      fc.property(frame, frame, (first, second) => {
        const one = write([first]).length;
        const both = write([first, second]);
        for (let length = 1; length < both.length; length++) {
          const read = readFrames(both.subarray(0, length));
          if (length === one) assert.equal(read?.length, 1);
          else assert.equal(read, undefined);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("frame writer", () => {
  it("takes away newest and oldest bytes", () => {
    fc.assert(
      fc.property(frame, frame, frame, (first, second, third) => {
        const writer = new FrameWriter(16);
        writer.write(first);
        const afterFirst = writer.length;
        writer.write(second);
        const afterSecond = writer.length;
        writer.write(third);
        writer.truncate(afterSecond);
        assert.deepEqual(plain(readFrames(Buffer.from(writer.view()))), plain([first, second]));
        writer.discard(afterFirst);
        assert.deepEqual(plain(readFrames(writer.take())), plain([second]));
        assert.equal(writer.length, 0);
      }),
    );
  });
});

describe("varint", () => {
  it("is exact up to 2^53-1, and refused beyond", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (value) => {
        const buffer = Buffer.alloc(8);
        const end = varint(buffer, 0, value);
        const reader = new Reader(buffer.subarray(0, end));
        assert.equal(reader.varint(), value);
        assert.ok(reader.done && !reader.failed);
      }),
    );
    for (const bad of [
      [],
      [0x80],
      Array<number>(8).fill(0xff),
      Array<number>(9).fill(0x80),
      [...Array<number>(7).fill(0xff), 0x7f],
    ]) {
      const reader = new Reader(Buffer.from(bad));
      reader.varint();
      assert.ok(reader.failed, String(bad));
    }
  });
});

describe("messages", () => {
  const position = fc.record({
    link: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    missed: fc.maxSafeNat(),
  });
  const name = fc.string({ unit: "binary", minLength: 1, maxLength: 30 });
  const secret = fc.array(fc.string({ minLength: 1 }), { maxLength: 2 });

  it("of frames are read as they were written, within the overhead that was promised", () => {
    fc.assert(
      fc.property(
        name,
        name,
        secret,
        fc.maxSafeNat(),
        position,
        fc.boolean(),
        fc.boolean(),
        bytes,
        (from, to, key, incarnation, at, continued, more, payload) => {
          const sender = new MessageCodec(from, key);
          sender.begin(incarnation);
          const message = sender.frames(to, at, continued, more, payload);
          assert.ok(message.length <= sender.overhead + payload.length);
          const read = new MessageCodec(to, key).read(message);
          assert.deepEqual(read, {
            beat: false,
            from,
            incarnation,
            ...at,
            continued,
            more,
            payload: Buffer.from(payload),
          });
        },
      ),
    );
  });

  it("of beats tell each peer its own position, within the limit", () => {
    fc.assert(
      fc.property(
        name,
        secret,
        fc.dictionary(name, position, { maxKeys: 30 }),
        fc.integer({ min: 250, max: 2000 }),
        fc.boolean(),
        (from, key, peers, limit, storeless) => {
          const sender = new MessageCodec(from, key);
          sender.begin(3);
          const entries = Object.entries(peers).map(([peer, at]) => [peer, { ...at }] as const);
          const messages = sender.beats(entries, limit, storeless);
          assert.ok(messages.length > 0 && messages.every(({ length }) => length <= limit));
          for (const [peer, at] of entries) {
            const codec = new MessageCodec(peer, key);
            const read = messages.map((message) => codec.read(message));
            assert.ok(
              read.every(
                (each) =>
                  typeof each === "object" &&
                  each.beat &&
                  each.from === from &&
                  each.incarnation === 3 &&
                  each.storeless === storeless,
              ),
            );
            assert.deepEqual(
              read.flatMap((each) => (typeof each === "object" && each.beat && each.position ? [each.position] : [])),
              [at],
            );
          }
        },
      ),
    );
  });

  it("of any bytes are refused or read, never thrown over", () => {
    const head = fc.tuple(fc.constantFrom(0, 1, 2, 255), fc.nat(255));
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 100 }), secret, (start, rest, key) => {
        new MessageCodec("me", key).read(Uint8Array.of(...start, ...rest));
      }),
      { numRuns: 3000 },
    );
  });
});
