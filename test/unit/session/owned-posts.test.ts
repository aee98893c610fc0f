import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnedWorld } from "./owned-kit";

describe("O2: a POST", () => {
  it("is handled at once, and answered when its turn is committed", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    assert.deepEqual(world.events, ["message x"]);
    assert.deepEqual(world.committing().posts, ["p1"]);
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
  });

  it("that comes again waits with the first, or is answered ok: handled once", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x", "a");
    world.post("p1", "4x", "b");
    world.committing();
    world.post("p1", "4x", "c");
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok", "b POST p1 ok", "c POST p1 ok"]);
    world.post("p1", "4x", "d");
    assert.deepEqual(world.said(), ["d POST p1 ok"]);
    world.idle();
    assert.deepEqual(world.events, ["message x"]);
  });

  it("that an earlier owner handled is answered ok", () => {
    const world = new OwnedWorld({ handled: ["p1"] });
    world.post("p1", "4x", "b");
    assert.deepEqual(world.said(), ["b POST p1 ok"]);
    assert.deepEqual(world.events, []);
  });

  it("answers the parked poll in the same turn", () => {
    const world = new OwnedWorld();
    world.echo();
    world.poll("t1");
    world.post("p1", "4x", "b");
    const commit = world.ok();
    assert.deepEqual([commit.posts, commit.packets, commit.inflight], [["p1"], ["4x"], { t: "t1", upTo: 1 }]);
    assert.deepEqual(world.said(), ["b POST p1 ok", "a GET t1 [4x]"]);
  });

  it("is remembered: as many of them as the ring holds, and all of the last lease (H6)", () => {
    const world = new OwnedWorld();
    for (let i = 0; i <= world.owner.ring; i++) {
      world.post(`p${String(i)}`, "4x");
      world.ok();
    }
    world.said();
    world.post("p0", "4x");
    assert.deepEqual(world.said(), ["a POST p0 ok"]);
    world.owner.clock.advance(world.owner.ringCover);
    world.post("later", "4x");
    assert.equal(world.ok().keep, world.owner.ring + 2);
    world.said();
    world.post("p2", "4x");
    assert.deepEqual(world.said(), ["a POST p2 ok"]);
    world.post("p1", "4x");
    assert.deepEqual(world.committing().posts, ["p1"]);
  });

  it("is remembered with all that are in its turn, however many, and with those of just before (H6)", () => {
    const world = new OwnedWorld();
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 10; j++) world.post(`p${String(10 * i + j)}`, "4x");
      const { posts, keep } = world.ok();
      assert.equal(posts.length, 10);
      assert.ok(keep >= 10 * (i + 1), String(keep));
    }
    world.said();
    world.post("p0", "4x");
    assert.deepEqual(world.said(), ["a POST p0 ok"]);
  });

  /** An owner whose ping is recorded and answered its poll. */
  function pinged(): OwnedWorld {
    const world = new OwnedWorld();
    world.poll("g1");
    world.socket.onPingDue();
    world.ok();
    return world;
  }

  it("of nothing but the pong that is due needs no turn (O7)", () => {
    const world = pinged();
    let heartbeats = 0;
    world.socket.on("heartbeat", () => heartbeats++);
    world.said();
    world.post("p1", "3");
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
    assert.equal(heartbeats, 1);
    world.idle();
  });

  it("of a pong that is due waits for a proof where this node is cut off: nobody could pass it on (O7)", () => {
    const world = pinged();
    world.said();
    world.owner.inDoubt = true;
    world.post("p1", "3");
    world.committing();
    assert.deepEqual(world.said(), []);
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(world.said(), ["a POST p1 not mine"]);
  });

  it("of a pong that is not due waits for a proof: it may be another owner's, which is then asked (O7)", () => {
    const world = new OwnedWorld();
    world.post("p1", "3");
    assert.deepEqual(world.said(), []);
    world.answer({ kind: "fenced", owner: "b", turn: 7 });
    assert.deepEqual(world.said(), ["a POST p1 not mine"]);
  });

  it("of a pong waits for a proof too where no ping was recorded, and behind one that came; a POST beside it is no overlap (O7)", () => {
    const world = new OwnedWorld();
    world.poll("g1");
    world.socket.onPingDue();
    world.committing();
    world.post("p1", "3");
    world.ok();
    assert.deepEqual(world.said(), ["a GET g1 [2]"]);
    assert.deepEqual(world.ok().posts, []);
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
    world.post("p2", "3");
    world.post("p3", "4x");
    assert.deepEqual(world.ok().posts, ["p3"]);
    assert.deepEqual(world.said().sort(), ["a POST p2 ok", "a POST p3 ok"]);
  });

  /** An owner that was fenced behind its ping, and took a pong for the answer. */
  function ponged(): OwnedWorld {
    const world = pinged();
    world.post("p1", "3");
    world.said();
    return world;
  }

  it("of a pong that needed no turn may have been its successor's, which is given it (O7)", () => {
    const world = ponged();
    world.session.prove();
    world.answer({ kind: "fenced", owner: "b", turn: 7 });
    assert.deepEqual(world.said(), ["the pong is passed on"]);
  });

  it("of a pong was its own where a turn that was begun behind it is recorded (O7)", () => {
    const world = ponged();
    for (const [key, owner] of [
      ["p2", undefined],
      ["p3", "b"],
    ] as const) {
      world.post(key, "4x");
      if (owner === undefined) world.ok();
      else world.answer({ kind: "fenced", owner, turn: 7 });
    }
    assert.deepEqual(world.said(), ["a POST p2 ok", "a POST p3 not mine"]);
  });

  it("of a pong that comes while a turn is under way is not proved by that one (O7)", () => {
    const world = pinged();
    world.session.prove();
    world.committing();
    world.post("p1", "3");
    world.ok();
    world.session.prove();
    world.said();
    world.answer({ kind: "fenced", owner: "b", turn: 7 });
    assert.deepEqual(world.said(), ["the pong is passed on"]);
  });

  it("of a pong was its own where the session is claimed since this node leaves (O7)", () => {
    const world = ponged();
    world.session.depart();
    world.session.prove();
    world.answer({ kind: "fenced", owner: "b", turn: 7 });
    assert.deepEqual(world.said(), []);
  });

  it("whose handler throws is in its turn all the same, and the error is the process's", () => {
    const world = new OwnedWorld();
    world.socket.once("message", () => {
      throw new Error("thrown by the application");
    });
    world.post("p1", "4x");
    assert.throws(() => {
      world.tick();
    }, /thrown by the application/);
  });
});

describe("O2: a POST beside other ones", () => {
  it("is handled, and answered after its own commit", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.post("p2", "4y", "b");
    assert.deepEqual(world.committing().posts, ["p1", "p2"]);
    world.post("p3", "4z", "c");
    assert.deepEqual(world.events, ["message x", "message y", "message z"]);
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok", "b POST p2 ok"]);
    assert.deepEqual(world.ok().posts, ["p3"]);
    assert.deepEqual(world.said(), ["c POST p3 ok"]);
    assert.equal(world.session.phase, "open");
  });

  it("is handled once, whichever of them comes again, and when", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.post("p2", "4y");
    world.post("p1", "4x", "b");
    world.committing();
    world.post("p2", "4y", "b");
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok", "b POST p1 ok", "a POST p2 ok", "b POST p2 ok"]);
    world.post("p2", "4y", "c");
    world.post("p1", "4x", "c");
    assert.deepEqual(world.said(), ["c POST p2 ok", "c POST p1 ok"]);
    assert.deepEqual(world.events, ["message x", "message y"]);
  });

  it("asks the next owner like the others, where the session is lost before their commits", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.committing();
    world.post("p2", "4y", "b");
    world.answer({ kind: "fenced", owner: "other", turn: 9 });
    assert.deepEqual(world.said(), ["a POST p1 not mine", "b POST p2 not mine"]);
  });

  it("is unknown behind one that ends the session", () => {
    const world = new OwnedWorld();
    world.post("p1", "4x");
    world.post("p2", "1");
    world.post("p3", "4y", "b");
    world.ok();
    assert.deepEqual(world.said().sort(), ["a POST p1 ok", "a POST p2 ok", "b POST p3 unknown"]);
    assert.deepEqual(world.events, ["message x", "close transport close"]);
  });

  for (const when of ["before their commit", "during their commit"]) {
    it(`is one too many beside 256, ${when}: it is refused and closes the session (O10)`, () => {
      const world = new OwnedWorld();
      for (let i = 0; i < 256; i++) world.post(`p${String(i)}`, "4x");
      assert.equal(world.events.length, 256);
      if (when.startsWith("during")) world.committing();
      world.post("p256", "4y", "b");
      assert.deepEqual(world.events.slice(256), ["close transport error: data request overlap from client"]);
      world.settle();
      assert.deepEqual(world.said().slice(-1), ["b POST p256 refused"]);
      assert.equal(world.session.phase, "closed");
    });
  }
});

describe("a POST that ends its session", () => {
  it("says that its client leaves: the poll gets a noop, nothing behind the 1 is handled", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.post("p1", "4a\x1e1\x1e4b", "b");
    assert.deepEqual(world.events, ["message a", "close transport close"]);
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.packets, commit.posts], ["closed", ["6"], ["p1"]]);
    assert.deepEqual(world.said(), ["b POST p1 ok", "a GET t1 [6]"]);
  });

  it("cannot be read: earlier packets are handled", () => {
    const world = new OwnedWorld();
    world.poll("t1");
    world.post("p1", "4a\x1e?\x1e4b", "b");
    assert.deepEqual(world.events, ["message a", "close parse error"]);
    world.ok();
    assert.deepEqual(world.said(), ["b POST p1 ok", "a GET t1 [1]"]);
  });

  it("is binary, which protocol 4 does not know", () => {
    const world = new OwnedWorld();
    world.session.post("p1", "b", new Uint8Array([1]));
    assert.deepEqual(world.events, ["close transport error: invalid content"]);
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["b POST p1 refused"]);
  });

  it("comes after the end, recorded or not: the session is unknown", () => {
    const world = new OwnedWorld();
    world.post("p1", "1");
    world.committing();
    world.post("p2", "4x", "b");
    assert.deepEqual(world.said(), []);
    world.ok();
    assert.deepEqual(world.said().sort(), ["a POST p1 ok", "b POST p2 unknown"]);
    world.post("p3", "4x", "c");
    world.post("p1", "1", "d");
    assert.deepEqual(world.said(), ["c POST p3 unknown", "d POST p1 ok"]);
    world.idle();
    assert.deepEqual(world.events, ["close transport close"]);
  });
});

/** As the owner before left it. */
const MARKED = '["p1","other"]\n\n';

describe("O14: the first POST after a takeover", () => {
  it("is marked in the record before it is handled, and the turn of its handling takes the mark away", () => {
    const world = new OwnedWorld({ turn: 5 });
    world.echo();
    world.poll("t1");
    world.post("p1", "4x");
    const marking = world.committing();
    assert.deepEqual([marking.data, marking.posts], ['["p1","me"]\n\n', []]);
    assert.deepEqual(world.events, []);
    world.ok();
    assert.deepEqual(world.events, ["message x", "flush 1"]);
    assert.deepEqual(world.said(), []);
    const turn = world.committing();
    assert.deepEqual([turn.data, turn.posts], ["", ["p1"]]);
    world.ok();
    assert.ok(world.said().includes("a POST p1 ok"));
    world.poll("t2");
    world.post("p2", "4y");
    assert.deepEqual(world.committing().posts, ["p2"], "only the first one is marked");
  });

  it("is handled once, whoever sends it again meanwhile", () => {
    const world = new OwnedWorld({ turn: 5 });
    world.post("p1", "4x", "a");
    world.committing();
    world.post("p1", "4x", "b");
    world.ok();
    world.ok();
    assert.deepEqual(world.events, ["message x"]);
    assert.deepEqual(world.said().sort(), ["a POST p1 ok", "b POST p1 ok"]);
  });

  it("ends its session where it has ended two owners, and says so to the application", () => {
    const world = new OwnedWorld({ turn: 7, data: `${MARKED}{"a":1}` });
    assert.deepEqual(world.socket.data, { a: 1 });
    world.poll("t1");
    world.post("p1", "4x");
    assert.equal(world.committing().phase, "closed");
    world.ok();
    assert.deepEqual(world.events, ["close transport error: two nodes ended while they handled this request"]);
    assert.deepEqual(world.said().sort(), ["a GET t1 [1]", "a POST p1 unknown"]);
  });

  it("has ended nobody where the owner that marked it is there still: the session was claimed from it, or handed over", () => {
    const world = new OwnedWorld({ turn: 7, data: MARKED }, true);
    world.post("p1", "4x");
    assert.equal(world.committing().data, '["p1","me"]\n\n');
    world.ok();
    world.ok();
    assert.deepEqual(world.events, ["message x"]);
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
  });

  it("is suspected of nothing where the owner before left: it is handled at once", () => {
    const world = new OwnedWorld({ turn: 7 }, true);
    world.post("p1", "4x");
    assert.deepEqual(world.events, ["message x"]);
    assert.deepEqual(world.committing().posts, ["p1"]);
  });

  it("nor where it comes long after the owner ended: that one did not have it in hand", () => {
    const world = new OwnedWorld({ turn: 7, data: MARKED });
    world.owner.clock.advance(20_000);
    world.settle();
    world.events.splice(0);
    world.post("p1", "4x");
    const { data, posts } = world.committing();
    assert.deepEqual([data, posts], ["", ["p1"]]);
    world.ok();
    assert.deepEqual(world.events, ["message x"]);
  });

  it("is handled at once where this node had marked it, lost the session, and has it again", () => {
    const world = new OwnedWorld({ turn: 7, data: '["p1","me"]\n\n' });
    world.post("p1", "4x");
    assert.deepEqual(world.events, ["message x"]);
    const { data, posts } = world.committing();
    assert.deepEqual([data, posts], ["", ["p1"]]);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
  });

  it("is another one than the one that was marked: nothing is held against it", () => {
    const world = new OwnedWorld({ turn: 7, data: MARKED });
    world.post("p2", "4y");
    assert.equal(world.committing().data, '["p2","me"]\n\n');
    world.ok();
    world.ok();
    assert.deepEqual(world.events, ["message y"]);
  });

  it("stays marked while no POST is handled: the session may move on before it comes", () => {
    const world = new OwnedWorld({ turn: 7, data: MARKED });
    world.socket.send("x");
    world.poll("t1");
    const { data } = world.committing();
    assert.equal(data ?? MARKED, MARKED);
    world.ok();
    world.post("p1", "4x");
    assert.equal(world.committing().phase, "closed");
  });

  it("is not answered by an owner that lost the session while it was marked", () => {
    const world = new OwnedWorld({ turn: 5 });
    world.post("p1", "4x");
    world.answer({ kind: "fenced", owner: "other", turn: 6 });
    assert.deepEqual(world.said(), ["a POST p1 not mine"]);
    assert.deepEqual(world.events, ["close taken over"]);
  });

  it("has others behind it, each of which is marked, and handled, in its turn", () => {
    const world = new OwnedWorld({ turn: 5 });
    world.post("p1", "4x");
    world.post("p2", "4y", "b");
    assert.equal(world.committing().data, '["p1","me"]\n\n');
    world.post("p3", "4z", "c");
    world.post("p2", "4y", "c");
    assert.deepEqual(world.events, []);
    world.ok();
    assert.deepEqual(world.events, ["message x"]);
    const second = world.committing();
    assert.deepEqual([second.posts, second.data], [["p1"], '["p2","me"]\n\n']);
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
    assert.deepEqual(world.events, ["message x", "message y"]);
    const third = world.committing();
    assert.deepEqual([third.posts, third.data], [["p2"], '["p3","me"]\n\n']);
    world.ok();
    const last = world.committing();
    assert.deepEqual([last.posts, last.data], [["p3"], ""]);
    world.ok();
    assert.deepEqual(world.said(), ["b POST p2 ok", "c POST p2 ok", "c POST p3 ok"]);
    assert.deepEqual(world.events, ["message x", "message y", "message z"]);
    world.post("p4", "4x");
    world.post("p5", "4x");
    assert.deepEqual(world.ok().posts, ["p4", "p5"], "they are the first no more");
  });

  it("has others behind it, who learn what becomes of the session", () => {
    for (const end of ["lost", "ended by the first"]) {
      const world = new OwnedWorld({ turn: 5 });
      world.post("p1", "1");
      world.post("p2", "4y", "b");
      world.post("p3", "4z", "c");
      if (end === "lost") world.answer({ kind: "fenced", owner: "other", turn: 6 });
      else world.settle();
      const said = end === "lost" ? ["a POST p1 not mine", "b POST p2 not mine", "c POST p3 not mine"] : undefined;
      assert.deepEqual(world.said().sort(), said ?? ["a POST p1 ok", "b POST p2 unknown", "c POST p3 unknown"]);
    }
  });

  it("has others behind it, which are handled at once when too much time has passed", () => {
    const world = new OwnedWorld({ turn: 5 });
    for (const key of ["p1", "p2", "p3"]) world.post(key, `4${key}`);
    world.committing();
    world.owner.clock.advance(20_000);
    world.ok();
    assert.deepEqual(world.events.slice(0, 3), ["message p1", "message p2", "message p3"]);
    assert.deepEqual(world.committing().posts, ["p1", "p2", "p3"]);
  });

  it("and the one that has ended two owners is known behind others, and after them", () => {
    for (const when of ["meanwhile", "later"]) {
      const world = new OwnedWorld({ turn: 7, data: MARKED });
      world.post("p2", "4y");
      if (when === "later") world.settle();
      world.post("p1", "4x");
      world.settle();
      assert.deepEqual(world.events, [
        "message y",
        "close transport error: two nodes ended while they handled this request",
      ]);
      assert.deepEqual(world.said().sort(), ["a POST p1 unknown", "a POST p2 ok"]);
    }
  });
});
