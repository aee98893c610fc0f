import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { CLOSED_BY_GATEWAY, MessageKind, relayFrame } from "../../../src/routing/messages";
import { Relays } from "../../../src/routing/relays";
import type { Packet } from "../../../src/protocol/packet";
import type { OwnedSession } from "../../../src/session/owned-session";
import { Tick } from "../../../src/time/tick";
import type { Transport } from "../../../src/transports/transport";
import { HandClock } from "../../helpers/hand-clock";

/** An owner with a session whose upgrade is recorded when the test says so. */
class World {
  readonly clock = new HandClock();
  readonly said: string[] = [];
  recorded: (() => void) | undefined;
  transport: Transport | undefined;
  /** What the client says, as the session hears it. */
  readonly heard: string[] = [];
  readonly relays = new Relays({
    tick: new Tick(this.clock),
    relayLimit: 1000,
    session: () => this.#session,
    send: (node, { kind, t }) => this.said.push(`${node} ${String(kind)} ${t}`),
  });
  readonly #session = {
    protocol: 4,
    upgradeTo: (transport: Transport, recorded: () => void, gateway: string) => {
      this.transport = transport;
      transport.on("packet", ({ type, data }: Packet) =>
        this.heard.push(`${type} ${typeof data === "string" ? data : ""}`),
      );
      this.recorded = recorded;
      this.said.push(`upgrade at ${gateway}`);
      return true;
    },
    gatewayEnded: (gateway: string) => this.said.push(`${gateway} ended`),
  } as unknown as OwnedSession;

  /** The client's message `n`, by the first try. */
  hearsMessage(n: number, body: string): void {
    this.relays.onMessage("gateway", relayFrame(MessageKind.RelayIn, "s", "w1.1", n, body));
    this.clock.settle();
  }

  hears(frame: Frame): void {
    this.relays.onOpen("gateway", frame);
    this.clock.settle();
    assert.deepEqual(this.said.splice(0), ["upgrade at gateway"]);
  }
}

const OPEN = relayFrame(MessageKind.RelayOpen, "s", "w1.1", 0);

describe("the owner's side of a websocket that a gateway holds", () => {
  it("says that the upgrade is recorded", () => {
    const world = new World();
    world.hears(OPEN);
    world.recorded?.();
    assert.deepEqual(world.said, [`gateway ${String(MessageKind.RelayAck)} w1`]);
  });

  it("says that it is closed where the gateway was taken for dead meanwhile: should it live, its client is to know", () => {
    const world = new World();
    world.hears(OPEN);
    world.relays.onGatewayDead("gateway");
    world.recorded?.();
    assert.deepEqual(world.said, [`gateway ${String(MessageKind.RelayClose)} w1`]);
    assert.equal(world.relays.size, 0);
  });

  it("lets the poll go when its gateway asks for it, until the upgrade is recorded (U7)", () => {
    const world = new World();
    world.hears(OPEN);
    let released = 0;
    world.transport?.on("release", () => released++);
    world.relays.onCredit("gateway", relayFrame(MessageKind.RelayCredit, "s", "w1", 0));
    assert.equal(released, 1);
    world.recorded?.();
    world.relays.onCredit("gateway", relayFrame(MessageKind.RelayCredit, "s", "w1", 6));
    assert.equal(released, 1);
  });

  it("tells the session where its gateway has closed the websocket, and not where the client has (U7)", () => {
    for (const [n, said] of [
      [CLOSED_BY_GATEWAY, ["gateway ended"]],
      [0, []],
    ] as const) {
      const world = new World();
      world.hears(OPEN);
      world.relays.onGone("gateway", relayFrame(MessageKind.RelayGone, "s", "w1", n));
      assert.deepEqual([world.said, world.transport?.readyState], [said, "closed"]);
    }
  });
});

describe("U3: the numbers of what a client says", () => {
  it("are taken in order: what is ahead is dropped, and what is known is handled once", () => {
    const world = new World();
    world.hears(OPEN);
    world.hearsMessage(1, "4b");
    world.hearsMessage(0, "4a");
    world.hearsMessage(0, "4a");
    world.hearsMessage(1, "4b");
    assert.deepEqual(world.heard, ["message a", "message b"]);
  });

  it("are acknowledged again where one comes that is known: the ack may be lost", () => {
    const world = new World();
    world.hears(OPEN);
    world.hearsMessage(0, "4a");
    world.recorded?.();
    assert.deepEqual(world.said.splice(0), [`gateway ${String(MessageKind.RelayAck)} w1`]);
    world.hearsMessage(0, "4a");
    assert.deepEqual(world.said, [`gateway ${String(MessageKind.RelayAck)} w1`]);
  });
});

describe("U4: a later message of a websocket that is not known", () => {
  it("is refused: its gateway starts again, from the first", () => {
    const world = new World();
    world.hearsMessage(3, "4d");
    assert.deepEqual(world.said, [`gateway ${String(MessageKind.RelayNotMine)} w1.1`]);
    assert.equal(world.relays.size, 0);
  });
});
