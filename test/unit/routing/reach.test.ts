import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Asked, WaitingConnection } from "../../../src/routing/held";
import { Reach, type ReachParts } from "../../../src/routing/reach";
import { AnswerCode, bare, RequestKind } from "../../../src/session/answers";

const GRACE = 2_000;

class World {
  readonly lostNodes = { some: false };
  storeAway = false;
  readonly membership = {
    alone: false,
    others: ["b"],
    storeWasAway: (ms: number): boolean => {
      assert.equal(ms, GRACE);
      return this.storeAway;
    },
  };
  heardAt: number | undefined = 1;
  readonly asked: number[] = [];
  readonly isolation = { withdrawn: false };
  readonly givenUp: string[] = [];
  readonly held: string[] = [];
  deaf = false;
  readonly reach = new Reach({
    id: "me",
    pollGrace: GRACE,
    lostNodes: this.lostNodes,
    isolation: this.isolation,
    givenUp: { add: (sid: string) => this.givenUp.push(sid) },
    membership: this.membership,
    holder: {
      hold: ({ kind, sid, t, body, revision }: Asked, connection: WaitingConnection) => {
        this.held.push([kind, sid, t, body, revision].join(" "));
        connection.answer(bare(AnswerCode.Ok));
      },
    },
    links: {
      speaks: false,
      lastHeard: () => this.heardAt,
      wasDeaf: (ms: number) => {
        this.asked.push(ms);
        return this.deaf;
      },
    },
  } as unknown as ReachParts);
}

describe("what a node may not have heard of a poll", () => {
  it("is what could be said within the grace", () => {
    const world = new World();
    assert.equal(world.reach.wasDeaf, false);
    world.deaf = true;
    assert.equal(world.reach.wasDeaf, true);
    assert.deepEqual(world.asked, [GRACE, GRACE]);
  });

  it("is what one would say that has a lease and was never heard", () => {
    const world = new World();
    world.heardAt = undefined;
    assert.equal(world.reach.wasDeaf, true);
  });

  it("is what one would say that could not look for the owner, since the store was away", () => {
    const world = new World();
    world.storeAway = true;
    assert.equal(world.reach.wasDeaf, true);
  });

  it("is nothing where it is alone", () => {
    const world = new World();
    world.storeAway = true;
    world.deaf = true;
    world.membership.alone = true;
    assert.equal(world.reach.wasDeaf, false);
  });

  it("may lie in the socket of a node that is lost, also where it was the only other one", () => {
    const world = new World();
    world.membership.alone = true;
    world.lostNodes.some = true;
    assert.equal(world.reach.wasDeaf, true);
  });
});

describe("a session that a node lost", () => {
  it("stays in its index where the node alone is cut off: it is noted, and looked for afterwards (I3)", () => {
    const world = new World();
    assert.equal(world.reach.gaveUp("s"), false);
    world.isolation.withdrawn = true;
    assert.equal(world.reach.gaveUp("t"), true);
    assert.deepEqual(world.givenUp, ["t"]);
  });
});

describe("a pong that a successor may wait for", () => {
  it("is put to it like a client's, of whatever protocol, and nobody waits for the answer (O7)", () => {
    const world = new World();
    world.reach.passPong("s");
    assert.deepEqual(world.held, [`${String(RequestKind.Post)} s ~pong 3 0`]);
  });
});
