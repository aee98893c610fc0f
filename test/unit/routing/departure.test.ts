import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Departure, type DepartingNode } from "../../../src/routing/departure";
import type { OwnedSession } from "../../../src/session/owned-session";
import type { NodeId } from "../../../src/store/port";
import { HandClock } from "../../helpers/hand-clock";

const TIMEOUT = 10_000;

/** A polling session, as a departure sees it. */
class FakeSession {
  over = false;
  direct = false;
  hasPoll = false;
  idle = true;
  isHandling = false;
  isGoingOver = false;
  departed = false;
  socket = undefined;

  depart(): void {
    this.departed = true;
  }
}

class World {
  readonly clock = new HandClock();
  readonly session = new FakeSession();
  readonly heirs: NodeId[] = [];
  readonly offers: string[] = [];
  ended = false;
  handedOver = false;
  busConnected = true;
  handsOver = true;
  claims = 0;
  notices = 0;
  /** Websockets here of sessions that other nodes own. */
  gateways = 0;

  async leave(): Promise<void> {
    const { session, offers } = this;
    const isConnected = (): boolean => this.busConnected;
    const claims = (): number => this.claims;
    const notices = (): number => this.notices;
    const gateways = (): number => this.gateways;
    const node: DepartingNode = {
      clock: this.clock,
      sessions: new Map([["s", session as unknown as OwnedSession]]),
      handsOver: this.handsOver,
      heirs: this.heirs,
      waiting: [],
      get busConnected() {
        return isConnected();
      },
      get claimCount() {
        return claims();
      },
      get noticeCount() {
        return notices();
      },
      get gatewayCount() {
        return gateways();
      },
      offer: (heir) => offers.push(heir),
      release: () => undefined,
      closeGateways: (count) => {
        this.gateways -= count;
      },
    };
    const departure = new Departure(node, TIMEOUT, () => {
      this.handedOver = true;
    });
    void departure.run().then(() => {
      this.ended = true;
    });
    await this.pass(0);
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed <= ms; passed += 25) {
      this.clock.advance(ms === 0 ? 0 : 25);
      await Promise.resolve();
      await Promise.resolve();
    }
  }
}

describe("a node that leaves", () => {
  it("offers a session when nothing of it is under way, or a second later", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.session.idle = false;
    await world.leave();
    await world.pass(500);
    assert.deepEqual([world.session.departed, world.offers], [true, []]);
    await world.pass(600);
    assert.deepEqual(world.offers, ["heir"]);
  });

  it("offers one that nobody took again a second later, to the next node", async () => {
    const world = new World();
    world.heirs.push("heir", "other");
    await world.leave();
    await world.pass(900);
    assert.deepEqual(world.offers, ["heir"]);
    await world.pass(200);
    assert.deepEqual(world.offers, ["heir", "other"]);
  });

  it("closes its websockets evenly over the first half of its time", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.session.over = true;
    world.gateways = 4;
    await world.leave();
    const left: number[] = [];
    for (let i = 0; i < 4; i++) {
      await world.pass(1000);
      left.push(world.gateways);
    }
    assert.deepEqual(left, [3, 2, 1, 0]);
  });

  it("takes no more connections when no polling session is left, or half of its time is over", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.session.isHandling = true;
    await world.leave();
    await world.pass(4800);
    assert.equal(world.handedOver, false);
    await world.pass(200);
    assert.deepEqual([world.handedOver, world.ended], [true, false]);
    const other = new World();
    other.heirs.push("heir");
    await other.leave();
    await other.pass(1000);
    assert.equal(other.handedOver, false);
    other.session.over = true;
    await other.pass(25);
    assert.equal(other.handedOver, true);
  });

  it("listens for a second where its sessions end with it, for their clients to be told by a poll", async () => {
    const world = new World();
    world.handsOver = false;
    await world.leave();
    await world.pass(900);
    assert.deepEqual([world.handedOver, world.ended], [false, false]);
    await world.pass(200);
    assert.deepEqual([world.handedOver, world.ended], [true, true]);
  });

  for (const [what, text] of [
    ["claims", "waits for claims that are under way: their sessions are about to be here"],
    ["notices", "waits until whom it claimed from has heard of that, or was told again"],
  ] as const) {
    it(text, async () => {
      for (const heirs of [[], ["heir"]]) {
        const world = new World();
        world.heirs.push(...heirs);
        world.session.over = true;
        world[what] = 1;
        await world.leave();
        await world.pass(2000);
        assert.equal(world.ended, false);
        world[what] = 0;
        await world.pass(100);
        assert.equal(world.ended, true);
      }
    });
  }

  it("offers none of which a POST was handled that is not committed yet, however long that takes", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.session.idle = false;
    world.session.isHandling = true;
    await world.leave();
    await world.pass(3000);
    assert.deepEqual(world.offers, []);
    world.session.isHandling = false;
    await world.pass(50);
    assert.deepEqual(world.offers, ["heir"]);
  });

  it("leaves a session whose client goes over to a websocket here until it has: the client polls no more", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.session.isGoingOver = true;
    await world.leave();
    await world.pass(1500);
    assert.deepEqual([world.session.departed, world.offers, world.handedOver], [false, [], false]);
    world.session.isGoingOver = false;
    world.session.direct = true;
    await world.pass(50);
    assert.deepEqual([world.session.departed, world.offers, world.handedOver], [false, [], true]);
  });

  it("offers it when that takes too long, or has failed", async () => {
    for (const fails of [true, false]) {
      const world = new World();
      world.heirs.push("heir");
      world.session.isGoingOver = true;
      await world.leave();
      await world.pass(500);
      if (fails) world.session.isGoingOver = false;
      await world.pass(fails ? 50 : 1600);
      assert.deepEqual([world.session.departed, world.offers], [true, ["heir"]]);
    }
  });

  it("goes on serving its sessions while the bus is away: nobody would hear of an offer", async () => {
    const world = new World();
    world.heirs.push("heir");
    world.busConnected = false;
    await world.leave();
    await world.pass(3000);
    assert.deepEqual([world.session.departed, world.offers], [false, []]);
    world.busConnected = true;
    await world.pass(50);
    assert.deepEqual([world.session.departed, world.offers], [true, ["heir"]]);
  });

  it("ends at once where nobody can have its sessions, but for what they have handled, and they handle no more", async () => {
    const world = new World();
    world.session.isHandling = true;
    await world.leave();
    await world.pass(3000);
    assert.deepEqual([world.session.departed, world.handedOver, world.ended], [true, true, false]);
    world.session.isHandling = false;
    await world.pass(50);
    assert.equal(world.ended, true);
  });
});
