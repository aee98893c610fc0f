import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Standstill } from "../../../src/routing/standstill";
import type { Clock } from "../../../src/time/clock";

const COVER = 5_000;

/** A process that can be paused: its timers are late then, and run as soon as it goes on. */
class Pausable implements Clock {
  time = 0;
  #due: { readonly at: number; readonly run: () => void } | undefined;

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void) {
    this.#due = { at: this.time + ms, run };
    return { stop: () => (this.#due = undefined) };
  }

  afterUnref(ms: number, run: () => void) {
    return this.after(ms, run);
  }

  defer(): never {
    return assert.fail("not used");
  }

  random(): number {
    return 0;
  }

  run(ms: number): void {
    const end = this.time + ms;
    while (this.#due !== undefined && this.#due.at <= end) {
      const due = this.#due;
      this.#due = undefined;
      this.time = Math.max(this.time, due.at);
      due.run();
    }
    this.time = end;
  }

  standStill(ms: number): void {
    this.time += ms;
    this.run(0);
  }
}

describe("Standstill", () => {
  it("makes requests wait for a moment behind a pause that is longer than owners remember, and only then", () => {
    const clock = new Pausable();
    const standstill = new Standstill(clock, COVER);
    standstill.start();
    clock.run(60_000);
    const pauses = (): boolean => standstill.pause > 0;
    assert.equal(pauses(), false);
    clock.standStill(COVER - 600);
    assert.equal(pauses(), false, "shorter");
    clock.run(2_000);
    clock.standStill(COVER + 1);
    assert.equal(pauses(), true);
    clock.run(99);
    assert.equal(pauses(), true);
    clock.run(1);
    assert.equal(pauses(), false);
    standstill.stop();
  });
});
