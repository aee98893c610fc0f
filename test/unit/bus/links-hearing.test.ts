import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageCodec } from "../../../src/bus/message";
import { frame, say, World } from "../../helpers/link-world";

describe("links: who may not have been heard", () => {
  it("is nobody while all beat", async () => {
    const world = new World();
    const [a] = await world.pair();
    await world.node("c");
    world.clock.advance(3000);
    assert.equal(a.links.wasDeaf(2000), false);
  });

  it("is one whose beats stay away, and for a while behind them", async () => {
    const world = new World();
    const [a] = await world.pair();
    await world.node("c");
    world.clock.advance(3000);
    world.medium.intercept = (sender) => (sender === "c" ? "drop" : undefined);
    world.clock.advance(1300);
    assert.equal(a.links.wasDeaf(2000), true);
    world.medium.intercept = undefined;
    world.clock.advance(600);
    assert.equal(a.links.wasDeaf(2000), true, "it was away a moment ago");
    world.clock.advance(2000);
    assert.equal(a.links.wasDeaf(2000), false);
  });

  it("is one that says that the store does not answer it, and for a while behind that", async () => {
    const world = new World();
    let storeless = false;
    const a = await world.node("a");
    await world.node("b", 1, { isStoreless: () => storeless });
    world.clock.advance(3000);
    assert.equal(a.links.wasDeaf(2000), false);
    storeless = true;
    world.clock.advance(600);
    assert.equal(a.links.wasDeaf(2000), true);
    storeless = false;
    world.clock.advance(600);
    assert.equal(a.links.wasDeaf(2000), true, "it could not say whom it was given a moment ago");
    world.clock.advance(2000);
    assert.equal(a.links.wasDeaf(2000), false);
  });

  it("is one of whom a message was lost, and for a while behind that", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    say(world, b, "a");
    world.clock.advance(3000);
    world.loseNext("b", "a");
    say(world, b, "a");
    say(world, b, "a");
    assert.equal(a.losses(), 1);
    assert.equal(a.links.wasDeaf(2000), true);
    world.clock.advance(2000);
    assert.equal(a.links.wasDeaf(2000), false);
  });

  it("is looked for where there was nothing to say to it yet: it may be gone before its lease was ever seen", async () => {
    const world = new World();
    const a = await world.node("a");
    const c = await world.node("c");
    world.clock.advance(600);
    assert.ok(a.links.lastHeard("c") !== undefined);
    await c.links.stop();
    world.clock.advance(1500);
    assert.deepEqual(a.events[0], ["silent", "c"]);
  });

  it("is no name that was never heard", async () => {
    const world = new World();
    const [a] = await world.pair();
    a.links.send("nobody", frame(1));
    world.clock.advance(3000);
    assert.equal(a.links.wasDeaf(2000), false);
  });
});

describe("links: a node that heard nobody", () => {
  for (const [ms, times] of [
    [1300, 0],
    [4000, 1],
  ] as const) {
    it(`for ${String(ms)} ms is told ${times > 0 ? "when it hears one again" : "nothing of that"}`, async () => {
      const world = new World();
      const [a] = await world.pair();
      await world.node("c");
      world.clock.advance(3000);
      world.medium.intercept = (_, receiver) => (receiver === "a" ? "drop" : undefined);
      world.clock.advance(ms);
      world.medium.intercept = undefined;
      world.clock.advance(3000);
      assert.equal(a.events.filter(([what]) => what === "again").length, times);
    });
  }

  it("since there was nobody is told nothing when the first one comes", async () => {
    const world = new World();
    const a = await world.node("a");
    world.clock.advance(60_000);
    await world.node("b");
    world.clock.advance(3000);
    assert.deepEqual(a.events, []);
  });
});

describe("links: one that was spoken to before it was ever heard", () => {
  for (const [incarnation, times] of [
    [1, 0],
    [2, 1],
  ] as const) {
    it(`is heard with lease ${String(incarnation)}: ${times > 0 ? "it may not have done what it was asked" : "it has done what it was asked"}`, async () => {
      const world = new World();
      const a = await world.node("a");
      a.links.send("b", frame(1));
      world.clock.settle();
      const codec = new MessageCodec("b", []);
      codec.begin(incarnation);
      for (const bytes of codec.beats([], 1000)) a.links.onMessage(bytes);
      assert.deepEqual(
        a.events.filter(([what]) => what !== "silent"),
        Array.from({ length: times }, () => ["retaken", "b"]),
      );
    });
  }
});
