import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { RelayedTransport } from "../../../src/transports/relayed";
import { WebSocketTransport } from "../../../src/transports/websocket";
import { until } from "../../helpers/until";
import { OwnedWorld } from "./owned-kit";

/** A session whose client has probed a websocket and said `upgrade`; the turn that records it is under way. */
class Upgrading extends OwnedWorld {
  readonly sent: string[] = [];
  readonly websocket = new RelayedTransport(
    4,
    {
      send: (message) => this.sent.push(message.toString()),
      close: () => undefined,
      leave: () => undefined,
      congested: false,
    },
    1e6,
  );
  recorded = 0;

  constructor() {
    super();
    this.owner.onUpgraded = () => undefined;
    const taken = this.session.upgradeTo(this.websocket, () => this.recorded++);
    assert.equal(taken, true);
    this.websocket.onMessage("2probe");
    this.ok();
    assert.deepEqual(this.sent.splice(0), ["3probe"]);
    this.websocket.onMessage("5");
    assert.equal(this.committing().transport, "websocket");
  }
}

describe("O6: a session that has a websocket, whose renewal failed", () => {
  it("is written again", async () => {
    const world = new Upgrading();
    world.ok();
    void world.session.renewFailed();
    assert.equal(world.owner.restores.length, 1);
    world.owner.restores[0]?.answer({ kind: "fenced", owner: "other", turn: 9 });
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(world.owner.lost, ["other"]);
  });

  it("is not where this node is in doubt, or proves it: others may have ended it", async () => {
    const world = new Upgrading();
    world.ok();
    world.owner.inDoubt = true;
    await world.session.renewFailed();
    world.owner.inDoubt = false;
    world.session.prove();
    await world.session.renewFailed();
    assert.deepEqual(world.owner.restores, []);
    world.owner.clock.advance(10 * world.owner.recordLasts);
    world.answer({ kind: "unknown" });
    assert.deepEqual([world.owner.lost, world.owner.restores], [[undefined], []]);
  });
});

/** A session whose client has opened a websocket here, and said nothing yet. */
class Opened extends OwnedWorld {
  readonly sent: string[] = [];
  readonly websocket: RelayedTransport;

  /** `canMove`: another node has its connection. */
  constructor(canMove = false) {
    super();
    const pipe = {
      send: (message: string | Buffer) => this.sent.push(message.toString()),
      close: () => this.sent.push("closed"),
      leave: () => this.sent.push("left"),
      congested: false,
    };
    this.websocket = new RelayedTransport(4, pipe, 1e6);
    if (!canMove) Object.defineProperty(this.websocket, "canMove", { value: false });
    assert.equal(
      this.session.upgradeTo(this.websocket, () => undefined),
      true,
    );
  }
}

/** A session whose client has a websocket of the package `ws` here, and has said `5` on it: its turn is under way. */
async function upgradingHere(t: TestContext): Promise<{ world: OwnedWorld; client: WebSocket; held: WebSocket }> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  t.after(() => {
    server.close();
  });
  await once(server, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.after(() => {
    client.terminate();
  });
  const [held] = (await once(server, "connection")) as [WebSocket];
  const world = new OwnedWorld();
  world.owner.onUpgraded = () => undefined;
  const transport = new WebSocketTransport(4, held);
  assert.equal(
    world.session.upgradeTo(transport, () => undefined),
    true,
  );
  if (client.readyState !== WebSocket.OPEN) await once(client, "open");
  client.send("2probe");
  await once(transport, "packet");
  world.ok();
  client.send("5");
  await once(transport, "packet");
  assert.equal(world.committing().transport, "websocket");
  return { world, client, held };
}

describe("a poll that comes while an upgrade is recorded", () => {
  it("is let go, and its end is not the session's", () => {
    const world = new Upgrading();
    world.poll("late", "b");
    world.ok();
    assert.deepEqual(world.said(), ["b GET late [6]"]);
    world.session.gone("late", "b");
    world.owner.clock.advance(60_000);
    world.tick();
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("close transport")),
      [],
    );
  });
});

describe("L1: an upgrade of a session that leaves", () => {
  it("holds it once it is probed, until it has failed or is recorded", () => {
    for (const end of ["fails", "is recorded"] as const) {
      const world = new Opened();
      world.owner.onUpgraded = () => undefined;
      assert.equal(world.session.isGoingOver, false);
      world.websocket.onMessage("2probe");
      assert.equal(world.session.isGoingOver, false, "its probe is not answered before that is recorded");
      world.ok();
      assert.equal(world.session.isGoingOver, true);
      if (end === "fails") world.websocket.onClose();
      else {
        world.websocket.onMessage("5");
        assert.equal(world.session.isGoingOver, true);
        world.ok();
        assert.equal(world.session.direct, true);
      }
      assert.equal(world.session.isGoingOver, false);
    }
  });

  it("ends before its probe is answered: its client polls on", () => {
    for (const recording of [false, true]) {
      const world = new Opened();
      if (recording) {
        world.websocket.onMessage("2probe");
        world.committing();
      }
      world.session.depart();
      if (!recording) world.websocket.onMessage("2probe");
      world.settle();
      assert.deepEqual(world.sent, ["closed"]);
      assert.equal(world.socket.upgrading, false);
    }
  });

  it("goes on at the next owner where another node has the websocket", () => {
    const world = new Opened(true);
    world.session.depart();
    world.websocket.onMessage("2probe");
    world.ok();
    assert.deepEqual([world.sent, world.session.isGoingOver], [["3probe"], false]);
    world.session.replaced();
    assert.deepEqual(world.sent, ["3probe", "left"]);
  });
});

describe("U2: a websocket while its upgrade is recorded", () => {
  it("sends nothing, and keeps what the client says behind it", () => {
    const world = new Upgrading();
    world.socket.send("x");
    world.websocket.onMessage("4early");
    world.tick();
    assert.deepEqual([world.sent, world.recorded, world.events], [[], 0, []]);
    world.answer({ kind: "ok" });
    assert.equal(world.recorded, 1);
    assert.ok(world.events.includes("message early"));
    assert.deepEqual(world.sent, ["4x"]);
    assert.equal(world.socket.readyState, "open");
  });

  it("closes: the session ends with it, and does not wait for its ping to time out", () => {
    const world = new Upgrading();
    world.websocket.onClose();
    assert.deepEqual(world.events, [], "not before the record says how it ends");
    world.answer({ kind: "ok" });
    assert.deepEqual(world.events, ["close transport close"]);
    const last = world.ok();
    assert.equal(last.phase, "closed");
    assert.deepEqual(world.owner.ended, [world.session]);
    world.idle();
  });

  it("is not read on, however much its client says; all of it comes in order when that is recorded", async (t) => {
    const { world, client, held } = await upgradingHere(t);
    let read = 0;
    held.on("message", () => read++);
    const sent = Array.from({ length: 200 }, (_, n) => `message ${String(n)} ${"x".repeat(100_000)}`);
    for (const text of sent) client.send(`4${text}`);
    await until("it has begun to come", () => read > 0);
    assert.equal(held.isPaused, true);
    // Far longer than 20 MB take on this machine's own network.
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(read < 20, `${String(read)} messages were read`);
    assert.equal(world.events.length, 0);
    world.answer({ kind: "ok" });
    assert.equal(held.isPaused, false);
    await until(
      "all has come",
      () => world.events.filter((event) => event.startsWith("message")).length === sent.length,
    );
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("message")),
      sent.map((text) => `message ${text}`),
    );
  });

  it("is read again where the session ends meanwhile: else its close would never be seen", async (t) => {
    const { world, client, held } = await upgradingHere(t);
    const closed = once(client, "close");
    client.send("4early");
    await until("it has come", () => held.isPaused);
    world.answer({ kind: "fenced", owner: "other", turn: 2 });
    await closed;
    await until("it is closed here too", () => held.readyState === WebSocket.CLOSED);
    assert.deepEqual(world.events, ["close taken over"]);
  });
});

describe("U2: with the upgrade", () => {
  it("what the last poll was given has arrived, and that poll counts as answered", () => {
    const world = new Opened();
    world.owner.onUpgraded = () => undefined;
    world.poll("t1");
    world.socket.send("x");
    assert.deepEqual(world.ok().inflight, { t: "t1", upTo: 1 });
    world.websocket.onMessage("2probe");
    world.ok();
    world.websocket.onMessage("5");
    const commit = world.ok();
    assert.deepEqual([commit.acked, commit.inflight], [1, null]);
  });

  it("polls and POSTs are refused from then on, and the session lives (O0)", () => {
    const world = new Upgrading();
    world.ok();
    world.poll("t9");
    world.post("p9", "4x");
    assert.deepEqual(world.said(), ["a GET t9 bad request", "a POST p9 bad request"]);
    assert.equal(world.socket.readyState, "open");
  });
});
