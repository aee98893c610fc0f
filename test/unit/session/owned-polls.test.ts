import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GRACE, OwnedWorld } from "./owned-kit";

describe("O1: a poll", () => {
  it("that finds nothing is parked, without a turn", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.idle();
    assert.deepEqual(world.said(), []);
    assert.equal(world.socket.transport.writable, true);
  });

  it("is answered when the turn that takes it is committed, not before", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    const commit = world.committing();
    assert.deepEqual(
      [commit.turn, commit.inflight, commit.packets, commit.acked],
      [1, { t: "t1", upTo: 1 }, ["4x"], 0],
    );
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.idle();
  });

  it("with the t of what is in flight is answered the same again, without a turn", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.ok();
    world.socket.send("y");
    world.said();
    world.poll("t1", "b");
    assert.deepEqual(world.said(), ["b GET t1 [4x]"]);
  });

  it("with the t of the parked one, or of the one in the commit, joins it: all its holders are answered", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.poll("t1", "b");
    world.poll("t1", "b");
    world.socket.send("x");
    world.committing();
    world.poll("t1", "c");
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]", "b GET t1 [4x]", "c GET t1 [4x]"]);
    assert.deepEqual(world.events, ["flush 1", "drain"]);
  });

  it("with a new t proves that the last answer arrived", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.ok();
    world.poll("t2");
    world.idle();
    world.socket.send("y");
    const commit = world.ok();
    assert.deepEqual([commit.acked, commit.inflight, commit.packets], [1, { t: "t2", upTo: 2 }, ["4y"]]);
    assert.deepEqual(world.said(), ["a GET t1 [4x]", "a GET t2 [4y]"]);
  });

  it("is a turn at once where packets wait for it, recorded or not", () => {
    const world = new OwnedWorld();
    world.socket.send("x");
    assert.deepEqual(world.ok().inflight, null);
    world.poll("t1");
    const commit = world.ok();
    assert.deepEqual([commit.packets, commit.inflight], [[], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
  });
});

describe("O1: a stale poll", () => {
  it("is refused after a commit proved ownership; the session lives", () => {
    const world = new OwnedWorld();
    for (const t of ["t1", "t2"]) {
      world.poll(t);
      world.socket.send(t);
      world.ok();
    }
    world.said();
    world.poll("t1", "b");
    assert.deepEqual(world.committing().inflight, { t: "t2", upTo: 2 }, "what is in flight is said again (O3)");
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["b GET t1 refused"]);
    assert.equal(world.socket.readyState, "open");
  });

  it("is told to go elsewhere where the session is another node's", () => {
    const world = new OwnedWorld({ answered: ["t1"] });
    world.poll("t1", "b");
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(world.said(), ["b GET t1 not mine"]);
  });
});

describe("O1, O10: a second poll at a time", () => {
  it("is refused and closes the session, in one turn", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.poll("t2", "b");
    assert.equal(world.socket.readyState, "closed", "as in engine.io, in the request's own event");
    const commit = world.committing();
    assert.deepEqual([commit.phase, commit.packets, commit.inflight], ["closed", ["1"], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["b GET t2 refused", "a GET t1 [1]"]);
    assert.deepEqual(world.events, ["close transport error: overlap from client"]);
    assert.equal(world.owner.ended.length, 1);
    world.idle();
  });

  it("is none where the session turns out to be another's: its socket hears of that alone", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.inDoubt = true;
    world.poll("t2", "b");
    assert.equal(world.socket.readyState, "open");
    world.answer({ kind: "fenced", owner: "b", turn: 9 });
    assert.deepEqual(world.events, ["close taken over"]);
  });

  it("closes the session in doubt too, once a commit has proved that it may", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.owner.inDoubt = true;
    world.poll("t2", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t2 refused"]);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [1]"]);
    assert.deepEqual(world.events, ["close transport error: overlap from client"]);
    world.idle();
  });

  it("lets out what was sent before, with the close", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.poll("t2", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t2 refused", "a GET t1 [4x 1]"]);
  });

  it("is one too while the first is in the commit", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.committing();
    world.poll("t2", "b");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    const commit = world.ok();
    assert.equal(commit.phase, "closed");
    assert.deepEqual(world.said(), ["b GET t2 refused"]);
  });

  it("is none where nobody holds the first any more: it takes its place", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.poll("t2", "b");
    world.socket.send("x");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t2 [4x]"]);
    world.owner.clock.advance(2 * GRACE);
    world.idle();
    assert.equal(world.socket.readyState, "open");
  });
});

describe("O3, O4: turns", () => {
  it("of one tick are one, whatever happened in it", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.echo();
    world.post("p1", "4a\x1e4b");
    world.socket.send("c");
    const commit = world.ok();
    assert.deepEqual([commit.posts, commit.packets], [["p1"], ["4a", "4b", "4c"]]);
    assert.deepEqual(world.said(), ["a POST p1 ok", "a GET t1 [4a 4b 4c]"]);
  });

  it("are one at a time: what is sent meanwhile makes the next", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a");
    world.committing();
    world.socket.send("b");
    world.socket.send("c");
    assert.equal(world.committing().turn, 1);
    world.ok();
    const next = world.ok();
    assert.deepEqual([next.turn, next.packets, next.inflight], [2, ["4b", "4c"], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), ["a GET t1 [4a]"]);
    world.poll("t2");
    world.settle();
    assert.deepEqual(world.said(), ["a GET t2 [4b 4c]"]);
  });

  it("are not started by nothing", () => {
    const world = new OwnedWorld();
    world.socket.flush();
    world.session.gone("t9", "a");
    world.idle();
    world.session.prove();
    assert.deepEqual(world.ok().packets, []);
    world.idle();
  });

  it("renew the record's time to live where that is due", () => {
    const world = new OwnedWorld();
    world.session.prove();
    assert.equal(world.ok().refresh, false);
    world.owner.clock.advance(world.owner.refreshAfter + 1);
    world.session.prove();
    assert.equal(world.ok().refresh, true);
    world.session.prove();
    assert.equal(world.ok().refresh, false);
  });
});

describe("O9: pollGrace", () => {
  it("closes a session whose poll lost its last holder, by a turn", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.owner.clock.advance(GRACE - 1);
    world.idle();
    world.owner.clock.advance(1);
    const commit = world.committing();
    assert.equal(commit.phase, "closed");
    assert.deepEqual(world.events, [], "the close is an event when it is recorded");
    world.ok();
    assert.deepEqual(world.events, ["close transport error: poll connection closed prematurely"]);
  });

  it("is over when the poll comes back, and what was sent meanwhile goes to it", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.socket.send("x");
    assert.deepEqual(world.ok().inflight, null, "a poll that nobody holds takes nothing");
    world.owner.clock.advance(GRACE - 1);
    world.poll("t1", "b");
    assert.deepEqual(world.ok().inflight, { t: "t1", upTo: 1 });
    assert.deepEqual(world.said(), ["b GET t1 [4x]"]);
    world.owner.clock.advance(2 * GRACE);
    world.idle();
    assert.equal(world.socket.readyState, "open");
  });

  it("begins anew while its owner may not have heard who has the poll now", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.owner.wasDeaf = true;
    world.owner.clock.advance(3 * GRACE);
    world.idle();
    assert.equal(world.socket.readyState, "open");
    world.owner.wasDeaf = false;
    world.owner.clock.advance(GRACE);
    assert.equal(world.committing().phase, "closed");
  });

  it("does not begin while another holder is there, or for another poll", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.poll("t1", "b");
    world.session.gone("t1", "a");
    world.session.gone("t0", "b");
    world.session.gone("t1", "c");
    world.owner.clock.advance(2 * GRACE);
    world.idle();
    assert.equal(world.socket.readyState, "open");
  });

  it("does not begin when the only holder is taken for dead: it may only stand still, with the client's connection", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.owner.dead.add("a");
    world.owner.clock.advance(2 * GRACE);
    world.idle();
    world.socket.send("x");
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.poll("t2", "a");
    world.poll("t3", "b");
    world.socket.send("y");
    world.settle();
    assert.deepEqual(world.said(), ["b GET t3 [4y]"], "another poll takes the place of one whose holder is dead");
  });
});

describe("O9: a poll that came back", () => {
  it("is waited for no longer: it may wait for as long as it takes", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.owner.clock.advance(GRACE / 2);
    world.poll("t1", "b");
    world.owner.clock.advance(5 * GRACE);
    world.idle();
    assert.deepEqual(world.events, []);
  });
});
