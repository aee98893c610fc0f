import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Reach, type ReachParts } from "../../../src/routing/reach";
import { HandClock } from "../../helpers/hand-clock";

const GRACE = 2_000;
const RECORD = 60_000;

class World {
  readonly clock = new HandClock();
  readonly membership = { alone: false };
  readonly asked: number[] = [];
  deaf = false;
  readonly reach = new Reach({
    id: "me",
    clock: this.clock,
    times: { pollGrace: GRACE, recordTtl: RECORD },
    membership: this.membership,
    links: {
      speaks: false,
      wasDeaf: (ms: number) => {
        this.asked.push(ms);
        return this.deaf;
      },
    },
  } as unknown as ReachParts);
}

describe("what a node may not have heard of a poll", () => {
  it("is what could be said within the grace", () => {
    const world = new World();
    assert.equal(world.reach.wasDeaf, false);
    world.deaf = true;
    assert.equal(world.reach.wasDeaf, true);
    assert.deepEqual(world.asked, [GRACE, GRACE]);
  });

  it("is nothing where it is alone", () => {
    const world = new World();
    world.deaf = true;
    world.membership.alone = true;
    assert.equal(world.reach.wasDeaf, false);
  });

  it("may lie in the socket of a node that is taken for dead: until each client that is gone has been found by its ping", () => {
    const world = new World();
    world.membership.alone = true;
    world.reach.onNodeLost();
    world.clock.advance(RECORD - 1);
    assert.equal(world.reach.wasDeaf, true);
    world.clock.advance(1);
    assert.equal(world.reach.wasDeaf, false);
  });
});
