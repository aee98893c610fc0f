import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CLOSE_WAIT, OwnedWorld, PING_INTERVAL, PING_TIMEOUT } from "./owned-kit";

describe("O8: close()", () => {
  it("with a poll parked: state at once, event when it is recorded", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.close();
    assert.equal(world.socket.readyState, "closing");
    const commit = world.committing();
    assert.deepEqual([commit.phase, commit.packets], ["closed", ["1"]]);
    assert.deepEqual([world.said(), world.events], [[], []]);
    world.ok();
    assert.deepEqual([world.said(), world.events], [["a GET t1 [1]"], ["close forced close"]]);
    assert.equal(world.owner.ended.length, 1);
  });

  it("lets out what is buffered first, in an answer of its own", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.socket.close();
    assert.equal(world.ok().phase, "closing");
    assert.deepEqual([world.said(), world.events], [["a GET t1 [4x]"], ["flush 1", "drain"]]);
    world.poll("t2");
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a GET t2 [6 1]"]);
    assert.equal(world.events.at(-1), "close forced close");
  });

  it("is over when the client closes, which has read what was buffered", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.socket.close();
    world.ok();
    world.post("p1", "1");
    assert.equal(world.ok().phase, "closed");
    assert.equal(world.events.at(-1), "close transport close");
  });

  it("waits half a minute for the poll behind the one that took what was buffered", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.socket.close();
    world.ok();
    world.owner.clock.advance(CLOSE_WAIT - 1);
    world.idle();
    world.owner.clock.advance(1);
    assert.equal(world.ok().phase, "closed");
  });

  it("with none parked: recorded as closing, with what is buffered; the next poll takes that, the one behind it the close", () => {
    const world = new OwnedWorld();
    world.socket.send("x");
    world.socket.close();
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.packets], ["closing", ["4x"]]);
    assert.deepEqual(world.events, []);
    world.socket.send("dropped silently");
    world.post("p1", "4ignored");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
    world.poll("t1");
    assert.equal(world.ok().phase, undefined);
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.poll("t2");
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a GET t2 [6 1]"]);
    assert.deepEqual(world.events, ["flush 1", "drain", "close forced close"]);
  });

  it("waits for a poll for half a minute, then is one without", () => {
    const world = new OwnedWorld();
    world.socket.close();
    world.ok();
    world.owner.clock.advance(CLOSE_WAIT - 1);
    world.idle();
    world.owner.clock.advance(1);
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.events, ["close forced close"]);
  });

  it("goes on at a node that adopts the session", () => {
    const world = new OwnedWorld({ phase: "closing", packets: ["4x"] });
    assert.equal(world.socket.readyState, "closing");
    world.poll("t1");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.poll("t2");
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a GET t2 [6 1]"]);
  });

  it("ends there in time where no poll comes", () => {
    const world = new OwnedWorld({ phase: "closing", packets: ["4x"] });
    world.owner.clock.advance(CLOSE_WAIT - 1);
    world.idle();
    world.owner.clock.advance(1);
    assert.equal(world.ok().phase, "closed");
  });

  it("twice is once", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.close();
    world.socket.close();
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [1]"]);
    assert.deepEqual(world.events, ["close forced close"]);
  });
});

describe("O8: close(true)", () => {
  it("is an event in the call; the record closes without what was buffered", () => {
    const world = new OwnedWorld();
    world.socket.send("recorded");
    world.ok();
    world.socket.send("lost");
    world.socket.close(true);
    assert.deepEqual(world.events, ["close forced close"]);
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.packets], ["closed", []]);
    world.poll("t1");
    assert.deepEqual(world.said(), ["a GET t1 unknown"]);
  });

  it("ends a close that waits", () => {
    const world = new OwnedWorld();
    world.socket.close();
    world.ok();
    world.socket.close(true);
    assert.deepEqual(world.events, ["close forced close"]);
    assert.equal(world.ok().phase, "closed");
    world.owner.clock.advance(2 * CLOSE_WAIT);
    world.idle();
  });

  it("releases the parked poll, without what was sent in this tick", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("lost");
    world.socket.close(true);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [1]"]);
  });
});

describe("after the end", () => {
  it("the poll that carried it can be asked again; others are unknown", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.close();
    world.settle();
    world.said();
    world.poll("t1", "b");
    world.poll("t2", "b");
    assert.deepEqual(world.said(), ["b GET t1 [1]", "b GET t2 unknown"]);
    world.idle();
  });

  it("whoever asked during the last commit is answered with it", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.close();
    world.committing();
    world.post("p1", "4x", "b");
    world.ok();
    assert.deepEqual(world.said().sort(), ["a GET t1 [1]", "b POST p1 unknown"]);
    assert.deepEqual(world.events, ["close forced close"]);
  });
});

describe("O12: ping timeout", () => {
  it("closes a client that does not answer a ping that it got", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.clock.advance(PING_INTERVAL);
    assert.deepEqual(world.ok().packets, ["2"]);
    assert.deepEqual(world.said(), ["a GET t1 [2]"]);
    world.poll("t2");
    world.owner.clock.advance(PING_TIMEOUT);
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a GET t2 [1]"]);
    assert.equal(world.events.at(-1), "close ping timeout");
  });

  it("is none while no commit confirmed the ping", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.clock.advance(PING_INTERVAL);
    world.committing();
    world.owner.clock.advance(2 * PING_TIMEOUT);
    world.ok();
    world.idle();
    assert.equal(world.socket.readyState, "open");
    world.owner.clock.advance(PING_TIMEOUT);
    world.settle();
    assert.equal(world.events.at(-1), "close ping timeout");
  });

  it("is none while the ping waits behind a commit that the store does not answer", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.post("p1", "4x", "b");
    world.committing();
    world.owner.clock.advance(PING_INTERVAL + 2 * PING_TIMEOUT);
    world.ok();
    assert.deepEqual(world.ok().packets, ["2"]);
    world.idle();
    assert.equal(world.socket.readyState, "open");
  });

  it("comes a whole time-out behind the commit of the ping, however long that took", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.clock.advance(PING_INTERVAL);
    world.committing();
    world.owner.clock.advance(PING_TIMEOUT - 1);
    world.ok();
    world.poll("t2");
    world.owner.clock.advance(PING_TIMEOUT - 1);
    world.idle();
    assert.equal(world.socket.readyState, "open");
    world.owner.clock.advance(1);
    assert.equal(world.ok().phase, "closed");
  });

  it("is none where the pong comes, and the next ping is an interval away", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.clock.advance(PING_INTERVAL);
    world.ok();
    world.owner.clock.advance(PING_TIMEOUT - 1);
    world.post("p1", "3");
    world.owner.clock.advance(PING_INTERVAL - 1);
    world.idle();
    world.poll("t2");
    world.owner.clock.advance(1);
    assert.deepEqual(world.ok().packets, ["2"]);
  });

  it("loses ownership rather than the client where the record is another node's", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.clock.advance(PING_INTERVAL);
    world.ok();
    world.owner.clock.advance(PING_TIMEOUT);
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.equal(world.events.at(-1), "close taken over");
  });
});
