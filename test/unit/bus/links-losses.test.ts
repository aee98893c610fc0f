import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageCodec } from "../../../src/bus/message";
import { frame, say, World } from "../../helpers/link-world";

describe("links: losses", () => {
  it("tells both ends of a gap, before the frames behind it", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "b", 1);
    world.loseNext("a", "b");
    say(world, a, "b", 2);
    say(world, a, "b", 3);
    assert.deepEqual(b.events, [
      ["frame", "a"],
      ["loss", "a"],
      ["frame", "a"],
    ]);
    assert.deepEqual(a.events, []);
    // The next message of b carries it.
    say(world, b, "a", 4);
    assert.deepEqual(a.events, [
      ["loss", "b"],
      ["frame", "b"],
    ]);
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

  it("tells the sender, which has never heard the receiver, also where the receiver has forgotten it since", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.medium.intercept = (sender, receiver) => (sender === "b" || receiver === "b" ? "drop" : undefined);
    say(world, a, "b", 1);
    world.clock.advance(1000);
    // Beats of the sender come through for a while, and nothing of the receiver's, which learns that something is missing.
    world.medium.intercept = (sender) => (sender === "b" ? "drop" : undefined);
    world.clock.advance(1500);
    assert.deepEqual([a.losses(), b.losses()], [0, 1]);
    b.links.forget("a");
    world.medium.intercept = undefined;
    world.clock.advance(2000);
    assert.deepEqual([a.losses(), b.losses()], [1, 2]);
    world.clock.advance(10_000);
    assert.deepEqual([a.losses(), b.losses()], [1, 2]);
  });

  it("takes a first message with a higher number for a loss", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    world.loseNext("a", "b");
    say(world, a, "b", 1);
    say(world, a, "b", 2);
    assert.deepEqual(b.events, [
      ["loss", "a"],
      ["frame", "a"],
    ]);
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
    const codec = new MessageCodec("a", []);
    codec.begin(1);
    const world = new World();
    const b = await world.node("b");
    const message = (number: number): Buffer =>
      codec.frames("b", { link: 1, number, missed: 0 }, false, false, new Uint8Array());
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
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [1, 2],
    );
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
    assert.deepEqual(
      a.frames.map(({ n }) => n),
      [4],
    );
    assert.deepEqual(c.events, []);
  });
});
