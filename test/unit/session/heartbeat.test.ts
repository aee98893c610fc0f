import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { IncomingMessage } from "node:http";
import { storeHandshake, timesOf } from "../../../src/session/handshake";
import { Heartbeat, type Beating } from "../../../src/session/heartbeat";
import { HandClock } from "../../helpers/hand-clock";

const INTERVAL = 100;
const TIMEOUT = 40;

class Session implements Beating {
  readonly log: string[] = [];
  readonly protocol: 3 | 4;

  constructor(protocol: 3 | 4 = 4) {
    this.protocol = protocol;
  }

  onPingDue(): void {
    this.log.push("ping due");
  }
  onPingTimeout(): void {
    this.log.push("timeout");
  }
}

function world(): { clock: HandClock; heartbeat: Heartbeat; session: Session } {
  const clock = new HandClock();
  return {
    clock,
    heartbeat: new Heartbeat(clock, { pingInterval: INTERVAL, pingTimeout: TIMEOUT }),
    session: new Session(),
  };
}

describe("what a client was told of its heartbeat", () => {
  const request = { url: "/", method: "GET", headers: {}, socket: {} } as unknown as IncomingMessage;

  it("is kept with its handshake, and nothing else of what it comes from", () => {
    const options = { pingInterval: INTERVAL, pingTimeout: TIMEOUT, secret: "of the options" };
    const handshake = storeHandshake(request, {}, "::1", options);
    assert.deepEqual(timesOf(handshake), { pingInterval: INTERVAL, pingTimeout: TIMEOUT });
    assert.doesNotMatch(handshake, /secret/);
  });

  it("is not known of a session whose node did not keep it", () => {
    assert.equal(timesOf(storeHandshake(request, {}, "::1")), undefined);
  });
});

describe("Heartbeat", () => {
  it("lets a session rest for one interval, then calls for a ping, once", () => {
    const { clock, heartbeat, session } = world();
    heartbeat.rest(session);
    clock.advance(INTERVAL - 1);
    assert.deepEqual(session.log, []);
    clock.advance(1);
    assert.deepEqual(session.log, ["ping due"]);
    clock.advance(10 * INTERVAL);
    assert.deepEqual(session.log, ["ping due"]);
  });

  it("waits for the answer to a ping for its time, and no ping is due meanwhile", () => {
    const { clock, heartbeat, session } = world();
    heartbeat.rest(session);
    clock.advance(INTERVAL - 10);
    heartbeat.await(session);
    clock.advance(TIMEOUT - 1);
    assert.deepEqual(session.log, []);
    clock.advance(1);
    assert.deepEqual(session.log, ["timeout"]);
  });

  it("rests a whole interval from the answer on", () => {
    const { clock, heartbeat, session } = world();
    heartbeat.await(session);
    clock.advance(TIMEOUT - 1);
    heartbeat.rest(session);
    clock.advance(INTERVAL - 1);
    assert.deepEqual(session.log, []);
    clock.advance(1);
    assert.deepEqual(session.log, ["ping due"]);
  });

  it("pings an adopted session within the spread, each at a time of its own", () => {
    const { clock, heartbeat, session } = world();
    const other = new Session();
    clock.chance = 0.25;
    heartbeat.soon(session, 80);
    clock.chance = 0.75;
    heartbeat.soon(other, 80);
    clock.advance(20);
    assert.deepEqual([session.log, other.log], [["ping due"], []]);
    clock.advance(40);
    assert.deepEqual([session.log, other.log], [["ping due"], ["ping due"]]);
  });

  it("pings an adopted session by what its client was told, where that is sooner", () => {
    for (const [told, due] of [
      [60, 60],
      [300, INTERVAL],
    ] as const) {
      const { clock, heartbeat, session } = world();
      const own = new Session();
      heartbeat.opened(session, { pingInterval: told, pingTimeout: 5 });
      for (let round = 0; round < 3; round++) {
        heartbeat.rest(session);
        heartbeat.rest(own);
        assert.equal(heartbeat.isResting(session), true);
        clock.advance(due - 1);
        assert.deepEqual(session.log, []);
        clock.advance(1);
        assert.deepEqual(session.log.splice(0), ["ping due"]);
        clock.advance(INTERVAL - due);
        assert.deepEqual(own.log.splice(0), ["ping due"], "others by this node's");
        heartbeat.await(session);
        clock.advance(TIMEOUT - 1);
        assert.equal(heartbeat.isAwaiting(session), true);
      }
      heartbeat.forget(session);
      clock.advance(1_000);
      assert.deepEqual(session.log, []);
      assert.equal(clock.timers, 0);
    }
  });

  it("allows a client that pings by itself the longer silence of both", () => {
    for (const [told, silence] of [
      [60, INTERVAL + TIMEOUT],
      [300, 300 + 5],
    ] as const) {
      const { clock, heartbeat } = world();
      const [session, own] = [new Session(3), new Session(3)];
      heartbeat.opened(session, { pingInterval: told, pingTimeout: 5 });
      heartbeat.listen(session);
      heartbeat.listen(own);
      clock.advance(silence - 1);
      assert.deepEqual([session.log, heartbeat.isListening(session)], [[], true]);
      clock.advance(1);
      assert.deepEqual([session.log, own.log], [["timeout"], ["timeout"]]);
    }
  });

  it("goes by its own times where it is not known what a client was told, or that is the same", () => {
    for (const told of [undefined, { pingInterval: INTERVAL, pingTimeout: TIMEOUT }]) {
      const { clock, heartbeat, session } = world();
      heartbeat.opened(session, told);
      heartbeat.rest(session);
      clock.advance(INTERVAL);
      assert.deepEqual(session.log, ["ping due"]);
    }
  });

  it("forgets a session that has ended, whatever it waited for", () => {
    for (const begin of ["rest", "await", "soon"] as const) {
      const { clock, heartbeat, session } = world();
      if (begin === "soon") heartbeat.soon(session, 50);
      else heartbeat[begin](session);
      heartbeat.forget(session);
      clock.advance(1000);
      assert.deepEqual(session.log, [], begin);
    }
  });

  it("stops for all", () => {
    const { clock, heartbeat, session } = world();
    heartbeat.rest(session);
    heartbeat.await(new Session());
    heartbeat.soon(session, 50);
    heartbeat.stop();
    clock.advance(1000);
    assert.deepEqual(session.log, []);
  });

  it("needs two timers, whatever the number of sessions", () => {
    const { clock, heartbeat } = world();
    for (let i = 0; i < 500; i++) {
      heartbeat.rest(new Session());
      heartbeat.await(new Session());
    }
    assert.equal(clock.timers, 2);
  });

  it("goes on for the others at their time where one is given more of it", () => {
    const { clock, heartbeat, session } = world();
    const patient: Beating = {
      protocol: 4,
      onPingDue: () => assert.fail("no ping is due"),
      onPingTimeout: () => {
        heartbeat.await(patient);
      },
    };
    heartbeat.await(patient);
    clock.advance(20);
    heartbeat.await(session);
    clock.advance(TIMEOUT);
    assert.deepEqual(session.log, ["timeout"]);
  });

  it("waits by the times as they are when a wait begins", () => {
    const clock = new HandClock();
    const times = { pingInterval: INTERVAL, pingTimeout: TIMEOUT };
    const heartbeat = new Heartbeat(clock, times);
    const [before, after, moved, gone] = [new Session(), new Session(), new Session(), new Session()];
    for (const session of [before, moved, gone]) heartbeat.rest(session);
    times.pingInterval = 10;
    heartbeat.rest(after);
    heartbeat.rest(moved);
    heartbeat.forget(gone);
    assert.deepEqual(
      [before, after, moved, gone].map((session) => heartbeat.isResting(session)),
      [true, true, true, false],
    );
    clock.advance(10);
    assert.deepEqual([before.log, after.log, moved.log], [[], ["ping due"], ["ping due"]]);
    times.pingTimeout = 5;
    heartbeat.await(moved);
    clock.advance(5);
    assert.deepEqual(moved.log, ["ping due", "timeout"]);
    clock.advance(INTERVAL);
    assert.deepEqual([before.log, after.log, gone.log], [["ping due"], ["ping due"], []]);
    heartbeat.listen(after);
    clock.advance(14);
    assert.deepEqual(after.log, ["ping due"]);
    clock.advance(1);
    assert.deepEqual(after.log, ["ping due", "timeout"]);
  });

  it("forgets those who wait by former times as well, when it stops", () => {
    const clock = new HandClock();
    const times = { pingInterval: INTERVAL, pingTimeout: TIMEOUT };
    const heartbeat = new Heartbeat(clock, times);
    const [before, after] = [new Session(), new Session()];
    heartbeat.rest(before);
    times.pingInterval = 10;
    heartbeat.rest(after);
    heartbeat.stop();
    clock.advance(2 * INTERVAL);
    assert.deepEqual([before.log, after.log], [[], []]);
  });
});
