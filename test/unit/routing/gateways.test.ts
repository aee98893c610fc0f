import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import { GOING_AWAY, type GatewayNode } from "../../../src/routing/gateway";
import { Gateways } from "../../../src/routing/gateways";
import type { Whereabouts } from "../../../src/routing/holder";
import { CLOSED_BY_GATEWAY, MessageKind } from "../../../src/routing/messages";
import { FIRST_RELEASE, RELEASE_INTERVAL } from "../../../src/session/upgrade";
import type { NodeId } from "../../../src/store/port";
import { Tick } from "../../../src/time/tick";
import type { WebSocketLike } from "../../../src/transports/websocket";
import { HandClock } from "../../helpers/hand-clock";

/** The client's websocket, as its gateway has it. */
class FakeWebSocket extends EventEmitter implements WebSocketLike {
  readonly sent: unknown[] = [];
  closed: number | undefined | "open" = "open";
  paused = false;
  /** Called when the runtime has taken a message. */
  readonly #taken: (() => void)[] = [];

  send(data: string | Uint8Array, ...[, taken]: unknown[]): void {
    this.sent.push(data);
    if (typeof taken === "function") this.#taken.push(taken as () => void);
  }

  /** The runtime has taken so many messages more. */
  takes(count: number): void {
    for (const taken of this.#taken.splice(0, count)) taken();
  }

  close(code?: number): void {
    this.closed = code;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  says(text: string): void {
    this.emit("message", Buffer.from(text), false);
  }

  saysBinary(bytes: Buffer): void {
    this.emit("message", bytes, true);
  }
}

/** A node that holds one websocket of the session "s", which `owner` owns. */
class GatewayWorld implements GatewayNode {
  readonly id = "me";
  readonly clock = new HandClock();
  readonly tick = new Tick(this.clock);
  readonly relayLimit = 1024;
  readonly websocket = new FakeWebSocket();
  readonly gateways = new Gateways(this);
  where: Whereabouts = { kind: "at", node: "owner" };
  readonly doubts: string[] = [];
  readonly dead = new Set<NodeId>();
  /** Nodes that no more is to be said to than must be. */
  readonly congested = new Set<NodeId>();
  pauses = 0;
  #told: string[] = [];

  static async open(where?: Whereabouts): Promise<GatewayWorld> {
    const world = new GatewayWorld();
    const { websocket } = world;
    if (where !== undefined) world.where = where;
    world.gateways.open("s", { websocket, protocol: 4, base64: false, compressFrom: undefined });
    await world.settle();
    return world;
  }

  find(_sid: string, doubted: readonly NodeId[]): Promise<Whereabouts> {
    this.doubts.push(doubted.join());
    return Promise.resolve(this.where);
  }

  isDead(node: NodeId): boolean {
    return this.dead.has(node);
  }

  isCongested(node: NodeId): boolean {
    return this.congested.has(node);
  }

  countPause(): void {
    this.pauses++;
  }

  send(node: NodeId, { kind, t, n, body }: Frame): void {
    const name = Object.entries(MessageKind).find(([, number]) => number === kind)?.[0];
    this.#told.push([node, name, t, n, body].join(" ").trimEnd());
  }

  /** What was said to other nodes since it was asked last. */
  told(): string[] {
    return this.#told.splice(0);
  }

  hears(kind: number, n: number, body: string | Uint8Array = "", from = "owner", t = "w1"): void {
    this.gateways.onFrame(from, { kind, sid: "s", t, n, body });
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }
}

describe("a websocket at a gateway", () => {
  it("is not closed by a departure between the answer to its client's probe and what that says next, for two seconds", async () => {
    for (const goesOver of [true, false]) {
      const world = await GatewayWorld.open();
      world.websocket.says("2probe");
      world.hears(MessageKind.RelayOut, 0, "3probe");
      world.gateways.closeSome(1);
      world.clock.advance(1900);
      world.gateways.closeSome(1);
      assert.equal(world.websocket.closed, "open");
      if (goesOver) world.websocket.says("5");
      else world.clock.advance(200);
      world.told();
      world.gateways.closeSome(1);
      assert.equal(world.websocket.closed, GOING_AWAY);
      // U7: its owner is told where the client may not notice.
      assert.deepEqual(world.told(), [`owner RelayGone w1 ${goesOver ? 0 : CLOSED_BY_GATEWAY}`]);
    }
  });

  it("asks the owner to let the poll go when the probe was answered, again and again, until its client says more (U7)", async () => {
    const world = await GatewayWorld.open();
    world.websocket.says("2probe");
    world.told();
    world.hears(MessageKind.RelayOut, 0, "3probe");
    assert.deepEqual(world.told(), [], "the answer to the probe is to be ahead");
    world.clock.advance(FIRST_RELEASE);
    assert.deepEqual(world.told(), ["owner RelayCredit w1 0"]);
    // What the next owner says, which knows nothing of the first answer, begins no second series.
    world.hears(MessageKind.RelayOut, 0, "3probe");
    world.clock.advance(RELEASE_INTERVAL);
    assert.deepEqual(world.told(), ["owner RelayCredit w1 0"]);
    // A client that probes again waits still.
    world.websocket.says("2probe");
    world.told();
    world.clock.advance(RELEASE_INTERVAL);
    assert.deepEqual(world.told(), ["owner RelayCredit w1 0"]);
    world.websocket.says("5");
    world.told();
    world.clock.advance(10 * RELEASE_INTERVAL);
    assert.deepEqual(world.told(), []);
  });

  it("before the ack starts again at the owner of now, from its first message (U4)", async () => {
    const world = await GatewayWorld.open();
    assert.deepEqual(world.told(), ["owner RelayOpen w1.1.a 0"]);
    world.websocket.says("2probe");
    world.hears(MessageKind.RelayOut, 0, "3probe");
    world.websocket.says("5");
    assert.deepEqual(world.told(), ["owner RelayIn w1.1.a 0 2probe", "owner RelayIn w1.1.a 1 5"]);
    world.where = { kind: "at", node: "next" };
    world.gateways.onTrouble("owner");
    world.clock.advance(1000);
    await world.settle();
    assert.deepEqual(world.told(), [
      "next RelayOpen w1.2.a 0",
      "next RelayIn w1.2.a 0 2probe",
      "next RelayIn w1.2.a 1 5",
    ]);
    assert.deepEqual(world.websocket.sent, ["3probe"]);
    assert.equal(world.websocket.closed, "open");
  });

  /** One that has said "5" and more to its owner, and looks for it again, as something was lost. */
  async function searching(): Promise<GatewayWorld> {
    const world = await GatewayWorld.open();
    for (const text of ["2probe", "5", "4a"]) world.websocket.says(text);
    world.gateways.onTrouble("owner");
    world.websocket.says("4b");
    world.told();
    return world;
  }

  it("takes the ack of its owner while it looks for it, says again what that has not handled, and misses nothing (U4)", async () => {
    const world = await searching();
    world.hears(MessageKind.RelayAck, 2);
    world.hears(MessageKind.RelayOut, 0, "2");
    world.hears(MessageKind.RelayOut, 1, "4x");
    assert.deepEqual(world.told(), ["owner RelayIn w1.1.a 2 4a", "owner RelayIn w1.1.a 3 4b"]);
    world.clock.advance(1000);
    await world.settle();
    world.hears(MessageKind.RelayOut, 2, "4y");
    world.websocket.says("3");
    assert.deepEqual([world.websocket.sent, world.websocket.closed], [["2", "4x", "4y"], "open"]);
    assert.deepEqual(world.told(), ["owner RelayIn w1.1.a 4 3"], "nobody else is asked");
  });

  it("takes no ack of one that died, nor of another node, while it looks for the owner", async () => {
    const world = await searching();
    world.dead.add("owner");
    world.hears(MessageKind.RelayAck, 2);
    world.hears(MessageKind.RelayAck, 2, "", "stranger");
    world.where = { kind: "at", node: "next" };
    world.clock.advance(1000);
    await world.settle();
    const said = ["2probe", "5", "4a", "4b"].map((text, n) => `next RelayIn w1.2.a ${String(n)} ${text}`);
    assert.deepEqual(world.told(), ["next RelayOpen w1.2.a 0", ...said]);
  });

  it("ignores what the owner of before says, and its answer to an earlier try", async () => {
    const world = await GatewayWorld.open();
    world.hears(MessageKind.RelayAck, 0, "", "stranger");
    world.hears(MessageKind.RelayOut, 0, "4x", "stranger");
    world.hears(MessageKind.RelayNotMine, 0, "", "owner", "w1.0.a");
    await world.settle();
    assert.deepEqual([world.websocket.sent, world.websocket.closed, world.doubts], [[], "open", [""]]);
  });

  it("doubts an owner that says again and again that it is none", async () => {
    const world = await GatewayWorld.open();
    for (let tried = 1; tried <= 5; tried++) {
      world.hears(MessageKind.RelayNotMine, 0, "", "owner", `w1.${String(tried)}`);
      world.clock.advance(1000);
      await world.settle();
    }
    assert.deepEqual(world.doubts, ["", "", "", "owner", "owner", "owner"]);
  });

  it("doubts no owner because of losses: claimed from while it lives, it would have handled in vain what it has in hand", async () => {
    const world = await GatewayWorld.open();
    for (let tried = 1; tried <= 5; tried++) {
      world.gateways.onTrouble("owner");
      world.clock.advance(1000);
      await world.settle();
    }
    assert.deepEqual(world.doubts, ["", "", "", "", "", ""]);
  });

  it("closes when its owner was looked for thirty times in vain, and at once where there is no such session (U4)", async () => {
    for (const [where, searches] of [
      ["away", 30],
      ["unknown", 1],
    ] as const) {
      const world = await GatewayWorld.open({ kind: where });
      for (let i = 0; i < 100; i++) {
        world.clock.advance(500);
        await world.settle();
      }
      assert.deepEqual([world.doubts.length, world.websocket.closed], [searches, GOING_AWAY]);
    }
  });

  it("tells its owner what the runtime has taken, once per tick, each time that it is a quarter of the limit more", async () => {
    const world = await GatewayWorld.open();
    world.hears(MessageKind.RelayAck, 0);
    for (let n = 0; n < 5; n++) world.hears(MessageKind.RelayOut, n, "4".padEnd(200));
    world.told();
    const told = [1, 3, 1].map((count) => {
      world.websocket.takes(count);
      world.clock.settle();
      return world.told();
    });
    assert.deepEqual(told, [[], ["owner RelayCredit w1 800"], []]);
  });

  it("after the ack gives its client what comes, in order", async () => {
    const world = await GatewayWorld.open();
    world.hears(MessageKind.RelayAck, 0);
    world.hears(MessageKind.RelayOut, 0, "4a");
    world.hears(MessageKind.RelayOut, 1, "4b");
    assert.deepEqual([world.websocket.sent, world.websocket.closed], [["4a", "4b"], "open"]);
  });

  it("is not read on while too much of it is under way, empty messages included, and is when that was handled", async () => {
    const world = await GatewayWorld.open();
    const { websocket } = world;
    world.hears(MessageKind.RelayAck, 0);
    for (let i = 0; i < 20_000; i++) websocket.saysBinary(Buffer.alloc(0));
    assert.deepEqual([websocket.paused, world.pauses], [true, 1]);
    // All but as many as may be under way.
    world.hears(MessageKind.RelayAck, 19_990);
    assert.equal(websocket.paused, true);
    world.hears(MessageKind.RelayAck, 20_000);
    assert.equal(websocket.paused, false);
    world.told();
    websocket.says("4a");
    assert.deepEqual(world.told(), ["owner RelayIn w1.1.a 20000 4a"]);
    assert.equal(websocket.paused, false);
  });

  it("counts what was handled step by step as well as at once", async () => {
    const world = await GatewayWorld.open();
    const { websocket } = world;
    world.hears(MessageKind.RelayAck, 0);
    for (let handled = 0; handled < 10_000; handled += 5) {
      for (let i = 0; i < 5; i++) websocket.says("4".padEnd(200));
      assert.equal(websocket.paused, true, `at ${String(handled)}`);
      world.hears(MessageKind.RelayAck, handled + 2);
      assert.equal(websocket.paused, true);
      world.hears(MessageKind.RelayAck, handled + 4);
      assert.equal(websocket.paused, false);
      world.hears(MessageKind.RelayAck, handled + 5);
    }
    assert.equal(world.pauses, 2000);
  });

  it("survives an ack of more than was ever said", async () => {
    const world = await GatewayWorld.open();
    world.websocket.says("4a");
    world.hears(MessageKind.RelayAck, Number.MAX_SAFE_INTEGER);
    world.websocket.says("4".padEnd(2000));
    assert.equal(world.websocket.paused, true);
    world.hears(MessageKind.RelayAck, 2);
    assert.equal(world.websocket.paused, false);
  });

  it("hears nothing more of a websocket that it has closed", async () => {
    const world = await GatewayWorld.open();
    world.hears(MessageKind.RelayAck, 0);
    world.gateways.closeAll();
    world.told();
    world.websocket.says("4a");
    world.websocket.says("4".padEnd(2000));
    assert.deepEqual([world.told(), world.websocket.paused], [[], false]);
  });

  it("is not read on while the way to its owner is full", async () => {
    const world = await GatewayWorld.open();
    const { websocket, gateways } = world;
    world.congested.add("owner");
    websocket.says("2probe");
    assert.equal(websocket.paused, false, "before its upgrade is recorded it is");
    world.hears(MessageKind.RelayAck, 1);
    world.told();
    websocket.says("4a");
    assert.deepEqual([websocket.paused, world.told()], [true, ["owner RelayIn w1.1.a 1 4a"]]);
    world.hears(MessageKind.RelayAck, 2);
    gateways.onUncongested("owner");
    assert.equal(websocket.paused, true);
    world.congested.clear();
    gateways.onUncongested("other");
    assert.equal(websocket.paused, true);
    gateways.onUncongested("owner");
    assert.equal(websocket.paused, false);
    assert.equal(world.pauses, 0, "none of its own limit");
  });

  for (const first of ["handled", "free"] as const) {
    it(`is read on when what it said is handled and the way is free: ${first} first`, async () => {
      const world = await GatewayWorld.open();
      const { websocket, gateways } = world;
      world.hears(MessageKind.RelayAck, 0);
      world.congested.add("owner");
      websocket.says("4".padEnd(2000));
      const happens = {
        handled: () => world.hears(MessageKind.RelayAck, 1),
        free: () => {
          world.congested.clear();
          gateways.onUncongested("owner");
        },
      };
      happens[first]();
      assert.equal(websocket.paused, true);
      happens[first === "free" ? "handled" : "free"]();
      assert.equal(websocket.paused, false);
    });
  }

  it("is read on with others, some at a time, as long as the way stays free; the first again behind the last", async () => {
    const world = await GatewayWorld.open();
    const { gateways } = world;
    const websockets = Array.from({ length: 40 }, () => new FakeWebSocket());
    for (const websocket of websockets)
      gateways.open("s", { websocket, protocol: 4, base64: false, compressFrom: undefined });
    await world.settle();
    websockets.forEach((_, i) => world.hears(MessageKind.RelayAck, 0, "", "owner", `w${String(i + 2)}`));
    const paused = (): string => websockets.map((websocket) => (websocket.paused ? "-" : "+")).join("");
    world.congested.add("owner");
    for (const websocket of websockets) websocket.says("4a");
    assert.equal(paused(), "-".repeat(40));
    world.congested.clear();
    gateways.onUncongested("owner");
    gateways.onUncongested("other");
    assert.equal(paused(), "+".repeat(16) + "-".repeat(24));
    world.congested.add("owner");
    websockets[0]?.says("4b");
    world.clock.advance(100);
    assert.equal(paused(), "-" + "+".repeat(15) + "-".repeat(24));
    world.congested.clear();
    gateways.onUncongested("owner");
    assert.equal(paused(), "-" + "+".repeat(31) + "-".repeat(8));
    websockets[39]?.emit("close");
    world.clock.advance(1);
    assert.equal(paused(), "+".repeat(40));
    assert.equal(gateways.waiting.size, 0);
  });

  it("keeps nothing of the message of the bus that binary data came with", async () => {
    const world = await GatewayWorld.open();
    world.hears(MessageKind.RelayAck, 0);
    const message = Buffer.from("more besides, and abc");
    const body = message.subarray(-3);
    world.hears(MessageKind.RelayOut, 0, body);
    const [sent] = world.websocket.sent;
    assert.ok(sent instanceof Uint8Array);
    assert.equal(Buffer.from(sent).toString(), "abc");
    message.fill(0);
    assert.equal(Buffer.from(sent).toString(), "abc");
  });

  const ends = (what: string, happens: (world: GatewayWorld) => void, sent: string[]): void => {
    it(`closes with 1001, and its owner is told: ${what} (U5)`, async () => {
      const world = await GatewayWorld.open();
      world.told();
      happens(world);
      await world.settle();
      assert.deepEqual([world.websocket.sent, world.websocket.closed], [sent, GOING_AWAY]);
      assert.deepEqual(world.told(), ["owner RelayGone w1 0"]);
      assert.equal(world.gateways.size, 0);
    });
  };
  const acked = (world: GatewayWorld): void => {
    world.hears(MessageKind.RelayAck, 0);
    world.hears(MessageKind.RelayOut, 0, "4a");
  };

  ends(
    "a gap in what the owner says",
    (world) => {
      acked(world);
      world.hears(MessageKind.RelayOut, 2, "4c");
    },
    ["4a"],
  );
  ends("a message whose ack did not come", (world) => world.hears(MessageKind.RelayOut, 0, "4a"), []);
  ends(
    "a loss on the link, or a dead owner, after the ack",
    (world) => {
      acked(world);
      world.gateways.onTrouble("owner");
    },
    ["4a"],
  );
  ends(
    '"not mine" after the ack',
    (world) => {
      acked(world);
      world.hears(MessageKind.RelayNotMine, 0, "", "owner", "w1.1.a");
    },
    ["4a"],
  );

  it("closes with the owner's code, and says nothing to it then", async () => {
    const world = await GatewayWorld.open();
    world.told();
    acked(world);
    world.hears(MessageKind.RelayClose, 1009);
    assert.equal(world.websocket.closed, 1009);
    world.websocket.emit("close");
    assert.deepEqual(world.told(), []);
  });

  it("tells the owner when its client closes it", async () => {
    const world = await GatewayWorld.open();
    world.told();
    acked(world);
    world.websocket.emit("close");
    assert.deepEqual(world.told(), ["owner RelayGone w1 0"]);
    // It was under way when the websocket closed.
    world.hears(MessageKind.RelayOut, 1, "4b");
    assert.deepEqual(world.told(), ["owner RelayGone w1 0"]);
  });
});
