import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NodeTimes } from "../../../src/routing/node-options";
import { OwnedSessions, type OwnersReach } from "../../../src/routing/owned-sessions";
import type { SessionStore } from "../../../src/store/port";
import { Counters } from "../../../src/telemetry/counters";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

function ownedWith(times: Pick<NodeTimes, "linger" | "recordTtl">): OwnedSessions {
  const clock = new HandClock();
  const others = { pollGrace: 2000, leaseTtl: 5000, upgradeTimeout: 10_000, closeTimeout: 30_000 };
  const options = {
    id: "me",
    clock,
    tick: new Tick(clock),
    store: {} as SessionStore,
    counters: new Counters(),
    times: { ...times, ...others, postDeadline: 5000, giveUpAfter: 15_000 },
    ring: 64,
    maxDataChars: 100,
  };
  return new OwnedSessions(options, {} as OwnersReach);
}

describe("O5: so little time after a turn a record that is gone was lost", () => {
  it("in which it cannot have come to its end after another owner's close, with a tenth to spare", () => {
    assert.equal(ownedWith({ linger: 30_000, recordTtl: 90_000 }).recordLasts, 27_000);
  });

  it("nor by its time to live, of which a quarter may be over when that is moved on", () => {
    const owned = ownedWith({ linger: 300_000, recordTtl: 80_000 });
    assert.deepEqual([owned.refreshAfter, owned.recordLasts], [20_000, 54_000]);
  });
});
