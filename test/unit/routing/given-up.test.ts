import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GivenUp, type GivingNode } from "../../../src/routing/given-up";
import type { Whereabouts } from "../../../src/routing/holder";
import { VirtualTime } from "../../../src/time/virtual-clock";

const AT_OTHER: Whereabouts = { kind: "at", node: "b" };

class World implements GivingNode {
  readonly time = new VirtualTime(1);
  readonly clock = this.time.process();
  withdrawn = false;
  readonly where = new Map<string, Whereabouts>();
  readonly asked: string[] = [];
  readonly unlisted: string[] = [];
  readonly givenUp = new GivenUp(this);

  constructor(...sids: string[]) {
    for (const sid of sids) this.givenUp.add(sid);
  }

  find(sid: string): Promise<Whereabouts> {
    this.asked.push(sid);
    return Promise.resolve(this.where.get(sid) ?? AT_OTHER);
  }

  has(sid: string): boolean {
    return this.where.get(sid)?.kind === "here";
  }

  unlist(sids: readonly string[]): void {
    this.unlisted.push(...sids);
  }

  async pass(ms: number): Promise<void> {
    const end = this.time.now + ms;
    this.time.schedule(ms, () => undefined);
    while (this.time.now < end) {
      this.time.step();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe("sessions that were given up", () => {
  it("are looked for, and leave the index where they are others'", async () => {
    const world = new World("taken", "mine");
    world.where.set("mine", { kind: "here" });
    void world.givenUp.lookForAll();
    await world.pass(1_000);
    assert.deepEqual([world.asked, world.unlisted], [["taken", "mine"], ["taken"]]);
  });

  it("are asked for a few at a time, and again where nobody could say", async () => {
    const sids = Array.from({ length: 120 }, (_, i) => `s${String(i)}`);
    const world = new World(...sids);
    world.where.set("s7", { kind: "away" });
    void world.givenUp.lookForAll();
    assert.equal(world.asked.length, 50);
    await world.pass(100);
    world.where.delete("s7");
    await world.pass(100);
    assert.deepEqual(world.unlisted.sort(), sids.sort());
  });

  it("wait while the node is cut off", async () => {
    const world = new World("s");
    world.withdrawn = true;
    await world.givenUp.lookForAll();
    assert.deepEqual(world.asked, []);
    world.withdrawn = false;
    void world.givenUp.lookForAll();
    await world.pass(100);
    assert.deepEqual(world.unlisted, ["s"]);
  });
});
