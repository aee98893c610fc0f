import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { MessageKind, relayFrame } from "../../../src/routing/messages";
import { Relays } from "../../../src/routing/relays";
import type { OwnedSession } from "../../../src/session/owned-session";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

/** An owner with a session whose upgrade is recorded when the test says so. */
class World {
  readonly clock = new HandClock();
  readonly said: string[] = [];
  recorded: (() => void) | undefined;
  readonly relays = new Relays({
    tick: new Tick(this.clock),
    relayLimit: 1000,
    session: () => this.#session,
    send: (node, { kind, t }) => this.said.push(`${node} ${String(kind)} ${t}`),
  });
  readonly #session = {
    protocol: 4,
    upgradeTo: (_transport: unknown, recorded: () => void) => {
      this.recorded = recorded;
      return true;
    },
  } as unknown as OwnedSession;

  hears(frame: Frame): void {
    this.relays.onOpen("gateway", frame);
    this.clock.settle();
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
});
