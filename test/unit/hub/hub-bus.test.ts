import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HubPrimary } from "../../../src/hub/primary";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { commit, Ear, LIMITS, say, turn, worker } from "./hub-kit";

describe("hub bus", () => {
  it("drops messages, and counts them, before it would cost the store its connection", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const limits = { maxMessageBytes: 8e6, maxQueuedBytes: 8e6 };
    const { bus, store, client } = await worker(await primary.listen(), { limits });
    const ear = new Ear();
    await bus.join("a", ear);
    // All within one tick: nobody can read meanwhile.
    for (let i = 0; i < 40; i++) bus.send("nobody", Buffer.alloc(1_000_000));
    assert.ok(bus.stats.dropped > 0);
    assert.deepEqual(await commit(store, turn("s", "a", 1)), { kind: "unknown" });
    say(bus, "a", "goes on");
    await ear.hears("goes on");
    await client.close();
    await primary.close();
  });

  it("does not cost the store its connection by commits, however many there are in one tick: they wait", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const limits = { maxMessageBytes: 8e6, maxQueuedBytes: 8e6 };
    const { store, client } = await worker(await primary.listen(), { limits });
    const packets = ["4".padEnd(1_000_000, "x")];
    const told = await Promise.all(
      Array.from({ length: 40 }, (_, i) => commit(store, { ...turn(`s${String(i)}`, "a", 1), packets })),
    );
    const kinds = new Set(told.map(({ kind }) => kind));
    assert.deepEqual([...kinds].sort(), ["away", "unknown"]);
    assert.deepEqual(await commit(store, turn("s0", "a", 1)), { kind: "unknown" });
    assert.equal((await store.lease("a", 1)).kind, "ok");
    await client.close();
    await primary.close();
  });

  it("carries what store and bus ask in one tick in one message", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const { bus, store, client } = await worker(await primary.listen());
    const ear = new Ear();
    await bus.join("a", ear);
    const { batches } = primary.stats;
    const told = commit(store, turn("s", "a", 1));
    say(bus, "a", "hello");
    await Promise.all([told, ear.hears("hello")]);
    assert.equal(primary.stats.batches, batches + 1);
    await client.close();
    await primary.close();
  });

  it("goes on when a listener throws, and reports it as uncaught", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const { bus, client } = await worker(await primary.listen());
    const ear = new Ear();
    const thrown: unknown[] = [];
    // The test runner listens for these itself.
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.on("uncaughtException", (error) => thrown.push(error));
    try {
      await bus.join("a", {
        onMessage: (message) => {
          ear.onMessage(message);
          throw new Error("by the application");
        },
        onNoResponder: () => {},
        onReconnected: () => {},
      });
      say(bus, "a", "one");
      say(bus, "a", "two");
      await ear.hears("two");
      say(bus, "a", "three");
      await ear.hears("three");
      assert.ok(thrown.length >= 2);
    } finally {
      process.removeAllListeners("uncaughtException");
      for (const listener of others) process.on("uncaughtException", listener);
      await client.close();
      await primary.close();
    }
  });
});
