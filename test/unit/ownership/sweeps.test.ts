import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Sweeps } from "../../../src/ownership/sweeps";
import type { TransportName } from "../../../src/protocol/names";
import { MemoryStore } from "../../../src/store/memory";
import type { Found } from "../../../src/store/port";
import { Tick } from "../../../src/time/tick";
import { VirtualTime } from "../../../src/time/virtual-clock";

const LIMITS = {
  recordTtl: 90_000,
  linger: 30_000,
  leaseTtl: 5_000,
  awayAfter: 1_000,
  maxPackets: 1_000,
  maxPacketChars: 1e6,
};

class World {
  readonly time = new VirtualTime(1);
  readonly clock = this.time.process();
  readonly store = new MemoryStore({ clock: this.clock, tick: new Tick(this.clock), limits: LIMITS });
  readonly claimed: string[] = [];
  ended = true;
  readonly living = new Set(["heir"]);

  async dead(sids: readonly string[], owner = "dead", transport: TransportName = "polling"): Promise<void> {
    for (const sid of sids)
      await this.run(this.store.open({ sid, node: owner, protocol: 4, transport, handshake: "{}" }));
    this.store.index("dead", sids, []);
    await this.pass(1);
  }

  sweeps(id: string, others: readonly string[]): Sweeps {
    const node = {
      id,
      clock: this.clock,
      others,
      leaseEnded: (node: string) => this.ended && !this.living.has(node),
      claim: async (sid: string, { turn }: Found) => {
        this.claimed.push(`${id} ${sid}`);
        return this.store.claim(sid, id, turn);
      },
    };
    return new Sweeps(node, this.store);
  }

  /** Lets virtual time pass, and what waits for it go on. */
  async pass(ms: number): Promise<void> {
    const end = this.time.now + ms;
    this.time.schedule(ms, () => undefined);
    while (this.time.now < end) {
      this.time.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async run<T>(asked: Promise<T>): Promise<T> {
    await this.pass(1);
    return asked;
  }

  async left(): Promise<readonly string[]> {
    const slice = await this.run(this.store.indexSlice("dead", "0"));
    if (slice.kind !== "ok") return assert.fail("the store was away");
    return slice.sids;
  }
}

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `session-${String(i)}`);

describe("Sweeps", () => {
  it("take over a dead node's sessions, each by one of those that live, and empty its index", async () => {
    const world = new World();
    await world.dead(names(300));
    for (const [id, others] of [
      ["a", ["b"]],
      ["b", ["a"]],
    ] as const)
      world.sweeps(id, others).onLeaseEnded("dead");
    await world.pass(5_000);
    assert.deepEqual(world.claimed.map((claim) => claim.split(" ")[1]).sort(), names(300).sort());
    const shares = ["a", "b"].map((id) => world.claimed.filter((claim) => claim.startsWith(`${id} `)).length);
    assert.ok(
      shares.every((share) => share > 100),
      `shares: ${shares.join(", ")}`,
    );
    assert.deepEqual(await world.left(), []);
  });

  it("leave alone, and out of the index, what is another node's by now, or ended", async () => {
    const world = new World();
    await world.dead(["moved"], "heir");
    await world.dead(["lost"]);
    world.store.index("dead", ["never"], []);
    world.sweeps("a", []).onLeaseEnded("dead");
    await world.pass(5_000);
    assert.deepEqual(world.claimed, ["a lost"]);
    assert.deepEqual(await world.left(), []);
  });

  it("take over too what was claimed by a node that has ended before it adopted it: it is in no other index", async () => {
    const world = new World();
    await world.dead(["claimed"], "claimer");
    world.sweeps("a", []).onLeaseEnded("dead");
    await world.pass(5_000);
    assert.deepEqual(world.claimed, ["a claimed"]);
    assert.deepEqual(await world.left(), []);
  });

  it("leave open websockets alone: their owner may be cut off, and go on with them", async () => {
    const world = new World();
    await world.dead(["upgraded"], "dead", "websocket");
    await world.dead(["polls"]);
    world.sweeps("a", []).onLeaseEnded("dead");
    await world.pass(20_000);
    assert.deepEqual(world.claimed, ["a polls"]);
  });

  it("look a second time, at all that is left: the node that had a share of it may have died too", async () => {
    const world = new World();
    await world.dead(names(40));
    world.sweeps("a", ["b"]).onLeaseEnded("dead");
    await world.pass(5_000);
    assert.ok(world.claimed.length < 40);
    await world.pass(15_000);
    assert.deepEqual(world.claimed.map((claim) => claim.split(" ")[1]).sort(), names(40).sort());
  });

  it("end when the node is back, and when their own node stops", async () => {
    const world = new World();
    await world.dead(names(10));
    world.ended = false;
    world.sweeps("a", []).onLeaseEnded("dead");
    await world.pass(20_000);
    world.ended = true;
    const stopped = world.sweeps("a", []);
    stopped.onLeaseEnded("dead");
    stopped.stop();
    await world.pass(20_000);
    assert.deepEqual(world.claimed, []);
  });
});
