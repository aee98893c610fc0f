import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Clock } from "../../../src/time/clock";
import { Deadlines } from "../../../src/time/deadlines";
import { VirtualTime } from "../../../src/time/virtual-clock";
import { HandClock } from "../../helpers/hand-clock";

interface World {
  readonly clock: HandClock;
  readonly deadlines: Deadlines<string>;
  /** What expired, and when, from the start of the test. */
  readonly log: [string, number][];
}

function world(ms: number, expired?: (entry: string, deadlines: Deadlines<string>) => void): World {
  const clock = new HandClock();
  const start = clock.now();
  const log: [string, number][] = [];
  const deadlines = new Deadlines<string>(clock, ms, (entry: string) => {
    log.push([entry, clock.now() - start]);
    expired?.(entry, deadlines);
  });
  return { clock, deadlines, log };
}

describe("Deadlines", () => {
  it("of a process that stood still wait until it has read what came meanwhile", () => {
    const time = new VirtualTime(1);
    const process = time.process();
    const expired: string[] = [];
    const deadlines = new Deadlines<string>(process, 100, (entry: string) => {
      expired.push(`${entry} at ${time.now.toFixed(0)}`);
    });
    deadlines.add("came");
    deadlines.add("did not come");
    process.pause();
    time.schedule(50, () => {
      process.deliver(() => {
        deadlines.remove("came");
      });
    });
    time.schedule(1000, () => {
      process.resume();
    });
    while (time.step());
    assert.deepEqual(expired, ["did not come at 1100"]);
  });

  it("are over at the second look where every timer is late: the moment to read is given once for each", () => {
    const clock = new HandClock();
    const start = clock.now();
    const late = 400;
    const busy: Clock = {
      now: () => clock.now(),
      after: (ms, run) => clock.after(ms + late, run),
      afterUnref: (ms, run) => clock.afterUnref(ms + late, run),
      defer: (run) => {
        clock.defer(run);
      },
      random: () => clock.random(),
    };
    const expired: [string, number][] = [];
    const deadlines = new Deadlines<string>(busy, 100, (entry: string) => {
      expired.push([entry, clock.now() - start]);
    });
    deadlines.add("a");
    clock.advance(999);
    assert.deepEqual(expired, [], "not at the first look");
    clock.advance(1);
    assert.deepEqual(expired, [["a", 1000]]);
    deadlines.add("b");
    clock.advance(1000);
    assert.deepEqual(expired[1], ["b", 2000], "which was spared once as well");
    assert.equal(clock.timers, 0);
  });

  it("call each entry once, when its time has come", () => {
    const { clock, deadlines, log } = world(100);
    deadlines.add("a");
    clock.advance(30);
    deadlines.add("b");
    clock.advance(69);
    assert.deepEqual(log, []);
    clock.advance(500);
    assert.deepEqual(log, [
      ["a", 100],
      ["b", 130],
    ]);
    assert.equal(deadlines.size, 0);
    assert.equal(clock.timers, 0);
  });

  it("move an entry that is added again", () => {
    const { clock, deadlines, log } = world(100);
    deadlines.add("a");
    deadlines.add("b");
    clock.advance(60);
    deadlines.add("a");
    clock.advance(500);
    assert.deepEqual(log, [
      ["b", 100],
      ["a", 160],
    ]);
  });

  it("forget what is removed, and need no timer when nothing is left", () => {
    const { clock, deadlines, log } = world(100);
    deadlines.add("a");
    deadlines.add("b");
    deadlines.remove("a");
    assert.equal(deadlines.has("a"), false);
    assert.equal(clock.timers, 1);
    deadlines.remove("b");
    // The timer is left to find nothing, once; then there is none.
    clock.advance(100);
    assert.equal(clock.timers, 0);
    deadlines.add("c");
    deadlines.stop();
    assert.equal(deadlines.size, 0);
    assert.equal(clock.timers, 0);
    clock.advance(500);
    assert.deepEqual(log, []);
  });

  it("need one timer, whatever the number of entries", () => {
    const { clock, deadlines } = world(100);
    for (let i = 0; i < 1000; i++) deadlines.add(String(i));
    assert.equal(clock.timers, 1);
  });

  it("are not late for others when one that expired is added again", () => {
    const { clock, deadlines, log } = world(100, (entry, deadlines) => {
      if (entry === "a" && log.length < 4) deadlines.add("a");
    });
    deadlines.add("a");
    clock.advance(50);
    deadlines.add("b");
    clock.advance(400);
    assert.deepEqual(log.slice(0, 4), [
      ["a", 100],
      ["b", 150],
      ["a", 200],
      ["a", 300],
    ]);
  });

  it("leave out an entry that another one's expiry removed, and stop where it stopped them", () => {
    const removing = world(100, (entry, deadlines) => {
      if (entry === "a") deadlines.remove("b");
    });
    removing.deadlines.add("a");
    removing.deadlines.add("b");
    removing.clock.advance(500);
    assert.deepEqual(removing.log, [["a", 100]]);

    const stopping = world(100, (_entry, deadlines) => {
      deadlines.stop();
    });
    stopping.deadlines.add("a");
    stopping.clock.advance(50);
    stopping.deadlines.add("b");
    stopping.clock.advance(500);
    assert.deepEqual(stopping.log, [["a", 100]]);
    assert.equal(stopping.clock.timers, 0);
  });

  it("go on for the others when a listener throws, which ends the process all the same", () => {
    const { clock, deadlines, log } = world(100, (entry) => {
      if (entry === "a") throw new Error("thrown by an application");
    });
    deadlines.add("a");
    deadlines.add("b");
    assert.throws(() => {
      clock.advance(500);
    }, /thrown by an application/);
    assert.deepEqual(log, [
      ["a", 100],
      ["b", 100],
    ]);
  });

  it("are kept in any history of additions and removals", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), entry: fc.constantFrom("a", "b", "c", "d") }),
      fc.record({ kind: fc.constant("remove" as const), entry: fc.constantFrom("a", "b", "c", "d") }),
      fc.record({ kind: fc.constant("wait" as const), ms: fc.integer({ min: 2, max: 80 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { clock, deadlines, log } = world(100);
        const start = clock.now();
        const due = new Map<string, number>();
        const wanted: [string, number][] = [];
        const pass = (ms: number): void => {
          const end = clock.now() - start + ms;
          const over = [...due].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1]);
          for (const [entry, at] of over) {
            due.delete(entry);
            wanted.push([entry, at]);
          }
          clock.advance(ms);
        };
        for (const one of steps) {
          if (one.kind === "wait") pass(one.ms);
          else if (one.kind === "remove") {
            due.delete(one.entry);
            deadlines.remove(one.entry);
          } else {
            due.set(one.entry, clock.now() - start + 100);
            deadlines.add(one.entry);
          }
          assert.equal(deadlines.size, due.size);
        }
        pass(1000);
        // Two of the same time in either order; the look-ahead of a millisecond may call one that much early.
        const rounded = (calls: [string, number][]): string[] => calls.map(([entry]) => entry).sort();
        assert.deepEqual(rounded(log), rounded(wanted));
        for (const [entry, at] of wanted) {
          assert.ok(
            log.some(([name, when]) => name === entry && at - when >= 0 && at - when <= 1),
            `${entry} at ${String(at)}`,
          );
        }
      }),
    );
  });
});
