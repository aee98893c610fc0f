import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { TakenNotices } from "../../../src/routing/taken-notices";
import { HandClock } from "../../helpers/hand-clock";

class World {
  readonly clock = new HandClock();
  readonly said: string[] = [];
  readonly notices = new TakenNotices({
    clock: this.clock,
    send: (node: string, { sid, n }: Frame) => {
      this.said.push(`${node} ${sid} ${String(n)}`);
    },
  });
}

describe("O6: who was claimed from", () => {
  it("is told, and told again when something was lost on the way", () => {
    const { notices, said, clock } = new World();
    notices.tell("a", "s", 7);
    clock.advance(30_000);
    notices.onLoss("b");
    notices.onLoss("a");
    assert.deepEqual(said, ["a s 7", "a s 7"]);
  });

  it("is told no more when each ping of its own has been refused", () => {
    const { notices, said, clock } = new World();
    notices.tell("a", "s", 7);
    clock.advance(61_000);
    notices.onLoss("a");
    assert.deepEqual([said, notices.size], [["a s 7"], 0]);
  });

  it("may not have heard of it as long as no second beat has told whether something was lost", () => {
    const { notices, clock } = new World();
    notices.tell("a", "s", 7);
    notices.tell("b", "r", 1);
    clock.advance(1000);
    assert.equal(notices.newCount, 2);
    clock.advance(500);
    assert.deepEqual([notices.newCount, notices.size], [0, 2]);
  });
});
