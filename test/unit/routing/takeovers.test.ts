import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Adoptions } from "../../../src/routing/adoptions";
import { Takeovers, type TakeoverNode } from "../../../src/routing/takeovers";
import type { SessionStore } from "../../../src/store/port";

class World {
  readonly node: { -readonly [K in keyof TakeoverNode]: TakeoverNode[K] } = {
    id: "me",
    busConnected: true,
    isDead: () => true,
  };
  readonly claims: string[] = [];
  readonly adopted: string[] = [];
  readonly takeovers = new Takeovers(
    this.node,
    {
      claim: (sid: string, node: string, turn: number) => {
        this.claims.push(`${sid} ${node} ${String(turn)}`);
        return Promise.resolve({ kind: "ok", record: {} });
      },
    } as unknown as SessionStore,
    { adopt: (sid: string, from: string) => this.adopted.push(`${sid} ${from}`) } as unknown as Adoptions,
  );
}

describe("takeovers", () => {
  it("are one for each session at a time", async () => {
    const world = new World();
    const both = await Promise.all([world.takeovers.claim("s", "dead", 3), world.takeovers.claim("s", "dead", 3)]);
    assert.deepEqual(both, [{ kind: "here" }, { kind: "here" }]);
    assert.deepEqual([world.claims, world.adopted, world.takeovers.size], [["s me 3"], ["s dead"], 0]);
  });

  it("adopt nothing at a node that has left, whose process is about to end", async () => {
    const world = new World();
    const late = world.takeovers.claim("s", "dead", 3);
    world.takeovers.stop();
    assert.deepEqual(await late, { kind: "away" });
    assert.deepEqual(await world.takeovers.claim("t", "dead", 3), { kind: "away" });
    assert.deepEqual([world.claims, world.adopted], [["s me 3"], []]);
  });

  it("wait without the bus: the owner could not be told, and may have its lease again", async () => {
    const world = new World();
    world.node.busConnected = false;
    assert.deepEqual(await world.takeovers.claim("s", "other", 3), { kind: "away" });
    assert.deepEqual(world.claims, []);
    world.node.busConnected = true;
    assert.deepEqual(await world.takeovers.claim("s", "other", 3), { kind: "here" });
  });

  it("of what the record says is this node's own need nobody to be told", async () => {
    const world = new World();
    world.node.busConnected = false;
    assert.deepEqual(await world.takeovers.claim("s", "me", 3), { kind: "here" });
  });
});
