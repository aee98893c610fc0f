import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Isolation } from "../../../src/ownership/isolation";
import { VirtualTime } from "../../../src/time/virtual-clock";

const TTL = 5000;
const GRACE = 2000;

class World {
  readonly time = new VirtualTime(1);
  readonly events: string[] = [];
  bus = true;
  lapsed = false;
  others = true;
  readonly isolation = new Isolation({
    clock: this.time.process(),
    lease: this,
    leaseTtl: TTL,
    pollGrace: GRACE,
    busConnected: () => this.bus,
    withdraw: () => this.events.push(`withdraw at ${String(this.time.now)}`),
  });

  constructor() {
    this.isolation.start();
  }

  suspend(): void {
    this.events.push("suspend");
  }

  resume(): void {
    this.events.push("resume");
  }

  othersStand(): Promise<boolean> {
    return Promise.resolve(this.others);
  }

  async pass(ms: number): Promise<void> {
    const end = this.time.now + ms;
    this.time.schedule(ms, () => undefined);
    for (;;) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      if (this.time.next === undefined || this.time.next > end) return;
      this.time.step();
    }
  }
}

describe("a node whose bus is away", () => {
  it("lets its lease end, and withdraws when it has and others hold theirs, before owners give up its polls", async () => {
    const world = new World();
    await world.pass(1000);
    world.bus = false;
    await world.pass(TTL + GRACE);
    const [suspend, withdraw = ""] = world.events;
    assert.equal(suspend, "suspend");
    const at = Number(/^withdraw at (\d+)$/.exec(withdraw)?.[1]);
    assert.ok(at > 1000 + TTL && at < 1000 + TTL + 0.7 * GRACE, withdraw);
    assert.equal(world.isolation.withdrawn, true);
    world.bus = true;
    await world.pass(GRACE);
    assert.deepEqual(world.events.slice(2), ["resume"]);
    assert.equal(world.isolation.withdrawn, true, "not before it holds a lease");
    world.isolation.onLeaseRetaken();
    assert.equal(world.isolation.withdrawn, false);
  });

  it("waits while nobody else has the bus", async () => {
    const world = new World();
    world.bus = false;
    world.others = false;
    await world.pass(4 * TTL);
    assert.deepEqual(world.events, ["suspend"]);
    world.bus = true;
    await world.pass(GRACE);
    assert.deepEqual(world.events, ["suspend", "resume"]);
  });

  it("waits where the bus comes back to others a little sooner", async () => {
    const world = new World();
    world.bus = false;
    world.others = false;
    await world.pass(2 * TTL);
    world.others = true;
    await world.pass(GRACE / 5);
    world.bus = true;
    await world.pass(TTL);
    assert.deepEqual(world.events, ["suspend", "resume"]);
  });

  it("goes on as before when the bus is back sooner", async () => {
    const world = new World();
    world.bus = false;
    await world.pass(TTL);
    world.bus = true;
    await world.pass(4 * TTL);
    assert.deepEqual(world.events, ["suspend", "resume"]);
  });
});

describe("a node that is told of its lease's end", () => {
  it("withdraws where it cannot take it again", async () => {
    const world = new World();
    world.lapsed = true;
    await world.pass(TTL);
    assert.deepEqual(world.events, [], "the store may be away for all");
    world.isolation.told();
    await world.pass(GRACE / 2);
    assert.equal(world.events.length, 1);
    assert.equal(world.isolation.withdrawn, true);
  });

  it("does not where it has taken it again, or never lost it", async () => {
    const world = new World();
    world.isolation.told();
    world.lapsed = true;
    await world.pass(GRACE);
    world.isolation.told();
    await world.pass(GRACE / 10);
    world.lapsed = false;
    world.isolation.onLeaseRetaken();
    await world.pass(TTL);
    assert.deepEqual(world.events, []);
  });

  it("looks no more when it is stopped", async () => {
    const world = new World();
    world.isolation.stop();
    world.bus = false;
    await world.pass(4 * TTL);
    assert.deepEqual(world.events, []);
  });
});
