import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnPart } from "../../../src/session/own-part";
import type { NodeId, SessionRecord } from "../../../src/store/port";
import { FIRST_RELEASE } from "../../../src/session/upgrade";
import { RelayedTransport } from "../../../src/transports/relayed";
import { OwnedWorld, PING_TIMEOUT } from "./owned-kit";

const ENDED = "close transport close: the websocket that the client was going over to is gone, and with it its node";

/** What the record's own part says of a session whose client was going over to a websocket at `gateway`. */
function goingOver(gateway: NodeId): Partial<SessionRecord> {
  const own = new OwnPart("");
  own.gateway = gateway;
  return { owner: "before", data: own.text() };
}

/** A session that was adopted from "before" while its client was going over to a websocket at `gateway`. */
function adopted(gateway: NodeId, dead: readonly NodeId[] = [], record: Partial<SessionRecord> = {}): OwnedWorld {
  const world = new OwnedWorld({ ...goingOver(gateway), ...record });
  world.session.seekGateway("before", (node) => !dead.includes(node));
  return world;
}

/** Its client goes over to a websocket at the node "gateway", and was answered its probe. */
class Relayed extends OwnedWorld {
  readonly sent: string[] = [];
  readonly websocket: RelayedTransport;

  constructor(gateway = "gateway", asks = true) {
    super();
    this.owner.onUpgraded = () => undefined;
    const pipe = {
      send: (message: string | Buffer) => this.sent.push(message.toString()),
      close: () => this.sent.push("closed"),
      leave: () => this.sent.push("left"),
      congested: false,
    };
    this.websocket = new RelayedTransport(4, pipe, 1e6, asks);
    this.session.upgradeTo(this.websocket, () => undefined, gateway);
    this.poll("t1");
    this.websocket.onMessage("2probe");
  }

  /** The record says so, and the client knows. */
  probed(): this {
    this.ok();
    assert.deepEqual(this.sent.splice(0), ["3probe"]);
    return this;
  }

  /** The gateway asks for the poll to be let go. */
  asks(): void {
    this.websocket.emit("release");
  }
}

function gatewayIn({ data }: { readonly data?: string | undefined }): NodeId | undefined {
  return new OwnPart(data ?? "").gateway;
}

describe("U7: the record of a session whose client goes over", () => {
  it("names the gateway before the probe is answered, and no more when the websocket is recorded", () => {
    const world = new Relayed();
    assert.deepEqual([gatewayIn(world.committing()), world.sent], ["gateway", []]);
    world.probed();
    world.websocket.onMessage("5");
    const upgrade = world.ok();
    assert.deepEqual([upgrade.transport, upgrade.data, gatewayIn(upgrade)], ["websocket", "", undefined]);
    world.session.gatewayEnded("gateway");
    world.idle();
  });

  it("names it no more when the upgrade has failed, and the session goes on", () => {
    const world = new Relayed().probed();
    world.websocket.onClose();
    const commit = world.ok();
    assert.deepEqual([commit.data, commit.inflight], ["", null]);
    world.socket.send("x");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    world.session.gatewayEnded("gateway");
    world.idle();
  });

  it("keeps the mark of a first POST beside it", () => {
    const own = new OwnPart("");
    own.gateway = "g";
    own.mark = { key: "p1", by: "n" };
    own.data = "{}";
    const read = new OwnPart(own.text());
    assert.deepEqual([read.gateway, read.mark, read.data], ["g", { key: "p1", by: "n" }, "{}"]);
  });
});

describe("U7: a session is adopted whose websocket ended with its node", () => {
  for (const [what, gateway, dead] of [
    ["the owner before", "before", []],
    ["a dead gateway", "gateway", ["gateway"]],
  ] as const) {
    it(`gives the next poll what waits and the close: ${what}`, () => {
      const world = adopted(gateway, dead, { packets: ["4a"] });
      assert.equal(gatewayIn(world.ok()), "me", "the next owner is to know, whatever becomes of the gateway");
      world.poll("t1");
      assert.equal(world.ok().phase, "closed");
      assert.deepEqual(world.said(), ["a GET t1 [4a 1]"]);
      assert.deepEqual(world.events, [ENDED]);
    });
  }

  it("gives the poll that the former owner had answered its packets again, and the close behind them", () => {
    const world = adopted("before", [], { packets: ["4a", "4b"], inflight: { t: "t1", upTo: 1 } });
    world.poll("t1");
    const commit = world.ok();
    assert.deepEqual([commit.phase, commit.inflight, commit.packets], ["closed", { t: "t1", upTo: 3 }, ["1"]]);
    assert.deepEqual(world.said(), ["a GET t1 [4a 4b 1]"]);
    world.poll("t1", "b");
    assert.deepEqual(world.said(), ["b GET t1 [4a 4b 1]"]);
  });

  it("handles a POST while a poll waits for its end, which tells the client", () => {
    const world = adopted("before");
    world.poll("t1");
    world.committing();
    world.post("p1", "4late");
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [1]", "a POST p1 unknown"]);
  });

  it("handles a POST, and refuses it, where the poll was answered already: by that the client learns", () => {
    const world = adopted("before");
    world.post("p1", "4late");
    // O14: the first POST after a takeover is marked before it is handled.
    world.ok();
    assert.deepEqual([world.said(), world.events], [[], ["message late"]]);
    const commit = world.ok();
    assert.deepEqual([commit.posts, commit.phase, world.said()], [["p1"], undefined, []]);
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a POST p1 unknown"]);
    world.post("p1", "4late", "b");
    assert.deepEqual(world.said(), ["b POST p1 unknown"], "whoever asks again");
  });

  it("refuses a POST that the former owner has handled, and ends", () => {
    const world = adopted("before", [], { handled: ["p1"] });
    world.post("p1", "4x");
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual([world.said(), world.events], [["a POST p1 unknown"], [ENDED]]);
  });

  it("gives a poll that comes behind such a POST all that waits", () => {
    const world = adopted("before", [], { handled: ["p1"] });
    world.committing();
    world.socket.send("x");
    world.post("p1", "4x");
    world.poll("t1");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 unknown", "a GET t1 [4x 1]"]);
  });

  it("refuses a pong, and ends", () => {
    const world = adopted("before");
    world.post("p1", "3");
    assert.equal(world.ok().phase, "closed");
    assert.deepEqual(world.said(), ["a POST p1 unknown"]);
  });

  it("has no poll for long: it ends by its ping, as others", () => {
    const world = adopted("before");
    world.owner.clock.advance(1000);
    world.settle();
    world.owner.clock.advance(PING_TIMEOUT);
    world.settle();
    assert.deepEqual(world.events, ["close ping timeout"]);
  });

  it("is closing: the close does not wait for another poll", () => {
    const world = adopted("before", [], { phase: "closing", packets: ["4a"] });
    world.poll("t1");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4a 1]"]);
  });
});

describe("U7: a session is adopted whose gateway lives", () => {
  it("waits for the websocket, and goes over", () => {
    const world = adopted("gateway", [], { packets: ["4a"] });
    world.owner.onUpgraded = () => undefined;
    world.poll("t1");
    world.idle();
    const sent: string[] = [];
    const pipe = {
      send: (message: string | Buffer) => sent.push(message.toString()),
      close: () => 0,
      leave: () => 0,
      congested: false,
    };
    const websocket = new RelayedTransport(4, pipe, 1e6);
    world.session.upgradeTo(websocket, () => undefined, "gateway");
    websocket.onMessage("2probe");
    world.ok();
    websocket.onMessage("5");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [6]"]);
    assert.deepEqual(sent, ["3probe", "4a"]);
    world.owner.clock.advance(world.owner.upgradeTimeout);
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("close")),
      [],
    );
  });

  it("does not answer a pong while no poll is there to be told: it may be the last that the client waits for", () => {
    const world = adopted("gateway");
    world.post("p1", "3");
    world.settle();
    assert.deepEqual(world.said(), []);
    world.session.gatewayEnded("gateway");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 unknown"]);
    assert.equal(world.events.at(-1), ENDED);
  });

  it("answers a pong beside a poll when it is proved", () => {
    const world = adopted("gateway");
    world.poll("t1");
    world.post("p1", "3");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
  });

  it("ends where none comes in time, or the gateway dies", () => {
    for (const dies of [true, false]) {
      const world = adopted("gateway");
      world.poll("t1");
      world.idle();
      if (dies) world.session.gatewayEnded("gateway");
      else world.owner.clock.advance(world.owner.upgradeTimeout);
      world.settle();
      assert.deepEqual(world.said(), [dies ? "a GET t1 [1]" : "a GET t1 [2 1]"]);
    }
  });

  it("leaves no timer where it is lost before", () => {
    const others = new OwnedWorld({}).owner.clock.timers;
    const world = adopted("gateway");
    assert.equal(world.owner.clock.timers, others + 1);
    world.session.halt();
    assert.equal(world.owner.clock.timers, others);
  });
});

describe("U7: an owner whose gateway is another node", () => {
  it("gives the poll what waits when the gateway says that it lives, and nothing before", () => {
    const world = new Relayed().probed();
    world.socket.send("x");
    world.ok();
    assert.deepEqual(world.said(), []);
    world.asks();
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
    // Again: the client polled once more, and waits still.
    world.poll("t2");
    world.asks();
    world.ok();
    assert.deepEqual(world.said(), ["a GET t2 [6]"]);
  });

  it("does not let go a poll that comes after the gateway asked: it may be dead by then", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [6]"]);
    world.asks();
    world.poll("t2");
    world.idle();
    // Neither does its holder, which leaves and asks again.
    world.session.releasePoll("t2", "a");
    world.idle();
    world.session.gatewayEnded("gateway");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t2 [1]"]);
  });

  it("gives an answer again when the gateway says that it lives, or with the close where it does not", () => {
    for (const lives of [true, false]) {
      const world = new Relayed().probed();
      world.asks();
      world.ok();
      world.said();
      world.poll("t1", "b");
      world.idle();
      assert.deepEqual(world.said(), []);
      if (lives) world.asks();
      else world.session.gatewayEnded("gateway");
      world.settle();
      assert.deepEqual(world.said(), [lives ? "b GET t1 [6]" : "b GET t1 [6 1]"]);
    }
  });

  it("gives nothing twice where a late attempt asks again, and the next poll right behind it", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.session.gatewayEnded("gateway");
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [6]"]);
    world.socket.send("x");
    world.poll("t1", "b");
    world.poll("t2", "c");
    world.settle();
    assert.deepEqual(world.said(), ["b GET t1 refused", "c GET t2 [4x 1]"]);
    assert.equal(world.events.at(-1), ENDED);
  });

  it("tells all who ask again", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.session.gatewayEnded("gateway");
    world.settle();
    world.said();
    for (const holder of ["b", "c"]) world.poll("t1", holder);
    world.settle();
    assert.deepEqual(world.said(), ["b GET t1 [6 1]", "c GET t1 [6 1]"]);
  });

  it("ends with the answer whose commit was under way when the gateway died", () => {
    const world = new Relayed().probed();
    world.asks();
    world.committing();
    world.session.gatewayEnded("gateway");
    world.ok();
    assert.deepEqual(world.said(), []);
    assert.deepEqual(world.ok().inflight, { t: "t1", upTo: 2 });
    assert.deepEqual([world.said(), world.events.at(-1)], [["a GET t1 [6 1]"], ENDED]);
  });

  it("answers that poll whatever else ends the session meanwhile", () => {
    const world = new Relayed().probed();
    world.asks();
    world.committing();
    world.session.gatewayEnded("gateway");
    world.socket.onError(new Error("of the application"));
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [6 1]"]);
  });

  it("ends with a poll that was held by nobody when the gateway died, and comes back", () => {
    const world = new Relayed().probed();
    world.session.gone("t1", "a");
    world.session.gatewayEnded("gateway");
    world.ok();
    world.idle();
    world.poll("t1", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET t1 [1]"]);
  });

  it("refuses a POST that was under way when the gateway died, where no poll is left to be told", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.said();
    world.post("p1", "4x");
    world.committing();
    world.session.gatewayEnded("gateway");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 unknown"]);
    assert.deepEqual(world.events, ["message x", ENDED]);
  });

  it("answers a POST when the gateway says that it lives, where no poll is left to be told, and refuses it where it does not", () => {
    for (const lives of [true, false]) {
      const world = new Relayed().probed();
      world.asks();
      world.ok();
      world.said();
      world.post("p1", "4x");
      world.ok();
      world.post("p1", "4x", "b");
      assert.deepEqual(world.said(), []);
      if (lives) world.asks();
      else world.session.gatewayEnded("gateway");
      world.settle();
      const answer = lives ? "ok" : "unknown";
      assert.deepEqual(world.said(), [`a POST p1 ${answer}`, `b POST p1 ${answer}`]);
      assert.deepEqual(world.events, lives ? ["message x"] : ["message x", ENDED]);
    }
  });

  it("refuses it behind the close that a poll is given which asks again: that may have had its answer since", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.said();
    world.poll("t1", "b");
    world.post("p1", "4x");
    world.ok();
    assert.deepEqual(world.said(), []);
    world.session.gatewayEnded("gateway");
    world.settle();
    assert.deepEqual(world.said(), ["b GET t1 [6 1]", "a POST p1 unknown"]);
    assert.deepEqual(world.events, ["message x", ENDED]);
  });

  it("answers a POST at once while a poll waits, or where the client polls on", () => {
    const world = new Relayed().probed();
    world.post("p1", "4x");
    world.ok();
    assert.deepEqual(world.said(), ["a POST p1 ok"]);
    world.asks();
    world.ok();
    world.said();
    world.post("p2", "4y");
    world.ok();
    world.poll("t2");
    assert.deepEqual(world.said(), ["a POST p2 ok"]);
  });

  it("refuses what is asked again while its end is recorded", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.said();
    world.session.gatewayEnded("gateway");
    world.post("p1", "4x");
    world.ok();
    world.committing();
    world.poll("t1", "b");
    world.settle();
    assert.deepEqual(world.said(), ["a POST p1 unknown", "b GET t1 unknown"]);
  });

  it("fails in time where the gateway still asks, and ends where it was not heard any more", () => {
    for (const asks of [true, false]) {
      const world = new Relayed().probed();
      world.owner.clock.advance(world.owner.upgradeTimeout - 500);
      if (asks) {
        world.asks();
        world.settle();
        world.poll("t2");
      }
      world.owner.clock.advance(500);
      world.socket.send("x");
      world.settle();
      assert.deepEqual(world.said(), asks ? ["a GET t1 [6]", "a GET t2 [4x]"] : ["a GET t1 [1]"]);
    }
  });

  it("lets the poll go by itself, and holds nothing back, where the gateway is of a version that does not ask", () => {
    const world = new Relayed("gateway", false).probed();
    world.owner.clock.advance(FIRST_RELEASE);
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [6]"]);
    world.poll("t2");
    world.socket.send("x");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t2 [4x]"]);
  });

  it("answers its client whatever a listener of upgrading throws", () => {
    const world = new Relayed();
    world.socket.on("upgrading", () => {
      throw new Error("of the application");
    });
    world.socket.send("x");
    world.probed();
    assert.throws(() => world.owner.clock.settle(), /of the application/);
    world.asks();
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
  });

  it("does not end where the gateway dies before the probe is answered", () => {
    const world = new Relayed();
    world.committing();
    world.session.gatewayEnded("gateway");
    world.websocket.onClose();
    world.settle();
    assert.deepEqual([world.sent, world.said(), world.events], [[], [], []]);
    world.socket.send("x");
    world.ok();
    assert.deepEqual(world.said(), ["a GET t1 [4x]"]);
  });

  it("gives all that was held back with the end", () => {
    const world = new Relayed().probed();
    world.socket.send("x");
    world.ok();
    world.socket.send("y");
    world.session.gatewayEnded("gateway");
    world.settle();
    assert.deepEqual(world.said(), ["a GET t1 [4x 4y 1]"]);
  });

  it("goes over where the gateway was only taken for dead, and no poll was there to be told", () => {
    const world = new Relayed().probed();
    world.asks();
    world.ok();
    world.session.gatewayEnded("gateway");
    world.websocket.onMessage("5");
    assert.equal(world.ok().transport, "websocket");
    world.socket.send("x");
    assert.deepEqual(world.sent, ["4x"]);
  });
});
