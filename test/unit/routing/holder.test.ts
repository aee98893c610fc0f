import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AnswerCode, bare, RequestKind, type Answer } from "../../../src/session/answers";
import { at, AWAY, HERE, HolderWorld, TestConnection, TIMES } from "./holder-kit";

const PACKETS: Answer = { code: AnswerCode.Packets, body: "4x", compress: false };
const OK = bare(AnswerCode.Ok);
const UNAVAILABLE = bare(AnswerCode.Unavailable);

/** A holder with one poll that was put to node `a`. */
function polling(): { world: HolderWorld; poll: ReturnType<HolderWorld["poll"]> } {
  const world = new HolderWorld();
  world.guesses.set("s", at("a"));
  const poll = world.poll("t1");
  world.questions();
  return { world, poll };
}

describe("H1: a request", () => {
  it("is put where the session was last known to be, without a search", () => {
    const world = new HolderWorld();
    world.guesses.set("s", at("a"));
    world.poll("t1");
    world.post("p1");
    assert.deepEqual(world.questions(), ["a GET s t1", "a POST s p1"]);
    assert.equal(world.searches.length, 0);
  });

  it("is put to this node's own session", () => {
    const world = new HolderWorld();
    world.own.add("s");
    world.guesses.set("s", HERE);
    world.poll("t1");
    assert.deepEqual(world.questions(), ["me GET s t1"]);
  });

  it("waits for a search where nobody knows, and one search serves all of its session", async () => {
    const world = new HolderWorld();
    world.poll("t1");
    world.post("p1");
    world.poll("t1");
    world.poll("t9", "other");
    assert.deepEqual(
      world.searches.map(({ sid }) => sid),
      ["s", "other"],
    );
    await world.found(at("a"));
    assert.deepEqual(world.questions(), ["a GET s t1", "a POST s p1"]);
  });

  it("joins a search that runs, though there is a guess by now", () => {
    const world = new HolderWorld();
    world.poll("t1");
    world.guesses.set("s", at("a"));
    world.post("p1");
    assert.equal(world.searches.length, 1);
    assert.deepEqual(world.questions(), []);
  });

  it("of no session is told so", async () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    await world.found({ kind: "unknown" });
    assert.deepEqual(poll.answers, [bare(AnswerCode.UnknownSid)]);
    assert.equal(world.holder.size, 0);
  });

  it("is not put to anybody when its connection broke during the search", async () => {
    const world = new HolderWorld();
    world.poll("t1").break();
    assert.equal(world.holder.size, 0);
    await world.found(at("a"));
    assert.deepEqual([world.questions(), world.hints], [[], []]);
  });
});

describe("H6: a request that was in hand when this node stood still", () => {
  it("is not asked again where its connection turns out closed: it may have been handled elsewhere, and forgotten", async () => {
    const { world } = polling();
    const post = world.post("p1");
    assert.deepEqual(world.questions(), ["a POST s p1"]);
    world.pause = 100;
    world.holder.askAllAgain("lease retaken");
    world.clock.advance(99);
    assert.equal(world.searches.length, 0);
    post.break();
    world.clock.advance(1);
    await world.found(at("b"));
    assert.deepEqual(world.questions(), ["b GET s t1"]);
  });

  it("but not where it is a send, which its owner knows by its number however old it is", () => {
    const world = new HolderWorld();
    world.pause = 100;
    new TestConnection(world.holder, RequestKind.Send, "s", "me:1");
    assert.equal(world.searches.length, 1);
  });

  it("is looked for again, where it was looked for then", async () => {
    const world = new HolderWorld();
    const post = world.post("p1");
    world.pause = 100;
    await world.found(at("a"));
    assert.deepEqual(world.questions(), []);
    world.clock.advance(99);
    post.break();
    world.clock.advance(1);
    assert.deepEqual([world.searches.length, world.holder.searches], [0, 0]);
  });

  it("is put, together with what came meanwhile, to whoever owns the session behind the wait", async () => {
    const world = new HolderWorld();
    world.post("p1");
    world.pause = 100;
    await world.found(at("a"));
    world.post("p2");
    world.clock.advance(100);
    await world.found(at("b"));
    assert.deepEqual(world.questions(), ["b POST s p1", "b POST s p2"]);
  });
});

describe("H3: an answer", () => {
  it("is given to every connection that waits for it, once", () => {
    const { world, poll } = polling();
    const retry = world.poll("t1");
    assert.deepEqual(world.questions(), ["a GET s t1"], "asked again: the first may have been lost");
    world.holder.onAnswer(RequestKind.Get, "s", "t1", PACKETS);
    world.holder.onAnswer(RequestKind.Get, "s", "t1", PACKETS);
    assert.deepEqual([poll.answers, retry.answers], [[PACKETS], [PACKETS]]);
    assert.equal(world.holder.size, 0);
  });

  it("for another kind, session or t is nobody's here", () => {
    const { world, poll } = polling();
    world.holder.onAnswer(RequestKind.Post, "s", "t1", OK);
    world.holder.onAnswer(RequestKind.Get, "st", "1", PACKETS);
    world.holder.onAnswer(RequestKind.Get, "s", "t2", PACKETS);
    assert.deepEqual(poll.answers, []);
    assert.equal(world.holder.size, 1);
  });

  it("is taken from whoever gives it: also from one that is not asked any more", () => {
    const { world, poll } = polling();
    world.holder.askAgainAt("a", "link loss");
    world.holder.onAnswer(RequestKind.Get, "s", "t1", PACKETS);
    assert.deepEqual(poll.answers, [PACKETS]);
  });

  it("is this node's to a request that no frame can take to its owner, unless that is here", () => {
    const world = new HolderWorld();
    world.tooLong = true;
    world.own.add("mine");
    world.guesses.set("mine", HERE);
    world.guesses.set("s", at("a"));
    const posts = [world.post("p1"), world.post("p1", "mine")];
    assert.deepEqual(
      posts.map(({ answers }) => answers),
      [[bare(AnswerCode.TooLarge)], []],
    );
    assert.equal(world.holder.size, 1);
  });
});

describe("H4: a broken connection", () => {
  it("of the last holder is hinted to the node that was asked; before, it is not", () => {
    const { world, poll } = polling();
    const retry = world.poll("t1");
    poll.break();
    assert.deepEqual(world.hints, []);
    retry.break();
    assert.deepEqual(world.hints, ["a s t1"]);
    world.holder.onAnswer(RequestKind.Get, "s", "t1", PACKETS);
    assert.deepEqual([poll.answers, retry.answers], [[], []]);
  });

  it("twice is once, and after the answer it is nothing", () => {
    const { world, poll } = polling();
    world.holder.onAnswer(RequestKind.Get, "s", "t1", PACKETS);
    poll.break();
    poll.break();
    assert.deepEqual(world.hints, []);
  });

  it("of a POST is no hint: it may be handled already", () => {
    const world = new HolderWorld();
    world.guesses.set("s", at("a"));
    world.post("p1").break();
    assert.deepEqual(world.hints, []);
    assert.equal(world.holder.size, 0);
  });
});

describe("H2: a request is asked again, with the same t", () => {
  it("when the node says that it is not its own", async () => {
    const { world } = polling();
    world.holder.onNotMine("a", RequestKind.Get, "s", "t1");
    assert.deepEqual(world.repeats, ["not mine"]);
    assert.equal(world.searches.length, 0, "after a pause: the owner may be claiming it at this moment");
    world.clock.advance(20);
    await world.found(at("b"));
    assert.deepEqual(world.questions(), ["b GET s t1"]);
  });

  it("but not for a late word of a node that was asked before", () => {
    const { world } = polling();
    world.guesses.set("s", at("b"));
    world.poll("t1");
    assert.deepEqual(world.questions(), ["b GET s t1"]);
    world.holder.onNotMine("a", RequestKind.Get, "s", "t1");
    assert.deepEqual(world.repeats, []);
  });

  it("when the link may have lost it, or the node is dead: all that was put there, and nothing else", async () => {
    const { world } = polling();
    world.post("p1");
    world.guesses.set("elsewhere", at("b"));
    world.poll("t7", "elsewhere");
    world.questions();
    world.holder.askAgainAt("a", "link loss");
    assert.deepEqual(
      world.searches.map(({ sid }) => sid),
      ["s"],
    );
    assert.deepEqual(world.repeats, ["link loss", "link loss"]);
    await world.found(at("a"));
    assert.deepEqual(world.questions(), ["a GET s t1", "a POST s p1"]);
    world.holder.askAgainAt("c", "node dead");
    assert.equal(world.searches.length, 0);
  });

  it("when a POST was not answered in time; a poll may wait for ever", async () => {
    const { world } = polling();
    world.post("p1");
    world.questions();
    world.clock.advance(TIMES.postDeadline - 1);
    assert.equal(world.searches.length, 0);
    // The poll was said again, twice, and is left alone then.
    assert.deepEqual(world.questions(), ["a GET s t1", "a GET s t1"]);
    world.clock.advance(1);
    assert.deepEqual(world.repeats, ["poll", "poll", "deadline"]);
    await world.found(at("b"));
    assert.deepEqual(world.questions(), ["b POST s p1"]);
  });

  it("of whoever owns the session by now, when the node that has a poll says nothing: twice", async () => {
    const { world } = polling();
    world.questions();
    world.silent.add("a");
    world.clock.advance(600);
    await world.found(at("a"));
    world.clock.advance(600);
    await world.found(at("b"));
    assert.deepEqual(world.questions(), ["a GET s t1", "b GET s t1"]);
    world.silent.add("b");
    world.clock.advance(60_000);
    assert.equal(world.searches.length, 0);
    assert.deepEqual(world.questions(), ["b GET s t1"]);
  });

  it("after pauses that grow and have an end, while nobody can say", async () => {
    const world = new HolderWorld();
    world.poll("t1");
    const pauses: number[] = [];
    for (let i = 0; i < 30; i++) {
      await world.found(AWAY);
      const from = world.clock.now();
      while (world.searches.length === 0) world.clock.advance(1);
      pauses.push(world.clock.now() - from);
    }
    assert.deepEqual(pauses.slice(0, 4), [20, 40, 60, 80]);
    assert.ok(pauses.every((pause, i) => pause <= 500 && pause >= (pauses[i - 1] ?? 0)));
  });

  it("with doubt after three times the wrong node", async () => {
    const { world } = polling();
    const doubts: string[] = [];
    for (let i = 0; i < 4; i++) {
      world.holder.onNotMine("a", RequestKind.Get, "s", "t1");
      world.clock.advance(500);
      doubts.push(world.searches[0]?.doubted.join() ?? assert.fail("no search"));
      await world.found(at("a"));
    }
    assert.deepEqual(doubts, ["", "", "a", "a"]);
  });

  it("without doubt of the node that is found next: what another one said does not count against it", async () => {
    const { world } = polling();
    const doubts: string[] = [];
    for (const asked of ["a", "a", "a", "b", "b", "b"]) {
      world.holder.onNotMine(asked, RequestKind.Get, "s", "t1");
      world.clock.advance(500);
      doubts.push(world.searches[0]?.doubted.join() ?? assert.fail("no search"));
      await world.found(at(doubts.length < 3 ? "a" : "b"));
    }
    assert.deepEqual(doubts, ["", "", "a", "", "", "b"]);
  });

  it("where this node was said to own it and does not", async () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    await world.found(HERE);
    world.clock.advance(20);
    world.own.add("s");
    await world.found(HERE);
    assert.deepEqual(world.questions(), ["me GET s t1"]);
    assert.deepEqual(poll.answers, []);
  });

  it("never where nobody waits for it any more", async () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    await world.found(AWAY);
    poll.break();
    world.clock.advance(60_000);
    await world.promises();
    assert.equal(world.searches.length, 0);
    assert.equal(world.clock.timers, 0);
  });
});

describe("the bound of a search", () => {
  it("is an answer Unavailable, in all its pauses and repeats", async () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    const post = world.post("p1");
    let waited = 0;
    while (poll.answers.length === 0 && waited <= TIMES.giveUpAfter) {
      if (world.searches.length > 0) await world.found(AWAY);
      world.clock.advance(100);
      waited += 100;
    }
    assert.equal(waited, TIMES.giveUpAfter);
    assert.deepEqual([poll.answers, post.answers], [[UNAVAILABLE], [UNAVAILABLE]]);
    assert.equal(world.holder.size, 0);
    if (world.searches.length > 0) await world.found(at("a"));
    world.clock.advance(60_000);
    assert.deepEqual(world.questions(), []);
  });

  it("holds for a search that is never answered at all", () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    world.clock.advance(TIMES.giveUpAfter);
    assert.deepEqual(poll.answers, [UNAVAILABLE]);
  });

  it("does not hold for a poll that an owner has", async () => {
    const world = new HolderWorld();
    const poll = world.poll("t1");
    await world.found(at("a"));
    world.clock.advance(10 * TIMES.giveUpAfter);
    assert.deepEqual(poll.answers, []);
    assert.equal(world.holder.size, 1);
  });

  for (const [what, kind] of [
    ["POST", RequestKind.Post],
    ["send", RequestKind.Send],
  ] as const) {
    it(`holds for a ${what} that owner after owner does not answer`, async () => {
      const world = new HolderWorld();
      const { answers } = new TestConnection(world.holder, kind, "s", "me:1");
      for (let waited = 0; waited < TIMES.giveUpAfter; waited += 500) {
        if (world.searches.length > 0) await world.found(at("a"));
        world.clock.advance(500);
      }
      assert.deepEqual(answers, [UNAVAILABLE]);
    });
  }

  it("begins anew with the next request", () => {
    const world = new HolderWorld();
    const first = world.poll("t1");
    world.clock.advance(TIMES.giveUpAfter - 100);
    const second = world.poll("t2");
    world.clock.advance(100);
    assert.deepEqual([first.answers.length, second.answers.length], [1, 0]);
    world.clock.advance(TIMES.giveUpAfter - 100);
    assert.equal(second.answers.length, 1);
  });
});

describe("abandonAll", () => {
  it("breaks the connections of polls and POSTs, and tells other nodes that a poll is gone", () => {
    const { world, poll } = polling();
    const post = world.post("p1");
    world.own.add("mine");
    world.guesses.set("mine", HERE);
    const own = world.poll("t2", "mine");
    world.questions();
    world.holder.abandonAll();
    assert.deepEqual(
      [poll, post, own].map(({ abandoned }) => abandoned),
      [1, 1, 1],
    );
    assert.deepEqual(world.hints, ["a s t1"], "a session of this node is not to end of it");
    assert.equal(world.holder.size, 0);
  });

  it("leaves sends alone, which nobody else has", () => {
    const world = new HolderWorld();
    const send = new TestConnection(world.holder, RequestKind.Send, "s", "me:1");
    world.holder.abandonAll();
    assert.equal(send.abandoned, 0);
    assert.equal(world.holder.size, 1);
  });
});

describe("a node that much is under way to", () => {
  /** A POST and a send that wait for the way to node `a`, and a poll, which does not. */
  function congested(): { world: HolderWorld; poll: TestConnection; post: TestConnection; send: TestConnection } {
    const world = new HolderWorld();
    for (const sid of ["s", "s2"]) world.guesses.set(sid, at("a"));
    world.congested.add("a");
    const post = world.post("p1");
    const send = new TestConnection(world.holder, RequestKind.Send, "s2", "me:1");
    const poll = world.poll("t1");
    assert.deepEqual(world.questions(), ["a GET s t1"]);
    return { world, poll, post, send };
  }

  it("is asked for POSTs and sends when the way is free, in order", () => {
    const { world } = congested();
    world.holder.onUncongested("a");
    world.congested.clear();
    world.holder.onUncongested("other");
    assert.deepEqual(world.questions(), []);
    world.holder.onUncongested("a");
    assert.deepEqual(world.questions(), ["a POST s p1", "a POST s2 me:1"]);
    world.holder.onUncongested("a");
    assert.deepEqual(world.questions(), []);
  });

  it("is not asked for what was put to another since, was given up, or was answered", async () => {
    const { world, post, send } = congested();
    post.break();
    world.holder.askAgainAt("a", "link loss");
    await world.found(at("b"));
    if (world.searches.length > 0) await world.found(at("b"));
    assert.deepEqual(world.questions().sort(), ["b GET s t1", "b POST s2 me:1"]);
    world.congested.clear();
    world.holder.onUncongested("a");
    assert.deepEqual(world.questions(), []);
    world.holder.onAnswer(RequestKind.Send, "s2", "me:1", OK);
    assert.deepEqual(send.answers, [OK]);
  });

  it("is looked for again when a POST has waited for its deadline, as one that does not answer", async () => {
    const { world, post } = congested();
    world.clock.advance(TIMES.postDeadline);
    while (world.searches.length > 0) await world.found(at("a"));
    assert.ok(!world.questions().includes("a POST s p1"));
    world.congested.clear();
    world.holder.onUncongested("a");
    assert.ok(world.questions().includes("a POST s p1"));
    assert.equal(post.answers.length, 0);
  });

  it("leaves a request unanswered no longer than one that nobody owns", async () => {
    const { world, post } = congested();
    for (let waited = 0; waited < 2 * TIMES.giveUpAfter; waited += 1000) {
      world.clock.advance(1000);
      while (world.searches.length > 0) await world.found(at("a"));
    }
    assert.deepEqual(post.answers, [UNAVAILABLE]);
    world.congested.clear();
    world.questions();
    world.holder.onUncongested("a");
    assert.ok(!world.questions().includes("a POST s p1"));
  });
});

describe("stop", () => {
  it("breaks every connection, so that the front asks another node, and asks nothing more", async () => {
    const { world, poll } = polling();
    const retry = world.poll("t1");
    const searching = world.post("p1", "unknown yet");
    const pausing = world.poll("t3", "away");
    await world.promises();
    world.questions();
    world.holder.stop();
    assert.deepEqual(
      [poll, retry, searching, pausing].map(({ abandoned }) => abandoned),
      [1, 1, 1, 1],
    );
    assert.equal(world.holder.size, 0);
    assert.equal(world.clock.timers, 0);
    while (world.searches.length > 0) await world.found(at("a"));
    world.clock.advance(60_000);
    assert.deepEqual([world.questions(), world.hints], [[], []]);
  });
});
