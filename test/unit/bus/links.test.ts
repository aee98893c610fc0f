import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { Links, type LinksOptions } from "../../../src/bus/links";
import { MemoryMedium, type MemoryBus } from "../../../src/bus/memory/memory-bus";
import { MessageCodec } from "../../../src/bus/message";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

type Event = readonly ["frame" | "loss" | "silent", string];

interface Node {
  readonly links: Links;
  readonly bus: MemoryBus;
  readonly frames: Frame[];
  readonly events: Event[];
  readonly beats: (readonly [string, number])[];
  losses(): number;
}

type Overrides = Partial<Pick<LinksOptions, "secret" | "maxFrameBytes" | "beatInterval">>;

class World {
  readonly clock = new HandClock();
  readonly medium: MemoryMedium;
  onFrame: (() => void) | undefined;

  constructor(maxMessageBytes = 4096) {
    this.medium = new MemoryMedium(this.clock, { maxMessageBytes });
  }

  async node(name: string, incarnation = 1, options: Overrides = {}): Promise<Node> {
    const bus = this.medium.bus();
    const frames: Frame[] = [];
    const events: Event[] = [];
    const beats: (readonly [string, number])[] = [];
    const links = new Links({
      bus,
      node: name,
      clock: this.clock,
      tick: new Tick(this.clock),
      ...options,
      handler: {
        onFrame: (from, frame) => {
          events.push(["frame", from]);
          frames.push(frame);
          this.onFrame?.();
        },
        onLoss: (peer) => events.push(["loss", peer]),
        onNoResponder: (peer) => events.push(["silent", peer]),
        onBeat: (peer, incarnation) => beats.push([peer, incarnation]),
      },
    });
    await links.start(incarnation);
    return { links, bus, frames, events, beats, losses: () => events.filter(([what]) => what === "loss").length };
  }

  async pair(options: Overrides = {}): Promise<[Node, Node]> {
    return [await this.node("a", 1, options), await this.node("b", 1, options)];
  }

  /** The next message between the two is lost. */
  loseNext(from: string, to: string): void {
    this.medium.intercept = (sender, receiver) => {
      if (sender !== from || receiver !== to) return undefined;
      this.medium.intercept = undefined;
      return "drop";
    };
  }
}

function frame(n: number, body: string | Uint8Array = ""): Frame {
  return { kind: 1, sid: "sid", t: "t", n, body };
}

/** The next uncaught exception, which the test runner does not get to see. */
function nextUncaught(): Promise<unknown> {
  const others = process.rawListeners("uncaughtException") as ((error: Error) => void)[];
  process.removeAllListeners("uncaughtException");
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      for (const listener of others) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
}

/** Sends one frame and lets it arrive. */
function say(world: World, from: Node, to: string, n = 0): void {
  from.links.send(to, frame(n));
  world.clock.settle();
}

describe("links: frames", () => {
  it("sends the frames of one tick to one node as one message, in order", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 10; n++) a.links.send("b", frame(n));
    world.clock.settle();
    assert.equal(a.links.stats.messagesSent, 1);
    assert.equal(a.links.stats.framesSent, 10);
    assert.equal(b.links.stats.messagesReceived, 1);
    assert.equal(b.links.stats.framesReceived, 10);
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    );
    assert.equal(a.losses() + b.losses(), 0);
  });

  it("sends one message to each node", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const c = await world.node("c");
    for (let n = 0; n < 3; n++) {
      a.links.send("b", frame(n));
      a.links.send("c", frame(n));
    }
    world.clock.settle();
    assert.equal(a.links.stats.messagesSent, 2);
    assert.equal(b.frames.length + c.frames.length, 6);
  });

  it("reaches itself", async () => {
    const world = new World();
    const a = await world.node("a");
    for (let n = 0; n < 3; n++) say(world, a, "a", n);
    assert.deepEqual(a.events, [["frame", "a"], ["frame", "a"], ["frame", "a"]]);
  });

  it("cuts between frames where they do not fit into one message", async () => {
    const world = new World(512);
    const [a, b] = await world.pair();
    for (let n = 0; n < 20; n++) a.links.send("b", frame(n, "x".repeat(100)));
    world.clock.settle();
    assert.deepEqual(b.frames.map(({ n }) => n), Array.from({ length: 20 }, (_, n) => n));
    assert.ok(a.links.stats.messagesSent >= 4 && a.links.stats.messagesSent <= 7);
    assert.equal(b.losses(), 0);
  });

  it("carries a frame that is larger than a message, between small ones", async () => {
    const world = new World(256);
    const [a, b] = await world.pair();
    const body = Buffer.alloc(100_000, "0123456789");
    a.links.send("b", frame(1));
    a.links.send("b", frame(2, body));
    a.links.send("b", frame(3));
    world.clock.settle();
    assert.deepEqual(b.frames.map(({ n }) => n), [1, 2, 3]);
    assert.ok(b.frames[1] !== undefined && body.equals(b.frames[1].body as Buffer));
  });

  it("drops a half frame when a piece of it is lost, says so, and reads the next ones", async () => {
    for (const lost of [0, 1, 5]) {
      const world = new World(256);
      const [a, b] = await world.pair();
      let count = 0;
      world.medium.intercept = () => (count++ === lost ? "drop" : undefined);
      a.links.send("b", frame(1, "x".repeat(2000)));
      world.clock.settle();
      world.medium.intercept = undefined;
      a.links.send("b", frame(2));
      world.clock.settle();
      assert.deepEqual(b.events, [["loss", "a"], ["frame", "a"]], `piece ${lost}`);
      assert.equal(b.frames[0]?.n, 2);
    }
  });

  it("drops a half frame when its last piece is lost", async () => {
    const world = new World(256);
    const [a, b] = await world.pair();
    let count = 0;
    world.medium.intercept = () => (count++ >= 2 ? "drop" : undefined);
    a.links.send("b", frame(1, "x".repeat(500)));
    world.clock.settle();
    assert.ok(count > 2);
    world.medium.intercept = undefined;
    say(world, a, "b", 2);
    assert.deepEqual(b.frames.map(({ n }) => n), [2]);
    assert.equal(b.losses(), 1);
  });

  it("refuses a frame over the limit, and takes none from others", async () => {
    const world = new World(256);
    const a = await world.node("a");
    const b = await world.node("b", 1, { maxFrameBytes: 1000 });
    assert.equal(b.links.send("a", frame(1, "x".repeat(1001))), false);
    assert.equal(b.links.send("a", frame(1, "x".repeat(990))), false);
    assert.equal(b.links.stats.rejected, 2);
    assert.equal(b.links.send("a", frame(2, "x".repeat(900))), true);
    a.links.send("b", frame(3, "x".repeat(5000)));
    a.links.send("b", frame(4));
    world.clock.settle();
    assert.deepEqual(a.frames.map(({ n }) => n), [2]);
    assert.deepEqual(b.frames.map(({ n }) => n), [4]);
    assert.equal(b.links.stats.rejected, 3);
    assert.equal(b.losses(), 1);
  });

  it("takes many small frames in one message though together they are over the limit of one", async () => {
    const world = new World(4096);
    const [a, b] = await world.pair({ maxFrameBytes: 300 });
    for (let n = 0; n < 10; n++) a.links.send("b", frame(n, "x".repeat(200)));
    world.clock.settle();
    assert.equal(a.links.stats.messagesSent, 1);
    assert.equal(b.frames.length, 10);
  });

  it("delivers the frames behind one whose handler throws, and reports the error as uncaught", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const uncaught = nextUncaught();
    world.onFrame = () => {
      world.onFrame = undefined;
      throw new Error("from a handler");
    };
    a.links.send("b", frame(1));
    a.links.send("b", frame(2));
    world.clock.settle();
    assert.equal(b.frames.length, 2);
    assert.match(String(await uncaught), /from a handler/);
  });

  it("tells of nobody listening", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "nobody");
    world.medium.kill(b.bus);
    say(world, a, "b");
    assert.deepEqual(a.events, [["silent", "nobody"], ["silent", "b"]]);
  });
});

describe("links: losses", () => {
  it("tells both ends of a gap, before the frames behind it", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "b", 1);
    world.loseNext("a", "b");
    say(world, a, "b", 2);
    say(world, a, "b", 3);
    assert.deepEqual(b.events, [["frame", "a"], ["loss", "a"], ["frame", "a"]]);
    assert.deepEqual(a.events, []);
    // The next message of b carries it.
    say(world, b, "a", 4);
    assert.deepEqual(a.events, [["loss", "b"], ["frame", "b"]]);
    world.clock.advance(5000);
    assert.equal(a.losses(), 1);
    assert.equal(b.losses(), 1);
  });

  it("tells the sender by a beat where the receiver has nothing to send", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.loseNext("a", "b");
    say(world, a, "b", 1);
    say(world, a, "b", 2);
    assert.equal(b.losses(), 1);
    world.clock.advance(500);
    assert.equal(a.losses(), 1);
  });

  it("takes a first message with a higher number for a loss", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.loseNext("a", "b");
    say(world, a, "b", 1);
    say(world, a, "b", 2);
    assert.deepEqual(b.events, [["loss", "a"], ["frame", "a"]]);
  });

  it("notices the loss of the last message by the second beat that speaks of it, at both ends", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.loseNext("a", "b");
    say(world, a, "b", 1);
    world.clock.advance(500);
    assert.equal(b.losses(), 0);
    world.clock.advance(1000);
    assert.equal(b.losses(), 1);
    assert.equal(a.losses(), 1);
    world.clock.advance(10_000);
    assert.equal(b.losses(), 1);
    assert.equal(a.losses(), 1);
    say(world, a, "b", 2);
    assert.deepEqual(b.events.at(-1), ["frame", "a"]);
    assert.equal(b.losses(), 1);
  });

  it("makes no loss of a message that a beat overtook, nor of one that is sent between two beats", async () => {
    const codec = new MessageCodec("a", undefined);
    codec.begin(1);
    const world = new World();
    const b = await world.node("b");
    const message = (number: number): Buffer => codec.frames("b", { link: 1, number, missed: 0 }, false, false, new Uint8Array());
    const beat = (number: number): void => {
      for (const bytes of codec.beats([["b", { link: 1, number, missed: 0 }]], 1000)) b.links.onMessage(bytes);
    };
    b.links.onMessage(message(1));
    beat(3);
    b.links.onMessage(message(2));
    b.links.onMessage(message(3));
    beat(4);
    b.links.onMessage(message(4));
    beat(4);
    assert.equal(b.losses(), 0);
    // Given up by the second beat, it is old when it comes after all.
    beat(6);
    beat(7);
    assert.equal(b.losses(), 1);
    b.links.onMessage(message(6));
    assert.equal(b.links.stats.old, 1);
    b.links.onMessage(message(7));
    assert.equal(b.losses(), 1);
  });

  it("ignores duplicates", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const seen: Uint8Array[] = [];
    world.medium.intercept = (_from, _to, message) => {
      seen.push(message);
      return undefined;
    };
    say(world, a, "b", 1);
    say(world, a, "b", 2);
    for (const message of seen) b.links.onMessage(message);
    assert.deepEqual(b.frames.map(({ n }) => n), [1, 2]);
    assert.equal(b.links.stats.old, 2);
    assert.equal(b.losses(), 0);
  });

  it("makes no losses of late messages, nor of ten thousand good ones with beats between them", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    let n = 0;
    world.medium.intercept = () => (n++ * 7919) % 400;
    for (let i = 0; i < 10_000; i++) {
      a.links.send("b", frame(i));
      if (i % 3 === 0) b.links.send("a", frame(i));
      world.clock.advance(3);
    }
    world.clock.advance(5000);
    assert.equal(b.frames.length, 10_000);
    assert.ok(b.frames.every((each, i) => each.n === i));
    assert.equal(a.losses() + b.losses(), 0);
  });

  it("tells of a loss at a reconnect, to itself at once and to the peer by what is missing", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const c = await world.node("c");
    say(world, a, "b", 1);
    world.medium.cut(b.bus);
    world.clock.advance(2000);
    say(world, a, "b", 2);
    b.links.send("a", frame(3));
    world.clock.settle();
    world.medium.heal(b.bus);
    assert.equal(b.losses(), 1);
    world.clock.advance(2000);
    assert.ok(a.losses() >= 1);
    say(world, b, "a", 4);
    assert.deepEqual(a.frames.map(({ n }) => n), [4]);
    assert.deepEqual(c.events, []);
  });
});

describe("links: beginnings and ends", () => {
  it("starts over with a new incarnation of the peer, and tells both of it", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 5; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    b.links.reset(2);
    world.clock.settle();
    assert.ok(b.losses() >= 1);
    assert.ok(a.losses() >= 1);
    world.clock.advance(2000);
    const losses = a.losses() + b.losses();
    for (let n = 5; n < 10; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    world.clock.advance(2000);
    assert.equal(a.frames.length, 10);
    assert.equal(b.frames.length, 10);
    assert.equal(a.losses() + b.losses(), losses);
    assert.deepEqual(a.beats.at(-1), ["b", 2]);
  });

  it("starts over when both begin a new incarnation with messages under way", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 5; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    world.medium.intercept = () => 50;
    a.links.send("b", frame(100));
    b.links.send("a", frame(100));
    world.clock.settle();
    a.links.reset(2);
    b.links.reset(2);
    a.links.send("b", frame(101));
    b.links.send("a", frame(101));
    world.clock.advance(3000);
    const losses = a.losses() + b.losses();
    assert.ok(a.losses() >= 1 && b.losses() >= 1);
    say(world, a, "b", 102);
    say(world, b, "a", 102);
    world.clock.advance(3000);
    assert.equal(a.frames.at(-1)?.n, 102);
    assert.equal(b.frames.at(-1)?.n, 102);
    assert.equal(a.losses() + b.losses(), losses);
  });

  it("ignores what an earlier incarnation sent", async () => {
    const world = new World();
    const b = await world.node("b");
    const codec = new MessageCodec("a", undefined);
    const send = (incarnation: number, link: number): void => {
      codec.begin(incarnation);
      b.links.onMessage(codec.frames("b", { link, number: 1, missed: 0 }, false, false, new Uint8Array()));
    };
    send(2, 2);
    send(1, 1);
    assert.equal(b.links.stats.old, 1);
    assert.equal(b.losses(), 0);
    send(3, 3);
    assert.equal(b.losses(), 1);
  });

  it("links up again with a node that one of them forgot by mistake, and tells both", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 5; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    a.links.forget("b");
    assert.equal(a.links.lastHeard("b"), undefined);
    // Nothing but beats: b holds something that a no longer knows of.
    world.clock.advance(3000);
    assert.ok(a.losses() >= 1 && b.losses() >= 1);
    const losses = a.losses() + b.losses();
    say(world, a, "b", 5);
    say(world, b, "a", 5);
    world.clock.advance(3000);
    assert.equal(a.frames.length, 6);
    assert.equal(b.frames.length, 6);
    assert.equal(a.losses() + b.losses(), losses);
  });

  it("is heard again at once when it sends after having forgotten", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 5; n++) say(world, a, "b", n);
    a.links.forget("b");
    say(world, a, "b", 5);
    assert.equal(b.frames.length, 6);
    assert.equal(b.losses(), 1);
  });

  it("sends nothing more that was collected for a forgotten node", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    a.links.send("b", frame(1));
    a.links.forget("b");
    world.clock.settle();
    assert.equal(b.frames.length, 0);
  });

  it("hears beats of nodes without traffic, and says when", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    assert.equal(a.links.lastHeard("b"), undefined);
    world.clock.advance(1000);
    const heard = a.links.lastHeard("b");
    assert.ok(heard !== undefined && world.clock.now() - heard <= 500);
    assert.ok(a.beats.length >= 2 && a.beats.every(([peer, incarnation]) => peer === "b" && incarnation === 1));
    world.medium.kill(b.bus);
    world.clock.advance(5000);
    assert.equal(a.links.lastHeard("b"), heard);
    assert.equal(a.losses(), 0);
  });

  it("beats at the interval, the first one spread by chance", async () => {
    const world = new World();
    world.clock.chance = 0.1;
    const a = await world.node("a", 1, { beatInterval: 100 });
    world.clock.chance = 0.9;
    await world.node("b", 7, { beatInterval: 100 });
    world.clock.advance(89);
    assert.equal(a.beats.length, 0);
    world.clock.advance(1);
    assert.deepEqual(a.beats, [["b", 7]]);
    world.clock.advance(1000);
    assert.equal(a.beats.length, 11);
  });

  it("splits a beat that speaks of many peers", async () => {
    const world = new World(256);
    const [a, b] = await world.pair();
    for (let i = 0; i < 100; i++) a.links.send(`a-node-with-a-long-name-${i}`, frame(0));
    world.loseNext("a", "b");
    a.links.send("b", frame(1));
    world.clock.settle();
    world.clock.advance(2000);
    assert.equal(b.losses(), 1);
    assert.equal(b.links.stats.rejected, 0);
  });

  it("drops a peer that was silent for very long, by itself", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "b");
    world.clock.advance(1000);
    world.medium.kill(b.bus);
    world.clock.advance(10 * 60_000);
    assert.equal(a.links.lastHeard("b"), undefined);
  });

  it("sends what was collected when it stops, and leaves no timer", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    a.links.send("b", frame(1));
    await a.links.stop();
    await a.links.stop();
    world.clock.settle();
    assert.equal(b.frames.length, 1);
    say(world, b, "a");
    assert.deepEqual(b.events.at(-1), ["silent", "a"]);
    await b.links.stop();
    assert.equal(world.clock.timers, 0);
  });

  it("does not start where no frame fits into a message", async () => {
    await assert.rejects(new World(64).node("a"), /64 bytes.*at least \d+/);
  });
});

describe("links: foreign messages", () => {
  it("drops and counts messages without the right secret, in both directions", async () => {
    for (const [mine, theirs] of [["one", "two"], ["one", undefined], [undefined, "two"]] as const) {
      const world = new World();
      const a = await world.node("a", 1, mine === undefined ? {} : { secret: mine });
      const b = await world.node("b", 1, theirs === undefined ? {} : { secret: theirs });
      say(world, a, "b");
      say(world, b, "a");
      world.clock.advance(2000);
      assert.deepEqual([...a.events, ...b.events, ...a.beats, ...b.beats], []);
      assert.ok(a.links.stats.rejected >= 3 && b.links.stats.rejected >= 3);
    }
  });

  it("works with a secret", async () => {
    const world = new World(256);
    const [a, b] = await world.pair({ secret: "shared" });
    a.links.send("b", frame(1, "x".repeat(1000)));
    world.clock.advance(1000);
    assert.equal(b.frames.length, 1);
    assert.equal(b.links.stats.rejected, 0);
    assert.ok(b.beats.length > 0);
  });

  it("drops a message that was recorded on its way to another node, and every message with one bit changed", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secret: "shared" });
    const c = await world.node("c", 1, { secret: "shared" });
    const seen: Uint8Array[] = [];
    world.medium.intercept = (_from, _to, message) => {
      seen.push(message);
      return "drop";
    };
    say(world, a, "b", 1);
    const [message] = seen;
    assert.ok(message !== undefined);
    c.links.onMessage(message);
    assert.equal(c.links.stats.rejected, 1);
    for (let bit = 0; bit < message.length * 8; bit++) {
      const forged = Uint8Array.from(message);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      b.links.onMessage(forged);
    }
    assert.equal(b.links.stats.rejected, message.length * 8);
    assert.deepEqual([...b.events, ...c.events], []);
    b.links.onMessage(message);
    assert.equal(b.frames.length, 1);
  });

  it("drops truncated messages, other versions and unknown flags, and never throws", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const seen: Uint8Array[] = [];
    world.medium.intercept = (_from, _to, message) => {
      seen.push(message);
      return "drop";
    };
    say(world, a, "b", 1);
    world.medium.intercept = undefined;
    const message = seen[0] ?? new Uint8Array();
    for (const version of [0, 2, 3, 255]) b.links.onMessage(Uint8Array.from(message, (byte, at) => (at === 0 ? version : byte)));
    b.links.onMessage(Uint8Array.from(message, (byte, at) => (at === 1 ? 0x80 : byte)));
    assert.equal(b.links.stats.rejected, 5);
    for (let length = 0; length < message.length; length++) b.links.onMessage(message.subarray(0, length));
    assert.equal(b.frames.length, 0);
    assert.ok(b.links.stats.rejected > 5);
  });
});
