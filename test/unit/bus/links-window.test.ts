import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { windowOf } from "../../../src/bus/window";
import { frame, say, World, type Node } from "../../helpers/link-world";

const WINDOW = { windowBytes: 1000 };

/** Two nodes of which each knows that the other answers. */
async function pair(world: World): Promise<[Node, Node]> {
  const [a, b] = await world.pair(WINDOW);
  say(world, a, "b");
  a.frames.splice(0);
  a.events.splice(0);
  b.frames.splice(0);
  b.events.splice(0);
  return [a, b];
}

/** As many frames of 200 bytes, in one tick. */
function sends(from: Node, to: string, count = 10): void {
  for (let n = 0; n < count; n++) from.links.send(to, frame(n, "x".repeat(189)));
}

describe("links: what is under way", () => {
  it("is too much where more than a window is, and free when the peer has taken it, which is told once", async () => {
    const world = new World();
    const [a, b] = await pair(world);
    sends(a, "b", 4);
    assert.equal(a.links.isCongested("b"), false);
    sends(a, "b", 6);
    for (let asked = 0; asked < 3; asked++) assert.equal(a.links.isCongested("b"), true);
    assert.equal(a.links.stats.congestions, 1);
    world.clock.settle();
    assert.equal(b.frames.length, 10);
    assert.equal(a.links.isCongested("b"), false);
    assert.deepEqual(a.events, [["free", "b"]]);
    world.clock.advance(5000);
    assert.deepEqual(a.events, [["free", "b"]]);
  });

  it("is told to nobody where nobody asked", async () => {
    const world = new World();
    const [a] = await pair(world);
    sends(a, "b", 100);
    world.clock.settle();
    assert.deepEqual(a.events, []);
    assert.equal(a.links.stats.congestions, 0);
  });

  it("is too much for all until half of it has been taken, so that nobody overtakes those who wait", async () => {
    const world = new World();
    const [a] = await pair(world);
    // Each question, and what comes behind it, takes as long.
    world.medium.intercept = (from) => (from === "a" ? 10 : undefined);
    sends(a, "b", 5);
    assert.equal(a.links.isCongested("b"), true);
    world.clock.advance(5);
    sends(a, "b", 3);
    world.clock.advance(5);
    // The first are there, and those behind them are more than half a window.
    assert.deepEqual([a.links.isCongested("b"), a.events], [true, []]);
    world.clock.advance(10);
    assert.deepEqual([a.links.isCongested("b"), a.events], [false, [["free", "b"]]]);
  });

  it("is of each peer by itself, and never too much for one that was not spoken to", async () => {
    const world = new World();
    const [a] = await pair(world);
    await world.node("c", 1, WINDOW);
    sends(a, "b");
    assert.deepEqual(
      ["b", "c", "d", "a"].map((node) => a.links.isCongested(node)),
      [true, false, false, false],
    );
  });

  for (const [from, to] of [
    ["a", "b"],
    ["b", "a"],
  ] as const) {
    it(`is free after two beats where what ${from === "a" ? "asks" : "answers"} is lost`, async () => {
      const world = new World();
      const [a, b] = await pair(world);
      world.loseNext(from, to);
      sends(a, "b", 6);
      assert.equal(a.links.isCongested("b"), true);
      world.clock.settle();
      assert.equal(a.links.isCongested("b"), true);
      world.clock.advance(1500);
      assert.equal(a.links.isCongested("b"), false);
      assert.deepEqual(
        a.events.filter(([what]) => what !== "frame"),
        [
          ["loss", "b"],
          ["free", "b"],
        ],
      );
      assert.equal(b.losses(), 1);
    });
  }

  it("is free when the peer is forgotten, at the end of the tick", async () => {
    const world = new World();
    const [a] = await pair(world);
    sends(a, "b");
    assert.equal(a.links.isCongested("b"), true);
    a.links.forget("b");
    assert.equal(a.links.isCongested("b"), false);
    assert.deepEqual(a.events, [], "whoever forgets a dead node closes first what was to be said to it");
    world.clock.settle();
    assert.deepEqual(a.events, [["free", "b"]]);
  });

  it("is free behind a reconnect, after the loss", async () => {
    const world = new World();
    const [a] = await pair(world);
    sends(a, "b");
    assert.equal(a.links.isCongested("b"), true);
    a.bus.setConnected(false);
    a.bus.setConnected(true);
    assert.equal(a.links.isCongested("b"), false);
    assert.deepEqual(a.events, [
      ["loss", "b"],
      ["free", "b"],
    ]);
    world.clock.advance(5000);
    assert.equal(a.events.filter(([what]) => what === "free").length, 1);
    // And counts on: the answers of before the reset say nothing of what is written since.
    sends(a, "b");
    assert.equal(a.links.isCongested("b"), true);
    world.clock.settle();
    assert.equal(a.links.isCongested("b"), false);
  });

  it("is not asked for while the bus is away, and free when it is back", async () => {
    const world = new World();
    const [a] = await pair(world);
    sends(a, "b");
    assert.equal(a.links.isCongested("b"), true);
    world.medium.cut(a.bus);
    assert.equal(a.links.isCongested("b"), false);
    world.clock.settle();
    assert.deepEqual(a.events, []);
    world.medium.heal(a.bus);
    world.clock.settle();
    assert.equal(a.links.isCongested("b"), false);
    assert.deepEqual(a.events.slice(0, 2), [
      ["loss", "b"],
      ["free", "b"],
    ]);
  });

  it("is never too much for a peer of an older version, which does not answer", async () => {
    const world = new World();
    const [a, b] = await world.pair(WINDOW);
    world.medium.intercept = (from) => (from === "b" ? "drop" : undefined);
    for (let tick = 0; tick < 10; tick++) {
      sends(a, "b");
      assert.equal(a.links.isCongested("b"), false);
      world.clock.settle();
    }
    assert.equal(b.frames.length, 100);
  });

  it("is told of in frames that nobody above the links sees, and that are not counted", async () => {
    const world = new World();
    const [a, b] = await pair(world);
    const sent = a.links.stats.framesSent;
    sends(a, "b", 100);
    world.clock.settle();
    assert.deepEqual([b.frames.length, a.frames.length], [100, 0]);
    assert.equal(a.links.stats.framesSent - sent, 100);
  });

  it("is known of each direction from its first frame on", async () => {
    const world = new World();
    const [, b] = await pair(world);
    say(world, b, "a");
    sends(b, "a");
    assert.equal(b.links.isCongested("a"), true);
    world.clock.settle();
    assert.deepEqual(b.events, [["free", "a"]]);
  });

  it("is shared by all peers, but for what each needs", () => {
    const mib = 1024 * 1024;
    assert.deepEqual(
      [0, 1, 2, 4, 32, 1000].map((peers) => windowOf(peers) / mib),
      [8, 8, 8, 4, 0.5, 0.5],
    );
  });
});
