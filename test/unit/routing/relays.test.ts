import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { CLOSED_BY_GATEWAY, MessageKind, relayFrame } from "../../../src/routing/messages";
import { Relays } from "../../../src/routing/relays";
import { saidEvery } from "../../../src/routing/under-way";
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
  congested = false;
  /** Whether each message takes the whole way. */
  fills = false;
  readonly relays = new Relays({
    tick: new Tick(this.clock),
    relayLimit: 1000,
    session: () => this.#session,
    send: (node, { kind, t }) => {
      this.said.push(`${node} ${String(kind)} ${t}`);
      if (kind === MessageKind.RelayOut && this.fills) this.congested = true;
    },
    isCongested: () => this.congested,
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

  /** A websocket whose upgrade is recorded, and who sends so often when it may, as long as it may. */
  relayed(name: string, says = 1): Transport {
    this.hears(relayFrame(MessageKind.RelayOpen, "s", `${name}.1`, 0));
    this.recorded?.();
    this.said.splice(0);
    const { transport } = this;
    assert.ok(transport !== undefined);
    let left = says;
    transport.on("ready", () => {
      while (left > 0 && transport.writable) {
        left--;
        transport.send([{ type: "message", data: "x" }]);
      }
    });
    return transport;
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

  /** What went out to websockets, by their names. */
  function out(world: World): string[] {
    const out = world.said.splice(0).map((said) => said.split(" "));
    return out.filter(([, kind]) => kind === String(MessageKind.RelayOut)).map(([, , name = ""]) => name);
  }

  it("tells the gateway what was handled, once per tick, each time that it is a quarter of the limit", () => {
    const world = new World();
    world.relayed("w1");
    const message = (n: number): void => {
      world.relays.onMessage("gateway", relayFrame(MessageKind.RelayIn, "s", "w1.1", n, "4".padEnd(249)));
    };
    message(0);
    world.clock.settle();
    assert.deepEqual(world.said.splice(0), []);
    for (const n of [1, 2, 3]) message(n);
    world.clock.settle();
    assert.deepEqual(world.said.splice(0), [`gateway ${String(MessageKind.RelayAck)} w1`]);
  });

  it("tells it soon enough for any limit that the gateway may have, which is 1 MiB at least", () => {
    assert.deepEqual([1000, 2 ** 20, 2 ** 30].map(saidEvery), [250, 2 ** 18, 2 ** 18]);
  });

  it("holds back what can wait while the way to the gateway is full, and says all the rest", () => {
    const world = new World();
    const transport = world.relayed("w1");
    world.congested = true;
    assert.equal(transport.writable, false);
    // Its upgrade is recorded, its client's messages are acknowledged, and another's probe is answered meanwhile.
    world.hears(relayFrame(MessageKind.RelayOpen, "s", "w2.1", 0));
    world.recorded?.();
    assert.deepEqual(world.said.splice(0), [`gateway ${String(MessageKind.RelayAck)} w2`]);
    for (let n = 0; n < 64; n++)
      world.relays.onMessage("gateway", relayFrame(MessageKind.RelayIn, "s", "w1.1", n, "4a"));
    world.clock.settle();
    assert.deepEqual(world.said.splice(0), [`gateway ${String(MessageKind.RelayAck)} w1`]);
    transport.close();
    assert.deepEqual(world.said.splice(0), [`gateway ${String(MessageKind.RelayClose)} w1`]);
  });

  it("serves those that wait one after the other, and who was not served before who waits anew", () => {
    const world = new World();
    const transports = ["w1", "w2", "w3"].map((name) => world.relayed(name, 2));
    world.congested = true;
    for (const transport of transports) assert.equal(transport.writable, false);
    world.fills = true;
    const served = Array.from({ length: 7 }, () => {
      world.congested = false;
      world.relays.onUncongested("gateway");
      return out(world).join();
    });
    assert.deepEqual(served, ["w1", "w2", "w3", "w1", "w2", "w3", ""]);
    assert.equal(world.relays.waiting.size, 0);
  });

  it("goes on with all that wait when the way stays free, in the order in which they came", () => {
    const world = new World();
    const transports = ["w1", "w2", "w3"].map((name) => world.relayed(name));
    world.congested = true;
    for (const at of [2, 0, 1, 2]) assert.equal(transports[at]?.writable, false);
    world.relays.onUncongested("gateway");
    assert.deepEqual(out(world), [], "it is full again");
    world.congested = false;
    world.relays.onUncongested("other");
    assert.deepEqual(out(world), []);
    world.relays.onUncongested("gateway");
    assert.deepEqual(out(world), ["w3", "w1", "w2"]);
    assert.equal(world.relays.waiting.size, 0);
  });

  it("does not keep one that was closed while it waited", () => {
    const closes: ((world: World, transport: Transport) => void)[] = [
      (_, transport) => transport.close(),
      (_, transport) => transport.abandon(),
      (world) => world.relays.onGone("gateway", relayFrame(MessageKind.RelayGone, "s", "w1", 0)),
      (world) => world.relays.onLoss("gateway"),
      (world) => world.relays.onGatewayDead("gateway"),
    ];
    for (const close of closes) {
      const world = new World();
      const transport = world.relayed("w1");
      world.congested = true;
      assert.equal(transport.writable, false);
      assert.equal(world.relays.waiting.size, 1);
      close(world, transport);
      assert.equal(world.relays.waiting.size, 0);
      world.congested = false;
      world.relays.onUncongested("gateway");
      assert.deepEqual(out(world), []);
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
