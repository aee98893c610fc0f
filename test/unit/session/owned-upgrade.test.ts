import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RelayedTransport } from "../../../src/transports/relayed";
import { OwnedWorld } from "./owned-kit";

/** A session whose client has probed a websocket and said `upgrade`; the turn that records it is under way. */
class Upgrading extends OwnedWorld {
  readonly sent: string[] = [];
  readonly websocket = new RelayedTransport(
    4,
    { send: (message) => this.sent.push(message.toString()), close: () => undefined, leave: () => undefined },
    1e6,
  );
  recorded = 0;

  constructor() {
    super();
    this.owner.onUpgraded = () => undefined;
    const taken = this.session.upgradeTo(this.websocket, () => this.recorded++);
    assert.equal(taken, true);
    this.websocket.onMessage("2probe");
    assert.deepEqual(this.sent.splice(0), ["3probe"]);
    this.websocket.onMessage("5");
    assert.equal(this.committing().transport, "websocket");
  }
}

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
});
