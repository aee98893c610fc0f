import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { next, State, STATE_NAMES, type StateEvent } from "../../../src/session/states";

const EVENTS: readonly StateEvent[] = ["opened", "close asked", "ended"];
const STATES = Object.values(State);

describe("states of a socket", () => {
  it("go from opening to closed, by closing or at once", () => {
    assert.equal(next(State.Opening, "opened"), State.Open);
    assert.equal(next(State.Open, "close asked"), State.Closing);
    assert.equal(next(State.Closing, "ended"), State.Closed);
    assert.equal(next(State.Open, "ended"), State.Closed);
    assert.equal(next(State.Opening, "ended"), State.Closed);
  });

  it("never go back", () => {
    fc.assert(
      fc.property(fc.constantFrom(...STATES), fc.array(fc.constantFrom(...EVENTS)), (start, events) => {
        let state = start;
        for (const event of events) {
          const after = next(state, event);
          assert.ok(after >= state, `${STATE_NAMES[state]} --${event}--> ${STATE_NAMES[after]}`);
          state = after;
        }
      }),
    );
  });

  it("stay where an event has no meaning", () => {
    for (const event of EVENTS) assert.equal(next(State.Closed, event), State.Closed);
    assert.equal(next(State.Opening, "close asked"), State.Opening);
    assert.equal(next(State.Open, "opened"), State.Open);
    assert.equal(next(State.Closing, "close asked"), State.Closing);
  });

  it("have engine.io's names", () => {
    assert.deepEqual(
      STATES.map((state) => STATE_NAMES[state]),
      ["opening", "open", "closing", "closed"],
    );
  });
});
