import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnedWorld } from "./owned-kit";

/** A session with a poll and a POST in the commit, and a poll, a POST and a send behind it. */
function busy(): OwnedWorld {
  const world = new OwnedWorld({ answered: ["t0"] });
  world.poll("t1", "a");
  world.post("p1", "4x", "b");
  world.socket.send("mine");
  world.committing();
  world.poll("t1", "c");
  world.poll("t0", "d");
  world.post("p1", "4x", "e");
  return world;
}

describe("O5: fenced", () => {
  it("sends everybody who waits to the owner of now, and closes here as taken over", () => {
    const world = busy();
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(world.said().sort(), [
      "a GET t1 not mine",
      "b POST p1 not mine",
      "c GET t1 not mine",
      "d GET t0 not mine",
      "e POST p1 not mine",
    ]);
    assert.deepEqual(world.owner.lost, ["other"]);
    assert.equal(world.events.at(-1), "close taken over");
    assert.equal(world.socket.readyState, "closed");
    world.idle();
  });

  it("lets nothing out later, whatever the application and the clock still do", () => {
    const world = busy();
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    world.said();
    world.socket.send("late");
    world.socket.close();
    world.session.prove();
    world.session.graceOver();
    world.session.closingOver();
    world.owner.clock.advance(120_000);
    world.idle();
    assert.deepEqual(world.said(), []);
    assert.equal(world.events.filter((event) => event.startsWith("close")).length, 1);
  });

  it("is found out by a proof (O6), by an empty turn", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.session.prove();
    const commit = world.committing();
    assert.deepEqual([commit.packets, commit.posts, commit.inflight], [[], [], null]);
    world.answer({ kind: "fenced", owner: "other", turn: 2 });
    assert.deepEqual(world.said(), ["a GET t1 not mine"]);
  });

  it("leaves in writeBuffer what no commit confirmed", () => {
    const world = new OwnedWorld();
    world.socket.send("x");
    let left: unknown[] = [];
    world.socket.on("close", () => (left = world.socket.writeBuffer.map(({ data }) => data)));
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(left, ["x"]);
  });

  it("leaves in writeBuffer nothing that the record has: its successor sends that", () => {
    const world = new OwnedWorld();
    world.socket.send("recorded");
    world.ok();
    world.socket.send("not recorded");
    let left: unknown[] = [];
    world.socket.on("close", () => (left = world.socket.writeBuffer.map(({ data }) => data)));
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(left, ["not recorded"]);
  });
});

describe("O5: unknown", () => {
  it("is an end elsewhere: whoever waits looks again, and the session is forgotten", () => {
    const world = busy();
    world.answer({ kind: "unknown" });
    assert.equal(
      world.said().every((said) => said.endsWith("not mine")),
      true,
    );
    assert.deepEqual(world.owner.lost, [undefined]);
    assert.equal(world.events.at(-1), "close taken over");
  });

  const afterOneTurn = (): OwnedWorld => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a");
    world.ok();
    world.said();
    return world;
  };

  it("is a loss so little time after a turn that nobody's close can have expired: the record is written again", async () => {
    const world = afterOneTurn();
    world.owner.clock.advance(world.owner.recordLasts - 1);
    world.poll("t2");
    world.socket.send("b");
    const commit = world.committing();
    world.answer({ kind: "unknown" });
    assert.deepEqual(world.owner.lost, []);
    assert.equal(world.owner.restores[0]?.record.turn, 1);
    world.owner.restores[0].answer({ kind: "ok" });
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(world.committing(), commit);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t2 [4b]"]);
  });

  it("is an end after more time, counted from when the turn was asked for, and not from when its answer was heard", () => {
    for (const late of [0, 1]) {
      const world = new OwnedWorld();
      world.poll("t1");
      world.socket.send("a");
      world.committing();
      world.owner.clock.advance(late);
      world.ok();
      world.owner.clock.advance(world.owner.recordLasts - late);
      world.poll("t2");
      world.socket.send("b");
      world.answer({ kind: "unknown" });
      assert.deepEqual([world.owner.lost, world.owner.restores], [[undefined], []], String(late));
    }
  });

  it("is a loss where another one is found to have it by now, which is told", async () => {
    const world = afterOneTurn();
    world.poll("t2");
    world.socket.send("b");
    world.answer({ kind: "unknown" });
    world.owner.restores[0]?.answer({ kind: "fenced", owner: "other", turn: 4 });
    await Promise.resolve();
    await Promise.resolve();
    world.idle();
    assert.deepEqual(world.owner.lost, ["other"]);
  });
});

describe("O5: behind", () => {
  it("restores the record as it stood before the turn, then commits the same turn again", async () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a");
    world.ok();
    world.said();
    world.poll("t2");
    world.socket.send("b");
    world.post("p1", "4x");
    const commit = world.committing();
    world.answer({ kind: "behind" });
    assert.deepEqual(world.said(), []);
    const { record, answer } = world.owner.restores[0]!;
    assert.deepEqual(
      { ...record, handshake: "" },
      {
        owner: "me",
        turn: 1,
        protocol: 4,
        transport: "polling",
        phase: "open",
        acked: 1,
        packets: [],
        inflight: null,
        answered: ["t1"],
        handled: [],
        handshake: "",
        data: "",
      },
    );
    answer({ kind: "ok" });
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(world.committing(), commit);
    world.ok();
    assert.deepEqual(world.said().sort(), ["a GET t2 [4b]", "a POST p1 ok"]);
  });

  it("is lost where another node restored its own copy", async () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a");
    world.answer({ kind: "behind" });
    world.owner.restores[0]!.answer({ kind: "fenced", owner: "other", turn: 4 });
    await Promise.resolve();
    await Promise.resolve();
    world.idle();
    assert.deepEqual(world.said(), ["a GET t1 not mine"]);
    assert.deepEqual(world.owner.lost, ["other"]);
  });
});

describe("O5: overflow", () => {
  it("closes with an error that says why; what the record has goes out before", () => {
    const world = new OwnedWorld();
    world.socket.send("recorded");
    world.ok();
    world.socket.send("too much");
    world.post("p1", "4x", "b");
    world.answer({ kind: "overflow" });
    assert.deepEqual(world.said(), []);
    const commit = world.committing();
    assert.deepEqual([commit.turn, commit.phase, commit.packets, commit.posts], [2, "closed", [], ["p1"]]);
    world.ok();
    assert.deepEqual(world.said(), ["b POST p1 ok"]);
    assert.equal(world.events.at(-1), "close transport error: the session's write buffer is over its limit");
    world.idle();
  });

  it("of a turn that took a poll answers it with the close", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("too much");
    world.answer({ kind: "overflow" });
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.packets, commit.inflight], ["closed", ["1"], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), ["a GET t1 [1]"]);
  });

  it("of a full record gives the poll what is recorded, where not even the close has room", () => {
    const world = new OwnedWorld();
    world.socket.send("recorded");
    world.ok();
    world.poll("t1");
    world.socket.send("too much");
    world.answer({ kind: "overflow" });
    assert.deepEqual(world.committing().packets, ["1"]);
    world.answer({ kind: "overflow" });
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.packets, commit.inflight], ["closed", [], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), ["a GET t1 [4recorded]"]);
    assert.equal(world.events.at(-1), "close transport error: the session's write buffer is over its limit");
  });

  it("does not give a poll that nobody holds a packet more, which a full record would refuse again", () => {
    const world = new OwnedWorld();
    world.poll("t1", "a");
    world.session.gone("t1", "a");
    world.socket.send("recorded");
    world.ok();
    world.socket.send("too much");
    world.answer({ kind: "overflow" });
    assert.deepEqual(world.ok().packets, []);
    assert.equal(world.socket.readyState, "closed");
  });
});

describe("a store that is away", () => {
  it("is given the same commit again until it answers; nothing is let out meanwhile", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.socket.send("a");
    const commit = world.committing();
    for (let i = 0; i < 3; i++) {
      world.answer({ kind: "away" });
      world.socket.send(String(i));
      world.idle();
      world.owner.clock.advance(200);
      assert.equal(world.committing(), commit);
    }
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4a]"]);
    assert.deepEqual(world.ok().packets, ["40", "41", "42"]);
  });
});

describe("I3: a node that alone is cut off", () => {
  it("gives its polling sessions up, as taken over", () => {
    const world = new OwnedWorld();
    world.poll("t1", "b");
    world.session.giveUp();
    assert.deepEqual(world.said(), ["b GET t1 not mine"]);
    assert.deepEqual([world.owner.lost, world.events], [[undefined], ["close taken over"]]);
  });
});
