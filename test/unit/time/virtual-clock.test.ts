import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualTime } from "../../../src/time/virtual-clock";

function world() {
  const time = new VirtualTime(7);
  const process = time.process();
  const log: string[] = [];
  const say = (what: string) => () => {
    log.push(what);
  };
  const run = (): string[] => {
    while (time.step());
    return log.splice(0);
  };
  return { time, process, say, run };
}

describe("a simulated process that stands still", () => {
  it("runs nothing until it goes on, then its timers, then what came, in order", () => {
    const { time, process, say, run } = world();
    process.after(20, say("timer 20"));
    process.after(10, say("timer 10"));
    process.pause();
    for (const n of [1, 2, 3]) {
      time.schedule(n, () => {
        process.deliver(say(`message ${String(n)}`));
      });
    }
    assert.deepEqual(run(), []);
    process.resume();
    process.deliver(say("message 4"));
    process.after(0, say("a timer of now"));
    const seen = run();
    const order = seen.filter((what) => what.startsWith("message"));
    assert.deepEqual(order, ["message 1", "message 2", "message 3", "message 4"]);
    assert.deepEqual(seen.slice(0, 2), ["timer 10", "timer 20"]);
    assert.equal(process.pending, 0);
  });

  it("may stand still again before it has read all", () => {
    const { process, say, run } = world();
    process.pause();
    process.deliver(say("one"));
    process.after(5, say("timer"));
    run();
    process.resume();
    process.pause();
    process.deliver(say("two"));
    assert.deepEqual(run(), []);
    process.resume();
    assert.deepEqual(run(), ["timer", "one", "two"]);
  });

  it("forgets timers that are stopped, and all when it is killed", () => {
    const { process, say, run } = world();
    const timer = process.after(5, say("stopped"));
    process.after(5, say("killed"));
    process.pause();
    run();
    timer.stop();
    assert.equal(process.pending, 1);
    process.deliver(say("message"));
    process.kill();
    process.resume();
    assert.deepEqual(run(), []);
  });
});
