import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnerCache } from "../../../src/routing/owner-cache";
import { Search, type SearchParts } from "../../../src/routing/search";
import type { LookResult } from "../../../src/store/port";
import { Counters } from "../../../src/telemetry/counters";
import { HandClock } from "../../helpers/hand-clock";

class World {
  readonly clock = new HandClock();
  found: LookResult = { kind: "found", owner: "b", turn: 7, protocol: 4, transport: "polling", phase: "open" };
  looks = 0;
  hangs = false;
  /** Since when the store owes this node its lease, in milliseconds. */
  unanswered = 0;
  readonly dead = new Set<string>();
  readonly ended = new Set<string>();
  readonly isolation = { withdrawn: false };
  readonly storeWatch = { recovering: false };
  readonly claims: string[] = [];
  readonly search = new Search({
    id: "me",
    clock: this.clock,
    store: {
      look: () => {
        this.looks++;
        return this.hangs ? new Promise(() => undefined) : Promise.resolve(this.found);
      },
    },
    counters: new Counters(),
    sessions: { has: () => false },
    cache: new OwnerCache(10),
    takeovers: {
      running: () => undefined,
      claim: (sid: string, from: string, turn: number) => {
        this.claims.push(`${sid} from ${from} at ${String(turn)}`);
        return Promise.resolve({ kind: "here" });
      },
    },
    storeWatch: this.storeWatch,
    isolation: this.isolation,
    membership: {
      isDead: (node: string) => this.dead.has(node),
      leaseEnded: (node: string) => this.ended.has(node),
      isStoreAway: (ms: number) => this.unanswered > ms,
    },
  } as unknown as SearchParts);

  async find(...doubted: string[]): Promise<string> {
    const found = await this.search.find("s", doubted);
    return found.kind === "at" ? `at ${found.node}` : found.kind;
  }
}

describe("H1: who looks for a session's owner", () => {
  it("is told where it is, and looks once for all who ask at a time", async () => {
    const world = new World();
    assert.deepEqual(await Promise.all([world.find(), world.find()]), ["at b", "at b"]);
    assert.deepEqual([world.looks, world.claims], [1, []]);
  });

  it("claims from a dead owner, from one that is doubted, and from itself, at the turn that was seen", async () => {
    for (const why of ["dead", "doubted", "own"] as const) {
      const world = new World();
      if (why === "dead") world.dead.add("b");
      const owner = why === "own" ? "me" : "b";
      world.found = { kind: "found", owner, turn: 7, protocol: 4, transport: "polling", phase: "open" };
      assert.equal(await (why === "doubted" ? world.find("b") : world.find()), "here");
      assert.deepEqual(world.claims, [`s from ${owner} at 7`]);
    }
  });

  it("asks nobody for a session while this node alone is cut off (I3)", async () => {
    const world = new World();
    world.isolation.withdrawn = true;
    assert.equal(await world.find(), "away");
    assert.equal(world.looks, 0);
  });
});

describe("O9: who looks in vain", () => {
  const BEHIND = 1000;

  it("says so while the store leaves it without an answer, not at once, and for a while behind that", async () => {
    const world = new World();
    world.hangs = true;
    void world.find();
    world.clock.advance(200);
    assert.equal(world.search.isBlind, false, "no store answers within no time");
    world.clock.advance(100);
    assert.equal(world.search.isBlind, true);
    world.clock.advance(BEHIND);
    assert.equal(world.search.isBlind, true, "nothing was answered meanwhile");
  });

  it("says so when the store is away", async () => {
    const world = new World();
    await world.find();
    assert.equal(world.search.isBlind, false);
    world.found = { kind: "away" };
    assert.equal(await world.find(), "away");
    assert.equal(world.search.isBlind, true);
    world.clock.advance(BEHIND);
    assert.equal(world.search.isBlind, false);
  });

  it("says so when the store does not answer for its lease, but not while it is just asked", () => {
    const world = new World();
    world.unanswered = 20;
    assert.equal(world.search.isBlind, false, "of a hundred nodes that renew, one is always just asking");
    world.unanswered = 300;
    assert.equal(world.search.isBlind, true);
  });

  it("says nothing where it has withdrawn and keeps no poll, for as long as that may last", async () => {
    const world = new World();
    world.found = { kind: "away" };
    await world.find();
    world.unanswered = 300;
    world.isolation.withdrawn = true;
    assert.equal(world.search.isBlind, false);
  });
});

describe("a session of which the store knows nothing", () => {
  it("is unknown, but for a while behind a loss of data: its owner may write it again", async () => {
    const world = new World();
    world.found = { kind: "unknown" };
    assert.equal(await world.find(), "unknown");
    world.storeWatch.recovering = true;
    assert.equal(await world.find(), "away");
  });
});

describe("U6: a session that has a websocket", () => {
  it("is claimed where its owner's lease has ended, and not on a suspicion", async () => {
    const world = new World();
    world.found = { kind: "found", owner: "b", turn: 7, protocol: 4, transport: "websocket", phase: "open" };
    world.dead.add("b");
    assert.equal(await world.find(), "away");
    assert.deepEqual(world.claims, []);
    world.ended.add("b");
    assert.equal(await world.find(), "here");
  });

  it("is asked for at an owner that is doubted and lives", async () => {
    const world = new World();
    world.found = { kind: "found", owner: "b", turn: 7, protocol: 4, transport: "websocket", phase: "open" };
    assert.equal(await world.find("b"), "at b");
    assert.deepEqual(world.claims, []);
  });
});
