import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Frame } from "../../../src/bus/frame";
import type { Links } from "../../../src/bus/links";
import { ClusterNode } from "../../../src/routing/cluster-node";
import { MessageKind } from "../../../src/routing/messages";
import type { NodeEngine } from "../../../src/routing/node-options";
import { RequestKind } from "../../../src/session/answers";
import type { Commit, SessionStore } from "../../../src/store/port";
import { Counters } from "../../../src/telemetry/counters";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

const TIMES = {
  pollGrace: 2000,
  linger: 30_000,
  leaseTtl: 5000,
  recordTtl: 90_000,
  upgradeTimeout: 10_000,
  closeTimeout: 30_000,
  postDeadline: 5000,
  giveUpAfter: 15_000,
};

/** A node whose store says that node "b" owns every session but its own, and whose bus only writes down what is said. */
class World {
  readonly clock = new HandClock();
  readonly commits: Commit[] = [];
  /** Asked of "b". */
  readonly asked: string[] = [];
  readonly node: ClusterNode;

  constructor() {
    const { clock } = this;
    const links = {
      retaken: () => undefined,
      forget: () => undefined,
      probe: () => undefined,
      lastHeard: () => undefined,
      isCutOff: () => false,
      isSilent: () => false,
      isCongested: () => false,
      connected: true,
      send: (to: string, { kind, t }: Frame) => {
        if (to === "b" && kind === MessageKind.AskGet) this.asked.push(t);
        return true;
      },
    };
    const store = {
      generation: 1,
      index: () => undefined,
      commit: (commit: Commit) => this.commits.push(commit),
      look: () =>
        Promise.resolve({ kind: "found", owner: "b", turn: 1, protocol: 4, transport: "polling", phase: "open" }),
    };
    this.node = new ClusterNode({
      id: "me",
      clock,
      tick: new Tick(clock),
      store: store as unknown as SessionStore,
      links: () => links as unknown as Links,
      engine: {} as NodeEngine,
      events: { onNodeJoined: () => undefined, onNodeDead: () => undefined, onTakeover: () => undefined },
      counters: new Counters(),
      times: TIMES,
      ring: 64,
      maxDataChars: 100,
      ownerCache: 10,
      sendLimit: { count: 100, size: 1e6 },
      adopts: true,
      relayLimit: 1e6,
    });
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    this.clock.settle();
  }
}

describe("a node of a cluster", () => {
  it("proves all its sessions when it has taken its lease again: others may have claimed them (O6)", () => {
    const world = new World();
    for (const sid of ["s1", "s2"]) world.node.own(sid, '{"query":{}}', 4, "polling");
    world.clock.settle();
    assert.deepEqual(world.commits, []);
    world.node.onLeaseRetaken(2);
    world.clock.settle();
    assert.deepEqual(
      world.commits.map(({ sid, turn, packets }) => [sid, turn, packets]),
      [
        ["s1", 1, []],
        ["s2", 1, []],
      ],
    );
  });

  it("asks again what found nobody, 120 ms later (H2)", async () => {
    const world = new World();
    const connection = { answer: () => undefined, abandon: () => undefined };
    world.node.hold({ kind: RequestKind.Get, sid: "s", t: "t1", body: "", revision: 4 }, connection);
    await world.pass(0);
    assert.deepEqual(world.asked.splice(0), ["t1"]);
    world.node.onNoResponder("b");
    await world.pass(119);
    assert.deepEqual(world.asked, []);
    await world.pass(1);
    assert.deepEqual(world.asked, ["t1"]);
  });
});
