import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LostNodes } from "../../../src/routing/lost-nodes";
import { HandClock } from "../../helpers/hand-clock";

const RECORD = 60_000;
const WITHDRAWAL = 2_000;

class World {
  readonly clock = new HandClock();
  readonly probed: string[] = [];
  readonly lost = new LostNodes({
    clock: this.clock,
    withdrawal: WITHDRAWAL,
    probe: (node) => this.probed.push(node),
    recordTtl: RECORD,
  });
}

describe("a node that is taken for dead and did not say that it leaves", () => {
  it("is lost until its lease has ended, it had the time to withdraw, and nobody is found at it then", () => {
    const world = new World();
    world.lost.add("b", false);
    world.clock.advance(5_000);
    world.lost.foundNobody("b");
    assert.deepEqual([world.lost.some, world.probed], [true, []], "its connection may just be made anew");
    world.lost.leaseEnded("b");
    world.clock.advance(WITHDRAWAL - 1);
    world.lost.foundNobody("b");
    assert.deepEqual([world.lost.some, world.probed], [true, []], "it may be cut off");
    world.clock.advance(500);
    assert.deepEqual(world.probed, ["b"]);
    world.lost.foundNobody("b");
    assert.equal(world.lost.some, false);
    world.clock.advance(2_000);
    assert.deepEqual([world.probed, world.clock.timers], [["b"], 0]);
  });

  it("is looked for while it stands still, until each client that is gone has been found by its ping", () => {
    const world = new World();
    world.lost.add("b", false);
    world.lost.leaseEnded("b");
    world.clock.advance(RECORD - 1);
    assert.equal(world.lost.some, true);
    assert.equal(world.probed.length, (RECORD - WITHDRAWAL) / 500);
    world.clock.advance(1);
    assert.deepEqual([world.lost.some, world.clock.timers], [false, 0]);
  });

  it("is lost no longer when it has a lease again", () => {
    const world = new World();
    world.lost.add("b", false);
    world.lost.found("b");
    assert.equal(world.lost.some, false);
  });

  it("may have claimed until its lease ended, where it was cut off", () => {
    const world = new World();
    world.lost.add("b", false);
    world.lost.add("c", true);
    assert.deepEqual(
      [world.lost.leaseEnded("b"), world.lost.leaseEnded("c"), world.lost.leaseEnded("d")],
      [false, true, false],
    );
  });

  it("leaves no timer when this node stops", () => {
    const world = new World();
    world.lost.add("b", false);
    world.lost.stop();
    assert.equal(world.clock.timers, 0);
  });
});
