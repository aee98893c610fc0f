import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LostNodes } from "../../../src/routing/lost-nodes";
import { HandClock } from "../../helpers/hand-clock";

const RECORD = 60_000;
const WITHDRAWAL = 2_000;
const LOOK = 500;

class World {
  readonly clock = new HandClock();
  readonly probed: string[] = [];
  /** How often the leases were read, and whether the store tells. */
  looks = 0;
  storeTells = true;
  /** What else is noticed while they are read. */
  meanwhile = (): void => undefined;
  readonly lost = new LostNodes({
    clock: this.clock,
    withdrawal: WITHDRAWAL,
    probe: (node) => this.probed.push(node),
    lookAround: () => {
      this.looks++;
      this.meanwhile();
      return Promise.resolve(this.storeTells);
    },
    recordTtl: RECORD,
  });

  /** One whose lease ended, and that had the time to withdraw. */
  async over(): Promise<void> {
    this.lost.add("b", false);
    this.lost.leaseEnded("b");
    this.clock.advance(WITHDRAWAL);
    await this.nobodyTwice();
  }

  /** At two looks in a row. */
  async nobodyTwice(): Promise<void> {
    this.lost.foundNobody("b");
    this.clock.advance(LOOK);
    this.lost.foundNobody("b");
    await Promise.resolve();
  }
}

describe("a node that is taken for dead and did not say that it leaves", () => {
  it("is lost until its lease has ended, it had the time to withdraw, and nobody is found at it then", async () => {
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
    assert.equal(world.looks, 0);
    await world.nobodyTwice();
    assert.deepEqual([world.lost.some, world.looks], [false, 1]);
    world.clock.advance(2_000);
    assert.deepEqual([world.probed, world.clock.timers], [["b", "b"], 0]);
  });

  it("is lost while the store does not tell whether it has a lease", async () => {
    const world = new World();
    world.storeTells = false;
    await world.over();
    assert.equal(world.lost.some, true);
    world.storeTells = true;
    world.lost.foundNobody("b");
    await Promise.resolve();
    assert.deepEqual([world.lost.some, world.looks], [false, 2]);
  });

  it("is not gone because for a moment nobody was found at it", async () => {
    const world = new World();
    world.lost.add("b", false);
    world.lost.leaseEnded("b");
    world.clock.advance(WITHDRAWAL);
    world.lost.foundNobody("b");
    world.clock.advance(130);
    world.lost.foundNobody("b");
    // Somebody is found at the next look, which only says nothing.
    world.clock.advance(2 * LOOK);
    world.lost.foundNobody("b");
    await Promise.resolve();
    assert.deepEqual([world.lost.some, world.looks], [true, 0]);
  });

  it("that stood still, and took a lease when it went on, cut off, is lost until that one has ended too", async () => {
    const world = new World();
    world.meanwhile = () => {
      world.lost.found("b");
      world.lost.add("b", true);
    };
    await world.over();
    assert.equal(world.lost.some, true);
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
