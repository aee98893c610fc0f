import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, Socket, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import type { Reader } from "../../../src/bus/frame";
import { readText } from "../../../src/hub/bytes";
import { Channel, CHANNEL_LIMITS, type ChannelOwner } from "../../../src/hub/channel";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

const TEXT = 7;

/** Takes messages of texts. */
class Texts implements ChannelOwner {
  readonly messages: string[][] = [];
  readonly closed: Promise<Error | undefined>;
  #arrived: (() => void) | undefined;
  #end: (reason: Error | undefined) => void = () => {};

  constructor() {
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  onMessage(message: Reader): string | undefined {
    const texts: string[] = [];
    while (!message.done) {
      if (message.byte() !== TEXT) return "not a text";
      texts.push(readText(message));
      if (message.failed) return "a text that cannot be read";
    }
    this.messages.push(texts);
    this.#arrived?.();
    return undefined;
  }

  onClosed(reason: Error | undefined): void {
    this.#end(reason);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition())
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
  }
}

function say(channel: Channel, text: string): boolean {
  channel.begin(TEXT).text(text);
  return channel.end();
}

describe("hub channel", () => {
  const directory = mkdtempSync(join(tmpdir(), "eio-channel-"));
  let server: Server;

  before(async () => {
    server = createServer({ pauseOnConnect: true }).listen(join(directory, "test.sock"));
    await once(server, "listening");
  });

  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  async function pair(): Promise<[Socket, Socket]> {
    const there = connect(join(directory, "test.sock"));
    const [here] = (await once(server, "connection")) as [Socket];
    return [here, there];
  }

  it("sends all of a tick as one message, in order", async () => {
    const [a, b] = await pair();
    const clock = new HandClock();
    const tick = new Tick(clock);
    const from = new Channel(a, tick, CHANNEL_LIMITS, new Texts());
    const texts = new Texts();
    new Channel(b, tick, CHANNEL_LIMITS, texts);
    for (const text of ["one", "two", "three"]) say(from, text);
    assert.equal(from.messagesOut, 0);
    clock.settle();
    say(from, "four");
    clock.settle();
    await texts.until(() => texts.messages.length === 2);
    assert.deepEqual(texts.messages, [["one", "two", "three"], ["four"]]);
    assert.equal(from.messagesOut, 2);
    from.destroy();
    assert.equal(await texts.closed, undefined);
  });

  it("drops an entry that was begun and not completed", async () => {
    const [a, b] = await pair();
    const clock = new HandClock();
    const tick = new Tick(clock);
    const from = new Channel(a, tick, CHANNEL_LIMITS, new Texts());
    const texts = new Texts();
    new Channel(b, tick, CHANNEL_LIMITS, texts);
    say(from, "one");
    assert.throws(() => from.begin(TEXT).varint(-1), RangeError);
    say(from, "two");
    from.begin(TEXT).text("never");
    clock.settle();
    await texts.until(() => texts.messages.length === 1);
    assert.deepEqual(texts.messages, [["one", "two"]]);
    from.destroy();
  });

  it("keeps messages below the limit, and refuses an entry beyond it", async () => {
    const [a, b] = await pair();
    const limits = { maxMessageBytes: 100, maxQueuedBytes: 10_000 };
    const clock = new HandClock();
    const tick = new Tick(clock);
    const from = new Channel(a, tick, limits, new Texts());
    const texts = new Texts();
    new Channel(b, tick, limits, texts);
    const sixty = "x".repeat(60);
    assert.equal(say(from, sixty), true);
    assert.equal(say(from, "y".repeat(200)), false);
    assert.equal(say(from, sixty), true);
    assert.equal(say(from, "z"), true);
    clock.settle();
    await texts.until(() => texts.messages.length === 2);
    assert.deepEqual(texts.messages, [[sixty], [sixty, "z"]]);
    from.destroy();
  });

  it("sends what was said before it finishes, however much that is", async () => {
    const [a, b] = await pair();
    const tick = new Tick(runtimeClock);
    const from = new Channel(a, tick, CHANNEL_LIMITS, new Texts());
    const texts = new Texts();
    new Channel(b, tick, CHANNEL_LIMITS, texts);
    const large = "é".repeat(100_000);
    for (let i = 0; i < 20; i++) say(from, `${large}${i}`);
    from.finish();
    assert.equal(say(from, "late"), false);
    assert.equal(await texts.closed, undefined);
    assert.deepEqual(
      texts.messages.flat(),
      Array.from({ length: 20 }, (_, i) => `${large}${i}`),
    );
  });

  it("closes when its peer leaves more unread than the limit", async () => {
    const [a, b] = await pair();
    // Paused: it never reads.
    a.pause();
    const owner = new Texts();
    const from = new Channel(b, new Tick(runtimeClock), { maxMessageBytes: 1e6, maxQueuedBytes: 1e6 }, owner);
    while (say(from, "x".repeat(500_000)));
    assert.match(String((await owner.closed)?.message), /^the peer does not read: \d+ bytes wait for it/);
    a.destroy();
  });

  it("takes the longest message while it is not crowded, and is not closed for it", async () => {
    const [a, b] = await pair();
    // Paused until all is said.
    a.pause();
    const owner = new Texts();
    const from = new Channel(b, new Tick(runtimeClock), CHANNEL_LIMITS, owner);
    // Of characters that take three bytes each: a turn can have ten million of them.
    const turn = "字".repeat(8_000_000);
    const longest = "x".repeat(CHANNEL_LIMITS.maxMessageBytes - 10);
    for (const text of [turn, turn, longest]) {
      assert.equal(from.crowded, false);
      assert.equal(say(from, text), true);
    }
    assert.equal(from.crowded, true);
    // What may not wait, as a lease.
    for (let n = 0; n < 100; n++) say(from, "x".repeat(1000));
    from.flush();
    assert.equal(from.open, true);
    const texts = new Texts();
    new Channel(a, new Tick(runtimeClock), CHANNEL_LIMITS, texts);
    a.resume();
    await texts.until(() => texts.messages.flat().length === 103);
    assert.deepEqual(
      texts.messages.flat().map((text) => text.length),
      [turn.length, turn.length, longest.length, ...new Array<number>(100).fill(1000)],
    );
    from.destroy();
    assert.equal(await owner.closed, undefined);
  });

  it("puts messages together again however the stream cuts them", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.string({ maxLength: 20 }))),
        fc.array(fc.integer({ min: 1, max: 30 })),
        (messages, cuts) => {
          const texts = new Texts();
          const socket = new Socket();
          new Channel(socket, new Tick(new HandClock()), CHANNEL_LIMITS, texts);
          let rest: Buffer = Buffer.concat(messages.map(encoded));
          for (const cut of [...cuts, rest.length]) {
            if (rest.length > 0) socket.emit("data", rest.subarray(0, cut));
            rest = rest.subarray(cut);
          }
          if (rest.length > 0) socket.emit("data", rest);
          assert.deepEqual(texts.messages, messages);
          socket.destroy();
        },
      ),
    );
  });

  it("never throws on foreign bytes, and closes with the reason", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 100 }), { minLength: 1 }), async (chunks) => {
        const texts = new Texts();
        const socket = new Socket();
        const channel = new Channel(socket, new Tick(new HandClock()), CHANNEL_LIMITS, texts, 50);
        for (const chunk of chunks) if (channel.open) socket.emit("data", Buffer.from(chunk));
        const wasOpen = channel.open;
        channel.destroy();
        const reason = await texts.closed;
        assert.equal(reason === undefined, wasOpen);
      }),
    );
  });

  it("names the limit that a message is over", async () => {
    const texts = new Texts();
    const socket = new Socket();
    new Channel(socket, new Tick(new HandClock()), CHANNEL_LIMITS, texts, 50);
    socket.emit("data", Buffer.from("GET / HTTP/1.1\r\n\r\n"));
    assert.match(String((await texts.closed)?.message), /^a message of \d+ bytes, where 50 is the limit$/);
  });
});

function encoded(texts: readonly string[]): Buffer {
  const body = Buffer.concat(
    texts.map((text) => Buffer.concat([Buffer.from([TEXT, 2 * Buffer.byteLength(text)]), Buffer.from(text)])),
  );
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([length, body]);
}
