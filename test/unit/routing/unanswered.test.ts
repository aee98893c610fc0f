import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Unanswered } from "../../../src/routing/unanswered";
import { HandClock } from "../../helpers/hand-clock";

function world() {
  const clock = new HandClock();
  const rounds: string[] = [];
  const unanswered = new Unanswered(clock, (node, since) => {
    rounds.push(`${node} ${String(since)} ${String(clock.now())}`);
  });
  return { clock, rounds, unanswered };
}

describe("messages that found nobody", () => {
  it("are followed by one round for each node, however many they were", () => {
    const { clock, rounds, unanswered } = world();
    const from = clock.now();
    for (let i = 0; i < 1000; i++) unanswered.add("a");
    clock.advance(50);
    for (let i = 0; i < 1000; i++) unanswered.add(i % 2 === 0 ? "a" : "b");
    clock.advance(1000);
    assert.deepEqual(rounds, [
      `a ${String(from)} ${String(from + 120)}`,
      `b ${String(from + 50)} ${String(from + 170)}`,
    ]);
  });

  it("are asked again more and more seldom, where each round finds nobody a thousand times", () => {
    const { clock, rounds, unanswered } = world();
    unanswered.add("a");
    let seen = 0;
    for (let i = 0; i < 5000; i++) {
      clock.advance(1);
      if (rounds.length > seen) for (let j = 0; j < 1000; j++) unanswered.add("a");
      seen = rounds.length;
    }
    // 120, 240, 480, 960, and each second from then on.
    assert.equal(rounds.length, 7);
  });

  it("begin anew when the node was there, or dead", () => {
    const { clock, rounds, unanswered } = world();
    unanswered.add("a");
    clock.advance(500);
    unanswered.add("a");
    unanswered.end("a");
    unanswered.end("b");
    clock.advance(1000);
    assert.equal(rounds.length, 1, "the round of before is not done");
    assert.equal(unanswered.size, 0);
    unanswered.add("a");
    clock.advance(120);
    assert.equal(rounds.length, 2);
  });
});
