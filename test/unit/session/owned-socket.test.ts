import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnedWorld } from "./owned-kit";

describe("callbacks of sends", () => {
  it("are called once, in order, when the turn that put the packets in flight is committed", () => {
    const world = new OwnedWorld();
    const called: string[] = [];
    for (const name of ["a", "b"]) world.socket.send(name, undefined, () => called.push(name));
    world.socket.send("without");
    world.socket.send("c", () => called.push("c"));
    world.ok();
    assert.deepEqual(called, [], "recorded is not on its way");
    world.poll("t1");
    world.committing();
    assert.deepEqual(called, []);
    world.ok();
    assert.deepEqual(called, ["a", "b", "c"]);
    world.poll("t1", "b");
    world.settle();
    assert.deepEqual(called, ["a", "b", "c"]);
  });

  it("come before drain, and drain once for a take", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a", () => world.events.push("callback a"));
    world.socket.send("b", () => world.events.push("callback b"));
    world.settle();
    assert.deepEqual(world.events, ["flush 2", "callback a", "callback b", "drain"]);
  });

  it("of what is sent during a commit come with the next turn", () => {
    const world = new OwnedWorld();
    const called: string[] = [];
    world.poll("t1");
    world.socket.send("a", () => called.push("a"));
    world.committing();
    world.socket.send("b", () => called.push("b"));
    world.settle();
    assert.deepEqual(called, ["a"]);
    world.poll("t2");
    world.settle();
    assert.deepEqual(called, ["a", "b"]);
  });

  for (const end of ["close(true)", "a takeover", "an overlap"]) {
    it(`are never called after ${end}`, () => {
      const world = new OwnedWorld();
      const called: string[] = [];
      world.poll("t1");
      world.socket.send("a", () => called.push("a"));
      world.committing();
      world.socket.send("b", () => called.push("b"));
      if (end === "close(true)") world.socket.close(true);
      else if (end === "an overlap") world.poll("t2", "b");
      else world.answer({ kind: "fenced", owner: "other", turn: 9 });
      world.settle();
      assert.equal(world.socket.readyState, "closed");
      assert.deepEqual(called, []);
    });
  }
});

describe("writeBuffer and writable", () => {
  it("hold what is not yet in flight", () => {
    const world = new OwnedWorld();
    world.socket.send("x");
    world.ok();
    assert.equal(world.socket.writeBuffer.length, 1);
    assert.equal(world.socket.transport.writable, false);
    world.poll("t1");
    assert.equal(world.socket.transport.writable, false, "a poll that will be taken");
    world.committing();
    assert.equal(world.socket.writeBuffer.length, 0);
    world.ok();
    world.poll("t2");
    assert.equal(world.socket.transport.writable, true);
  });

  it("show a packet that the end of the tick will take: whoever looks then may rather not send", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    assert.equal(world.socket.transport.writable, true);
    world.socket.send("x");
    assert.equal(world.socket.transport.writable, false, "in the same tick");
    world.committing();
    assert.equal(world.socket.transport.writable, false, "while it is written");
    world.ok();
    world.poll("t2");
    assert.equal(world.socket.transport.writable, true);
  });

  it("are an adopted session's record", () => {
    const world = new OwnedWorld({ acked: 3, packets: ["4a", "~4b", "bAQ=="], inflight: { t: "t7", upTo: 4 } });
    assert.deepEqual(
      world.socket.writeBuffer.map(({ data }) => data),
      ["b", Buffer.from([1])],
    );
    assert.equal(world.socket.transport.writable, false);
    world.poll("t7");
    assert.deepEqual(world.said(), ["a GET t7 [4a]"]);
    world.socket.send("c");
    assert.deepEqual([world.ok().turn, world.session.turn], [6, 6]);
    world.poll("t8");
    assert.deepEqual(world.ok().packets, []);
    assert.deepEqual(world.said(), ["a GET t8 [4b bAQ== 4c]"]);
  });

  it("end with the next turn where a listener of flush ends them", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.once("flush", () => world.socket.close(true));
    world.socket.send("x");
    assert.equal(world.ok().phase, undefined);
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.post("p1", "4y");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 unknown"]);
  });

  it("give what flush listeners send to the same answer", () => {
    const world = new OwnedWorld();
    world.socket.once("flush", () => world.socket.send("from the listener"));
    world.poll("t1");
    world.socket.send("x");
    world.settle();
    const said = world.said().join();
    world.poll("t2");
    world.settle();
    assert.equal(`${said} ${world.said().join()}`.match(/4from the listener/g)?.length, 1);
  });
});

describe("socket.data", () => {
  it("is not written where nobody looked at it", () => {
    const world = new OwnedWorld({ data: '{"a":1}' });
    world.socket.send("x");
    assert.equal(world.ok().data, undefined);
  });

  it("is written with the turn when it was set, once", () => {
    const world = new OwnedWorld();
    world.socket.data = { user: "u" };
    assert.equal(world.ok().data, '{"user":"u"}');
    world.socket.send("x");
    assert.equal(world.ok().data, undefined);
  });

  it("is written when what it refers to has changed, and not when it was only read", () => {
    const world = new OwnedWorld({ data: '{"n":1}' });
    const data = world.socket.data as { n: number };
    world.socket.send("x");
    assert.equal(world.ok().data, undefined);
    data.n = 2;
    world.idle();
    world.socket.send("y");
    assert.equal(world.ok().data, '{"n":2}');
  });

  it("is written again where its commit went wrong", () => {
    const world = new OwnedWorld();
    world.socket.data = "v";
    const commit = world.committing();
    world.answer({ kind: "away" });
    world.owner.clock.advance(200);
    assert.equal(world.committing(), commit);
    assert.equal(world.ok().data, '"v"');
  });

  it("that is too large closes the session with an error that says so", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.data = "x".repeat(200);
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.data], ["closed", undefined]);
    assert.deepEqual(world.said(), ["a GET t1 [1]"]);
    assert.deepEqual(world.events, ["close transport error: socket.data is 202 characters as JSON, 100 are allowed"]);
  });

  it("that is no JSON closes the session with JSON's own error", () => {
    const world = new OwnedWorld();
    const circle: { self?: unknown } = {};
    circle.self = circle;
    world.socket.data = circle;
    assert.equal(world.ok().phase, "closed");
    assert.match(world.events[0] ?? "", /^close transport error: .*circular/);
  });
});
