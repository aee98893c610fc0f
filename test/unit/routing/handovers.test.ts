import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Handovers, type HandoverNode, type HandoverParts } from "../../../src/routing/handovers";
import { handover, leaving } from "../../../src/routing/messages";
import { HandClock } from "../../helpers/hand-clock";

class World {
  readonly others = ["a", "b"];
  readonly claims: string[] = [];
  readonly said: string[] = [];
  readonly handovers: Handovers;

  constructor() {
    const node = {
      id: "me",
      clock: new HandClock(),
      sessions: new Map([["here", { over: true }]]),
      others: this.others,
      busConnected: true,
      lookAround: () => Promise.resolve(true),
      send: (to: string, { kind }: { kind: number }) => this.said.push(`${to} ${String(kind)}`),
    } as unknown as HandoverNode;
    const parts = {
      holder: { waiting: [] },
      gateways: { size: 0, closeSome: () => undefined },
      notices: { newCount: 0 },
      takeovers: {
        claim: (sid: string, from: string, turn: number) => this.claims.push(`${sid} ${from} ${String(turn)}`),
      },
      handsOver: true,
    } as unknown as HandoverParts;
    this.handovers = new Handovers(node, parts);
  }
}

describe("L2: a session that is offered", () => {
  it("is claimed at the turn that was said, where it is not here already", () => {
    const world = new World();
    world.handovers.onFrame("a", handover("s", 7));
    world.handovers.onFrame("a", handover("here", 7));
    assert.deepEqual(world.claims, ["s a 7"]);
  });

  it("is not by a node that leaves itself, which says so to all", async () => {
    const world = new World();
    void world.handovers.leave(1000, () => undefined);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    assert.deepEqual(
      world.said,
      world.others.map((node) => `${node} ${String(leaving().kind)}`),
    );
    world.handovers.onFrame("a", handover("s", 7));
    assert.deepEqual(world.claims, []);
  });
});

describe("a node that has said that it leaves", () => {
  it("is offered nothing, until it begins anew", () => {
    const world = new World();
    world.handovers.onFrame("a", leaving());
    assert.deepEqual([world.handovers.heirs, world.handovers.isLeaving("a")], [["b"], true]);
    world.handovers.forget("a");
    assert.deepEqual(world.handovers.heirs, ["a", "b"]);
  });
});
