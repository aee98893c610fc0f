import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventQueue } from "../../../src/time/event-queue";
import { seeded } from "../../../src/time/virtual-clock";

describe("the queue of events", () => {
  it("gives the earliest first, and those of the same time in their order, while others are added", () => {
    const random = seeded(1);
    const queue = new EventQueue<{ readonly time: number; readonly order: number }>();
    let waiting: { readonly time: number; readonly order: number }[] = [];
    for (let order = 0; order < 1000; order++) {
      const entry = { time: Math.floor(random() * 50), order };
      waiting.push(entry);
      queue.add(entry.time, entry);
      if (random() < 0.3) continue;
      const [first] = [...waiting].sort((a, b) => a.time - b.time || a.order - b.order);
      assert.equal(queue.next, first?.time);
      assert.equal(queue.take(), first);
      waiting = waiting.filter((other) => other !== first);
    }
    waiting.sort((a, b) => a.time - b.time || a.order - b.order);
    assert.ok(waiting.length > 200, "it has grown");
    for (const entry of waiting) assert.equal(queue.take(), entry);
    assert.equal(queue.next, undefined);
    assert.equal(queue.take(), undefined);
  });
});
