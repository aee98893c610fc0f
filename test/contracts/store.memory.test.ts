import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryStore, Records } from "../../src/store/memory";
import { Tick } from "../../src/time/tick";
import { ManualClock } from "../helpers/manual-clock";
import { CONTRACT_LIMITS, storeContract } from "./store";
import { commit, opening, turnOf } from "./store-kit";

function build() {
  const clock = new ManualClock();
  const tick = new Tick(clock);
  const limits = CONTRACT_LIMITS;
  const records = new Records({ now: () => clock.now(), limits });
  const another = () => new MemoryStore({ clock, tick, limits, records });
  return { clock, tick, limits, records, another };
}

storeContract("memory", () => {
  const { clock, another } = build();
  const stores = [another()];
  return Promise.resolve({
    store: stores[0] ?? another(),
    another: () => {
      const store = another();
      stores.push(store);
      return Promise.resolve(store);
    },
    advance: (ms) => {
      clock.advance(ms);
      return Promise.resolve();
    },
    stop: async () => {
      for (const store of stores) await store.close();
    },
  });
});

describe("MemoryStore", () => {
  it("frees what has ended though nobody looks at it, with one timer and none when there is nothing", async () => {
    const { clock, records, another } = build();
    const store = another();
    assert.equal(clock.timers, 0);
    for (let i = 0; i < 100; i++) await store.open(opening(`s${i}`, "n1"));
    assert.equal(clock.timers, 1);
    assert.equal(records.size, 100);
    clock.advance(CONTRACT_LIMITS.recordTtl * 2);
    assert.equal(records.size, 0);
    assert.equal(clock.timers, 0);
    await store.open(opening("again", "n1"));
    assert.equal(clock.timers, 1);
    await store.close();
    assert.equal(clock.timers, 0);
  });

  it("tells the other waiters when one of them throws", async () => {
    const { limits, clock } = build();
    const thrown: unknown[] = [];
    const deferred: (() => void)[] = [];
    const tick = new Tick({ ...clock.port(), defer: (run) => deferred.push(run) });
    const store = new MemoryStore({ clock, tick, limits });
    await store.open(opening("a", "n1"));
    await store.open(opening("b", "n1"));
    store.commit(turnOf("a", "n1", 1), {
      onCommitResult: () => {
        throw new Error("by the application");
      },
    });
    const told = commit(store, turnOf("b", "n1", 1));
    for (let run = deferred.shift(); run !== undefined; run = deferred.shift()) {
      try {
        run();
      } catch (error) {
        thrown.push(error);
      }
    }
    assert.deepEqual(await told, { kind: "ok" });
    assert.equal(thrown.length, 1);
    await store.close();
  });

  it("sweeps in pieces", () => {
    const { clock, records } = build();
    for (let i = 0; i < 10; i++) records.open(opening(`s${i}`, "n1"));
    clock.advance(CONTRACT_LIMITS.recordTtl);
    records.sweep(4);
    assert.equal(records.size, 6);
    records.sweep(4);
    records.sweep(4);
    assert.equal(records.size, 0);
  });
});
