import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GRACE, OwnedWorld } from "./owned-kit";

describe("L1: a session that leaves", () => {
  it("sends polls and POSTs to look for its owner, and handles nothing of them", () => {
    const world = new OwnedWorld();
    world.session.depart();
    world.poll("t1");
    world.post("p1", "4x");
    assert.deepEqual(world.said(), ["a GET t1 not mine", "a POST p1 not mine"]);
    assert.deepEqual(world.events, []);
    world.idle();
  });

  it("finishes the turn that is under way, its POST is answered", () => {
    const world = new OwnedWorld();
    world.echo();
    world.poll("t1");
    world.post("p1", "4x");
    world.committing();
    world.session.depart();
    assert.equal(world.session.idle, false);
    world.ok();
    assert.deepEqual(world.said().sort(), ["a GET t1 [4x]", "a POST p1 ok"]);
    assert.equal(world.session.idle, true);
  });

  it("sends nobody to its successor before that turn is committed: a claim would refuse what was handled", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.session.depart();
    world.poll("t1", "b");
    world.post("p2", "4y", "b");
    world.session.sendFrom("n:1", "b", '["4z"]');
    world.committing();
    assert.deepEqual(world.said(), []);
    assert.equal(world.session.isHandling, true);
    world.ok();
    const away = ["b GET t1 not mine", "b POST p2 not mine", "b SEND n:1 not mine"];
    assert.deepEqual(world.said(), ["a POST p1 ok", ...away]);
    assert.equal(world.session.isHandling, false);
    assert.deepEqual(world.events, ["message x"]);
    world.idle();
  });

  it("does what it did before where it is asked the same again: none of that is anybody else's to do", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.post("p1", "4x");
    world.socket.send("y");
    world.session.sendFrom("n:1", "a", '["4z"]');
    world.committing();
    world.session.depart();
    world.poll("t1", "b");
    world.post("p1", "4x", "b");
    world.session.sendFrom("n:1", "b", '["4z"]');
    world.ok();
    const said = ["GET t1 [4y 4z]", "POST p1 ok", "SEND n:1 ok"];
    assert.deepEqual(
      world.said().sort(),
      [...said.map((each) => `a ${each}`), ...said.map((each) => `b ${each}`)].sort(),
    );
    world.poll("t1", "c");
    world.post("p1", "4x", "c");
    world.session.sendFrom("n:1", "c", '["4z"]');
    assert.deepEqual(
      world.said(),
      said.map((each) => `c ${each}`),
    );
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("message")),
      ["message x"],
    );
  });

  it("keeps its parked poll while a balancer moves it", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.depart();
    world.session.gone("t1", "a");
    world.poll("t1", "b");
    world.owner.clock.advance(2 * GRACE);
    world.idle();
    assert.deepEqual(world.events, []);
    world.session.releasePoll("t1", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t1 [6]"]);
  });

  it("nor before the POST is handled that it has marked as its first (O14)", () => {
    const world = new OwnedWorld({ turn: 5 });
    world.post("p1", "4x");
    world.committing();
    world.session.depart();
    world.poll("t1", "b");
    world.ok();
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok", "b GET t1 not mine"]);
  });

  it("tells those who were kept waiting when that turn is refused", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.session.depart();
    world.poll("t1", "b");
    world.answer({ kind: "fenced", owner: "heir", turn: 1 });
    assert.deepEqual(world.said().sort(), ["a POST p1 not mine", "b GET t1 not mine"]);
  });

  it("says that the poll it has parked is not its own when its next turn is refused", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.session.depart();
    world.session.prove();
    world.committing();
    world.answer({ kind: "fenced", owner: "heir", turn: 1 });
    assert.deepEqual(world.said(), ["a GET t1 not mine"]);
    assert.deepEqual(world.owner.lost, ["heir"]);
    assert.deepEqual(world.events, ["close taken over"]);
  });
});

describe("L4: a poll that is let go", () => {
  it("is answered with a noop that is recorded, and repeated by its name", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.session.releasePoll("t1", "a");
    const commit = world.committing();
    assert.deepEqual([commit.inflight, commit.packets], [{ t: "t1", upTo: 1 }, ["6"]]);
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [6]"]);
    world.poll("t1", "b");
    assert.deepEqual(world.said(), ["b GET t1 [6]"]);
  });

  it("is answered with what waits, and without a noop, if something does", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("x");
    world.session.releasePoll("t1", "a");
    world.committing();
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
  });

  it("is held by who says so, though nothing was heard of its asking: it is answered, and given up by nobody", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.session.releasePoll("t1", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t1 [6]"]);
    world.owner.clock.advance(5 * GRACE);
    world.idle();
    assert.deepEqual(world.events, []);
  });

  it("leaves another poll alone", () => {
    const world = new OwnedWorld();
    world.poll("t2");
    world.session.releasePoll("t1", "a");
    world.idle();
    assert.deepEqual(world.said(), []);
  });
});
