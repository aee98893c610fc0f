import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterNode } from "../../../src/routing/cluster-node";
import { Place } from "../../../src/server/admission";
import type { Engine } from "../../../src/server/engine";
import { Openings, type Opened, type Opening } from "../../../src/server/openings";
import type { OpenResult } from "../../../src/store/port";

class World {
  /** What the application makes, in order. */
  ids: string[] = [];
  /** What the store says of each, where that is not "ok". */
  readonly results = new Map<string, OpenResult>();
  readonly asked: string[] = [];
  readonly node = {
    withdrawn: false,
    has: (id: string) => id === "here",
    open: (id: string) => {
      this.asked.push(id);
      return Promise.resolve(this.results.get(id) ?? { kind: "ok" });
    },
    own: (sid: string) => ({ sid }),
  };
  readonly openings = new Openings({
    admission: {
      takeRequest: () => undefined,
      enter: () => Object.create(Place.prototype, { leave: { value: () => undefined } }) as Place,
    },
    load: { requests: 1 },
    generateId: () => this.ids.shift() ?? "no more",
  } as unknown as Engine);

  open(): Promise<Opened> {
    return this.openings.open(this.node as unknown as ClusterNode, {} as Opening);
  }
}

describe("O11: the id of a new session", () => {
  it("is made again where it is taken, here or in the store, or unusable", async () => {
    const world = new World();
    world.ids = ["here", "taken", "good"];
    world.results.set("taken", { kind: "exists" });
    const opened = await world.open();
    assert.deepEqual([opened.kind, world.asked], ["ok", ["taken", "good"]]);
    const other = new World();
    other.ids = ["", "x".repeat(129), "good"];
    assert.deepEqual([(await other.open()).kind, other.asked], ["ok", ["good"]]);
  });

  it("is made three times in all", async () => {
    const world = new World();
    world.ids = ["here", "here", "here", "good"];
    assert.deepEqual([(await world.open()).kind, world.ids], ["no id", ["good"]]);
  });

  it("is new at this node, those included whose records are being opened", async () => {
    const world = new World();
    world.ids = ["same", "same", "other"];
    const both = await Promise.all([world.open(), world.open()]);
    assert.deepEqual(
      [both.map(({ kind }) => kind), world.asked],
      [
        ["ok", "ok"],
        ["same", "other"],
      ],
    );
  });

  it("is none while the store is away, or this node alone is cut off", async () => {
    const world = new World();
    world.ids = ["a", "b"];
    world.results.set("a", { kind: "away" });
    assert.equal((await world.open()).kind, "away");
    world.node.withdrawn = true;
    assert.equal((await world.open()).kind, "withdrawn");
    assert.deepEqual(world.ids, ["b"]);
  });
});
