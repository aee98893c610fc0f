import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MessageCodec } from "../../../src/bus/message";
import { rejectionError } from "../../../src/bus/rejections";
import { frame, say, World, type Node } from "../../helpers/link-world";

/** All that goes to `to` from now on, as somebody who listens has it. */
function record(world: World, to: string): Uint8Array[] {
  const heard: Uint8Array[] = [];
  world.medium.intercept = (_from, receiver, message) => {
    if (receiver === to) heard.push(Uint8Array.from(message));
    return undefined;
  };
  return heard;
}

describe("links: a secret that is changed", () => {
  it("in three steps, at one node after the other: nothing is dropped on the way", async () => {
    const steps = [["old"], ["old", "new"], ["new", "old"], ["new"]];
    for (let step = 1; step < steps.length; step++) {
      const world = new World();
      const behind = await world.node("a", 1, { secrets: steps[step - 1]! });
      const ahead = await world.node("b", 1, { secrets: steps[step]! });
      say(world, behind, "b", 1);
      say(world, ahead, "a", 2);
      world.clock.advance(2000);
      assert.deepEqual([behind.frames[0]?.n, ahead.frames[0]?.n], [2, 1], `step ${step}`);
      assert.ok(behind.beats.length > 0 && ahead.beats.length > 0);
      assert.equal(behind.links.stats.rejected + ahead.links.stats.rejected, 0);
    }
  });

  it("in one step is refused by those who do not know it yet", async () => {
    const world = new World();
    const a = await world.node("a", 1, { secrets: ["new"] });
    const b = await world.node("b", 1, { secrets: ["old"] });
    say(world, a, "b");
    assert.deepEqual(b.frames, []);
    assert.deepEqual(b.rejections, ["forged"]);
  });
});

describe("links: what is dropped", () => {
  it("is told once for each reason, and counted each time", async () => {
    const world = new World();
    const [signed, plain] = [await world.node("s", 1, { secrets: ["right"] }), await world.node("p")];
    const messages = (secrets: string[], to: string): Buffer =>
      new MessageCodec("x", secrets).frames(to, { link: 1, number: 1, missed: 0 }, false, false, Buffer.alloc(0));
    for (let again = 0; again < 3; again++) {
      signed.links.onMessage(messages([], "s"));
      signed.links.onMessage(messages(["wrong"], "s"));
      plain.links.onMessage(messages(["right"], "p"));
      plain.links.onMessage(Buffer.from("9 is no version"));
      plain.links.onMessage(messages([], "p").subarray(0, 4));
    }
    assert.deepEqual(
      [signed.rejections, plain.rejections],
      [
        ["unsigned", "forged"],
        ["signed", "version", "unreadable"],
      ],
    );
    assert.deepEqual([signed.links.stats.rejected, plain.links.stats.rejected], [6, 9]);
    assert.deepEqual([...signed.events, ...plain.events], []);
  });

  it("is told with what to do", () => {
    for (const why of ["unsigned", "forged", "signed"] as const)
      assert.match(rejectionError(why).message, /set .*cluster\.secret \(CLUSTER_SECRET\)/);
  });
});

describe("links: a message that is said again by somebody who recorded it", () => {
  const secrets = ["shared"];

  function replay(node: Node, heard: readonly Uint8Array[]): void {
    for (const message of heard) node.links.onMessage(message);
  }

  it("is old while its sender lives", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secrets });
    const heard = record(world, "b");
    for (const n of [1, 2, 3]) say(world, a, "b", n);
    assert.equal(heard.length, 3);
    replay(b, heard);
    assert.deepEqual(
      b.frames.map(({ n }) => n),
      [1, 2, 3],
    );
    assert.equal(b.links.stats.old, 3);
    say(world, a, "b", 4);
    assert.equal(b.frames.at(-1)?.n, 4);
    assert.equal(a.losses() + b.losses(), 0);
  });

  it("is old when its sender has taken its lease again", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secrets });
    const heard = record(world, "b");
    say(world, a, "b", 1);
    a.links.retaken(2);
    say(world, a, "b", 2);
    const frames = b.frames.length;
    replay(b, heard.slice(0, 1));
    assert.equal(b.frames.length, frames);
  });

  it("is old when its sender is dead and forgotten", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secrets });
    const heard = record(world, "b");
    for (const n of [1, 2, 3]) say(world, a, "b", n);
    world.medium.kill(a.bus);
    b.links.forget("a");
    for (let again = 0; again < 3; again++) {
      replay(b, heard);
      b.links.forget("a");
    }
    assert.equal(b.frames.length, 3);
  });

  it("does not keep a node from being heard that was taken for dead and lives: both ends are told of a loss", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secrets });
    say(world, a, "b", 1);
    say(world, b, "a", 2);
    b.links.forget("a");
    say(world, a, "b", 3);
    assert.equal(b.frames.at(-1)?.n, 3);
    assert.equal(b.losses(), 1);
    say(world, b, "a", 4);
    assert.equal(a.frames.at(-1)?.n, 4);
    assert.equal(a.losses(), 1);
    const losses = a.losses() + b.losses();
    world.clock.advance(3000);
    assert.equal(a.losses() + b.losses(), losses);
  });

  it("is worth nothing at another node, also at one that was started in the place of the first", async () => {
    const world = new World();
    const [a] = await world.pair({ secrets });
    const heard = record(world, "b");
    a.links.send("b", frame(1));
    world.clock.settle();
    const successor = await world.node("b2", 1, { secrets });
    replay(successor, heard);
    assert.deepEqual(successor.frames, []);
    assert.deepEqual(successor.rejections, ["forged"]);
  });
});
