import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageCodec } from "../../../src/bus/message";
import { frame, say, World } from "../../helpers/link-world";

describe("links: beginnings and ends", () => {
  it("goes on when a peer has taken its lease again, and the other one is told so, once", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    for (let n = 0; n < 5; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    b.links.retaken(2);
    for (let n = 5; n < 10; n++) {
      say(world, a, "b", n);
      say(world, b, "a", n);
    }
    world.clock.advance(3000);
    assert.deepEqual([a.frames.length, b.frames.length], [10, 10]);
    assert.deepEqual([a.losses(), b.losses()], [0, 0]);
    assert.deepEqual(
      a.events.filter(([what]) => what !== "frame"),
      [["retaken", "b"]],
    );
    assert.ok(b.events.every(([what]) => what === "frame"));
    assert.deepEqual(a.beats.at(-1), ["b", 2]);
  });

  it("tells of a lease that was taken again before what came under it", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "b");
    say(world, b, "a");
    // The beat is lost.
    world.loseNext("b", "a");
    b.links.retaken(2);
    world.clock.settle();
    say(world, b, "a");
    assert.deepEqual(a.events, [
      ["frame", "b"],
      ["retaken", "b"],
      ["frame", "b"],
    ]);
  });

  it("says what was collected before the lease was taken again under the one that has ended, in the same turn too", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, b, "a");
    b.links.send("a", frame(1));
    b.links.retaken(2);
    world.clock.settle();
    assert.deepEqual(a.events, [
      ["frame", "b"],
      ["frame", "b"],
      ["retaken", "b"],
    ]);
    assert.equal(a.losses(), 0);
  });

  it("goes on when both have, with messages under way", async () => {
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
    a.links.retaken(2);
    b.links.retaken(2);
    a.links.send("b", frame(101));
    b.links.send("a", frame(101));
    world.clock.advance(3000);
    for (const node of [a, b]) {
      assert.deepEqual(
        node.frames.slice(-2).map(({ n }) => n),
        [100, 101],
      );
      assert.equal(node.losses(), 0);
      assert.equal(node.events.filter(([what]) => what === "retaken").length, 1);
    }
  });

  it("loses nothing where the beat that tells of it is faster than what was said before it", async () => {
    const world = new World();
    const a = await world.node("a");
    const codec = new MessageCodec("b", []);
    codec.begin(1);
    const [first, second] = [1, 2].map((number) =>
      codec.frames("a", { link: 1, number, missed: 0 }, false, false, new Uint8Array()),
    );
    codec.begin(2);
    for (const bytes of [first!, ...codec.beats([["a", { link: 1, number: 2, missed: 0 }]], 1000), second!])
      a.links.onMessage(bytes);
    for (const bytes of codec.beats([["a", { link: 1, number: 2, missed: 0 }]], 1000)) a.links.onMessage(bytes);
    assert.deepEqual(a.events, [["retaken", "b"]]);
    assert.equal(a.links.stats.old, 0);
  });

  it("ignores what was sent over an earlier beginning of it, and a beat of an ended lease", async () => {
    const world = new World();
    const b = await world.node("b");
    const codec = new MessageCodec("a", []);
    const send = (incarnation: number, link: number): void => {
      codec.begin(incarnation);
      b.links.onMessage(codec.frames("b", { link, number: 1, missed: 0 }, false, false, new Uint8Array()));
    };
    send(2, 2);
    send(1, 1);
    assert.equal(b.links.stats.old, 1);
    codec.begin(1);
    for (const bytes of codec.beats([], 1000)) b.links.onMessage(bytes);
    assert.equal(b.links.stats.old, 2);
    assert.deepEqual(b.beats, []);
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

  for (const answered of [true, false])
    it(`tells of a loss where both forgot the other, ${answered ? "and had spoken" : "and only one had spoken"}`, async () => {
      const world = new World();
      const [a, b] = await world.pair();
      say(world, a, "b", 0);
      if (answered) say(world, b, "a", 0);
      a.links.forget("b");
      b.links.forget("a");
      // Nothing is said of a link, and a may hold what it told b before.
      world.clock.advance(1000);
      assert.deepEqual([a.losses(), b.losses()], [1, 1]);
      say(world, a, "b", 1);
      say(world, b, "a", 1);
      world.clock.advance(3000);
      assert.deepEqual([a.frames.at(-1)?.n, b.frames.at(-1)?.n], [1, 1]);
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

  it("asks within two beats whether a peer that fell silent is still there, though it has nothing to say to it", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, a, "b");
    world.clock.advance(2000);
    assert.equal(a.events.length, 0);
    world.medium.kill(b.bus);
    world.clock.advance(1250);
    assert.ok(a.events.some(([what, peer]) => what === "silent" && peer === "b"));
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
