import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frame, nextUncaught, say, World } from "../../helpers/link-world";

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
    assert.deepEqual(a.events, [
      ["frame", "a"],
      ["frame", "a"],
      ["frame", "a"],
    ]);
  });

  it("cuts between frames where they do not fit into one message", async () => {
    const world = new World(512);
    const [a, b] = await world.pair();
    for (let n = 0; n < 20; n++) a.links.send("b", frame(n, "x".repeat(100)));
    world.clock.settle();
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      Array.from({ length: 20 }, (_, n) => n),
    );
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
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [1, 2, 3],
    );
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
      assert.deepEqual(
        b.events,
        [
          ["loss", "a"],
          ["frame", "a"],
        ],
        `piece ${lost}`,
      );
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
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [2],
    );
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
    assert.deepEqual(
      a.frames.map(({ n }) => n),
      [2],
    );
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [4],
    );
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
    assert.deepEqual(a.events, [
      ["silent", "nobody"],
      ["silent", "b"],
    ]);
  });
});
