import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
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
  let clock: Pausable;
  let standstill: Standstill;
  const waits = (): boolean => standstill.pause > 0;

  beforeEach(() => {
    clock = new Pausable();
    standstill = new Standstill(clock, COVER);
    standstill.start();
    clock.run(60_000);
  });

  afterEach(() => {
    standstill.stop();
  });

  it("lets no request wait while all is well, pauses of the collector included", () => {
    assert.equal(waits(), false);
    for (const pause of [50, 200, 500, 1_000, COVER / 4 - 1]) {
      clock.standStill(pause);
      assert.equal(waits(), false, `${pause} ms`);
      clock.run(10_000);
      assert.equal(waits(), false, `behind ${pause} ms`);
    }
  });

  it("lets requests wait behind a pause, for as long as those that came meanwhile may be read, and no longer", () => {
    clock.standStill(COVER + 1);
    for (const since of [0, 99, 150, 1_000, COVER - 1]) {
      clock.run(since - (clock.time - 60_000 - COVER - 1));
      assert.equal(waits(), true, `${since} ms behind it`);
    }
    clock.run(1);
    assert.equal(waits(), false);
  });

  it("lets each wait for as long as the end of its connection may take to come behind it", () => {
    clock.standStill(COVER + 1);
    assert.equal(standstill.pause, 100);
  });

  it("counts what is shorter than owners remember, as a request may come and be read in other turns of the loop", () => {
    clock.standStill(COVER / 3 + 1);
    assert.equal(waits(), true);
  });

  it("takes a turn that reads for as long for another standstill", () => {
    clock.standStill(COVER + 1);
    clock.run(1_000);
    clock.standStill(COVER / 2);
    clock.run(COVER - 1);
    assert.equal(waits(), true);
    clock.run(1);
    assert.equal(waits(), false);
  });

  it("knows of a pause in the middle of a turn, whose other requests are read before any timer runs", () => {
    clock.time += COVER + 1;
    assert.equal(waits(), true);
    clock.run(1_000);
    assert.equal(waits(), true);
    clock.run(COVER);
    assert.equal(waits(), false);
  });
});
