import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { StoreWatch } from "../../../src/routing/store-watch";
import type { OwnedSession } from "../../../src/session/owned-session";
import type { SessionStore } from "../../../src/store/port";
import { HandClock } from "../../helpers/hand-clock";

const PATIENCE = 4_000;
/** More than lies between two parts of many sessions. */
const PACE = 30;

class World {
  readonly clock = new HandClock();
  readonly store = { generation: 1, onReturn: undefined, index: () => undefined } as unknown as SessionStore & {
    generation: number;
  };
  readonly session = { sid: "s", over: false, direct: false, seenIn: 1, proofs: 0, prove: () => this.session.proofs++ };
  readonly sessions = new Map([["s", this.session as unknown as OwnedSession]]);
  readonly watch = new StoreWatch({
    node: "me",
    clock: this.clock,
    store: this.store,
    sessions: this.sessions,
    patience: PATIENCE,
    returned: () => undefined,
  });

  loses(): void {
    this.store.generation++;
    this.store.onReturn?.();
  }
}

describe("a store that may have lost records", () => {
  it("is given time to get them back, from when this node's own sessions have theirs", async () => {
    const world = new World();
    assert.equal(world.watch.recovering, false);
    world.loses();
    await setImmediate();
    assert.equal(world.session.proofs, 1);
    world.clock.advance(PACE);
    await setImmediate();
    world.clock.advance(10 * PATIENCE);
    assert.equal(world.watch.recovering, true, "its own session is not written yet");
    world.session.seenIn = 2;
    world.clock.advance(PATIENCE - 300);
    assert.equal(world.watch.recovering, true, "others may be a little later");
    world.clock.advance(400);
    assert.equal(world.watch.recovering, false);
    assert.equal(world.clock.timers, 0);
  });

  it("hears of a thousand sessions a part at a time, and of all once more where it was back again meanwhile", async () => {
    const world = new World();
    let proofs = 0;
    for (let i = 0; i < 1_000; i++)
      world.sessions.set(`s${i}`, { ...world.session, prove: () => proofs++ } as unknown as OwnedSession);
    for (let i = 0; i < 50; i++) world.loses();
    await setImmediate();
    assert.ok(proofs > 0 && proofs <= 250, `${proofs} at once`);
    const pass = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        world.clock.advance(PACE);
        await setImmediate();
      }
    };
    await pass();
    assert.equal(proofs, 2_000, "once, and once for all that was told meanwhile");
    world.loses();
    await pass();
    assert.equal(proofs, 3_000);
    world.loses();
    await setImmediate();
    world.watch.stop();
    const before = proofs;
    await pass();
    assert.equal(proofs, before, "not by a node that has stopped");
  });

  it("does not wait for sessions that are over, or that have their websocket here", () => {
    for (const why of ["over", "direct"] as const) {
      const world = new World();
      world.session[why] = true;
      world.loses();
      world.clock.advance(PATIENCE);
      assert.equal(world.watch.recovering, false, why);
    }
  });

  it("is given time at once, also where this node has no session of its own that would tell", () => {
    const world = new World();
    world.session.over = true;
    world.loses();
    assert.equal(world.watch.recovering, true);
  });

  it("that was only away is taken by its word", () => {
    const world = new World();
    world.store.onReturn?.();
    assert.equal(world.watch.recovering, false);
  });
});
