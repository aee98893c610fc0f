import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACK_WITHIN, Membership, SUSPECT_AFTER } from "../../../src/ownership/membership";
import type { LeaseResult, LivingNode, NodeId, SessionStore } from "../../../src/store/port";
import { VirtualTime } from "../../../src/time/virtual-clock";

const TTL = 6000;

/** Leases of other nodes as a test wants them; of a store the membership uses nothing else. */
class LeaseStore {
  readonly others = new Map<NodeId, number>();
  /** Incarnations that the node under test asked with, and when. */
  readonly asked: [incarnation: number, at: number][] = [];
  readonly released: NodeId[] = [];
  away = false;
  /** Set: the answer is held back until `resolve` is called. */
  hold: ((resolve: () => void) => void) | undefined;
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  lease(node: NodeId, incarnation: number): Promise<LeaseResult> {
    this.asked.push([incarnation, this.#now()]);
    const answer = (): LeaseResult => {
      if (this.away) return { kind: "away" };
      const nodes: LivingNode[] = [...this.others].map(([node, incarnation]) => ({ node, incarnation }));
      return { kind: "ok", nodes: [...nodes, { node, incarnation }] };
    };
    const { hold } = this;
    if (hold === undefined) return Promise.resolve(answer());
    return new Promise((resolve) => {
      hold(() => {
        resolve(answer());
      });
    });
  }

  release(node: NodeId): Promise<void> {
    this.released.push(node);
    return Promise.resolve();
  }

  port(): SessionStore {
    const unused = (): never => assert.fail("the membership asks for leases only");
    return {
      generation: 1,
      onReturn: undefined,
      lease: (node, incarnation) => this.lease(node, incarnation),
      release: (node) => this.release(node),
      ready: unused,
      open: unused,
      handshake: unused,
      look: unused,
      commit: unused,
      claim: unused,
      restore: unused,
      renew: unused,
      index: unused,
      indexSlice: unused,
      close: unused,
    };
  }
}

class World {
  readonly time = new VirtualTime(1);
  readonly process = this.time.process();
  readonly store = new LeaseStore(() => this.time.now);
  readonly events: string[] = [];
  readonly membership = new Membership({
    node: "me",
    store: this.store.port(),
    clock: this.process,
    leaseTtl: TTL,
    listener: {
      onNodeJoined: (node) => this.events.push(`joined ${node}`),
      onNodeDead: (node) => this.events.push(`dead ${node}`),
      onLeaseEnded: () => undefined,
      onLeaseBack: (node) => this.events.push(`back ${node}`),
      onLeaseRetaken: (incarnation) => this.events.push(`retaken ${String(incarnation)}`),
    },
  });

  /** Lets virtual time pass, and between two of its events the promises that are settled. */
  async pass(ms: number): Promise<void> {
    const end = this.time.now + ms;
    this.time.schedule(ms, () => undefined);
    for (;;) {
      for (let i = 0; i < 10; i++) await Promise.resolve();
      if (this.time.next === undefined || this.time.next > end) return;
      this.time.step();
    }
  }

  static async joined(...others: NodeId[]): Promise<World> {
    const world = new World();
    for (const node of others) world.store.others.set(node, 1);
    await world.membership.start();
    assert.deepEqual(
      world.events.splice(0),
      others.map((node) => `joined ${node}`),
    );
    return world;
  }
}

describe("a store that has forgotten all leases, and says so while this node renews its own", () => {
  it("has nobody dead before each had the time to take it again", async () => {
    const world = await World.joined("other", "dead");
    world.store.others.clear();
    world.store.hold = (resolve) => {
      world.store.hold = undefined;
      world.membership.storeReturned();
      resolve();
    };
    await world.pass(TTL / 3);
    assert.deepEqual(world.events, []);
    world.store.others.set("other", 1);
    await world.pass((2 * TTL) / 3);
    assert.deepEqual(world.events, []);
    await world.pass((2 * TTL) / 3);
    assert.deepEqual(world.events, ["dead dead"]);
  });
});

describe("the lease of this node", () => {
  it("is held when start resolves, and renewed at a third of its time", async () => {
    const world = await World.joined();
    await world.pass(TTL);
    assert.deepEqual(
      world.store.asked.map(([incarnation, at]) => [incarnation, at]),
      [0, 1, 2, 3].map((n) => [1, (n * TTL) / 3]),
    );
  });

  it("is asked for until the store is there, of which nobody says before that it is", async () => {
    const world = new World();
    world.store.away = true;
    let started = false;
    assert.equal(world.membership.storeAnswers, false);
    void world.membership.start().then(() => (started = true));
    await world.pass(1000);
    assert.equal(started, false);
    assert.equal(world.membership.storeAnswers, false);
    world.store.away = false;
    await world.pass(100);
    assert.equal(started, true);
    assert.equal(world.membership.storeAnswers, true);
  });

  it("that ended by this node's own clock is taken again with a new incarnation", async () => {
    const world = await World.joined();
    world.store.away = true;
    await world.pass(2 * TTL);
    assert.deepEqual(world.events, []);
    world.store.away = false;
    await world.pass(TTL / 3);
    assert.deepEqual(world.events, ["retaken 2"]);
    assert.equal(world.membership.incarnation, 2);
    await world.pass(2 * TTL);
    assert.deepEqual(world.events, ["retaken 2"]);
  });

  it("keeps its incarnation over a break that is shorter than the lease", async () => {
    const world = await World.joined();
    world.store.away = true;
    await world.pass(TTL / 2);
    world.store.away = false;
    await world.pass(TTL);
    assert.equal(world.membership.incarnation, 1);
    assert.deepEqual(world.events, []);
  });

  it("asks with the same new incarnation as often as it takes", async () => {
    const world = await World.joined();
    world.store.away = true;
    await world.pass(3 * TTL);
    const late = world.store.asked.filter(([, at]) => at > TTL * 1.5).map(([incarnation]) => incarnation);
    assert.ok(late.length >= 3);
    assert.deepEqual(new Set(late), new Set([2]));
  });

  it("is renewed at once behind an answer that was long in coming, and does not end", async () => {
    const world = await World.joined();
    let resolve: () => void = () => assert.fail("not asked");
    world.store.hold = (answer) => (resolve = answer);
    await world.pass(TTL / 3);
    world.store.hold = undefined;
    await world.pass(TTL / 2);
    resolve();
    await world.pass(TTL);
    assert.deepEqual(world.events, []);
  });

  it("does not end where the answer behind such a one is late as well", async () => {
    const world = await World.joined();
    // Asked for a third of a lease later than at once, the second one would be answered when the lease has ended.
    const lasts = [TTL / 2, 0.4 * TTL];
    world.store.hold = (answer) => {
      world.time.schedule(lasts.shift() ?? 0, answer);
    };
    await world.pass(2 * TTL);
    assert.deepEqual([world.events, lasts], [[], []]);
  });

  it("that ended while the store was slow is taken again: what was refused meanwhile is asked for again", async () => {
    const world = await World.joined();
    let resolve: () => void = () => assert.fail("not asked");
    world.store.hold = (answer) => (resolve = answer);
    await world.pass(TTL / 3);
    world.store.hold = undefined;
    await world.pass(TTL * 0.8);
    assert.equal(world.membership.lapsed, true);
    resolve();
    await world.pass(1);
    assert.equal(world.membership.lapsed, false);
    assert.deepEqual(world.events, ["retaken 2"]);
  });

  it("counts from when it was asked for: an answer that took longer than the lease gives none", async () => {
    const world = await World.joined();
    let resolve: () => void = () => assert.fail("not asked");
    world.store.hold = (answer) => (resolve = answer);
    await world.pass(TTL / 3);
    world.store.hold = undefined;
    await world.pass(2 * TTL);
    resolve();
    await world.pass(TTL / 3);
    assert.deepEqual(world.events, ["retaken 2"]);
  });

  it("is given back at the stop, and not asked for again", async () => {
    const world = await World.joined("a");
    await world.membership.stop();
    assert.deepEqual(world.store.released, ["me"]);
    const asked = world.store.asked.length;
    world.store.others.clear();
    await world.pass(3 * TTL);
    assert.equal(world.store.asked.length, asked);
    assert.deepEqual(world.events, []);
  });

  it("tells nobody of an answer that comes after the stop", async () => {
    const world = await World.joined("a");
    let resolve: () => void = () => assert.fail("not asked");
    world.store.hold = (answer) => (resolve = answer);
    await world.pass(TTL / 3);
    await world.membership.stop();
    world.store.others.clear();
    world.store.others.set("b", 1);
    resolve();
    await world.pass(TTL);
    assert.deepEqual(world.events, []);
  });
});

describe("a store", () => {
  it("that was slow was away: it may have read this node's renewal before those that waited as well", async () => {
    const world = await World.joined("a");
    await world.pass(TTL);
    let resolve: () => void = () => assert.fail("not asked");
    world.store.hold = (answer) => (resolve = answer);
    await world.pass(TTL / 3);
    world.store.hold = undefined;
    await world.pass(TTL / 3);
    world.store.others.delete("a");
    resolve();
    await world.pass(1);
    assert.deepEqual(world.events, []);
    await world.pass(TTL / 2);
    world.store.others.set("a", 1);
    await world.pass(TTL);
    assert.deepEqual(world.events, []);
  });

  it("was away while an answer is waited for, where it told so, and for a time behind its return", async () => {
    const world = await World.joined();
    assert.equal(world.membership.storeWasAway(1000), false);
    const held: (() => void)[] = [];
    world.store.hold = (resolve) => held.push(resolve);
    await world.pass(TTL / 3 + 1);
    assert.equal(world.membership.storeWasAway(1000), true);
    assert.equal(world.membership.isStoreAway(250), false, "it was asked just now");
    await world.pass(250);
    assert.equal(world.membership.isStoreAway(250), true);
    world.store.away = true;
    world.store.hold = undefined;
    for (const resolve of held) resolve();
    await world.pass(1);
    assert.equal(world.membership.storeWasAway(1000), true);
    assert.equal(world.membership.isStoreAway(250), true);
    world.store.away = false;
    await world.pass(TTL / 3);
    assert.equal(world.membership.storeWasAway(1000), true);
    assert.equal(world.membership.isStoreAway(250), false);
    await world.pass(1000);
    assert.equal(world.membership.storeWasAway(1000), false);
    world.membership.storeReturned();
    await world.pass(999);
    assert.equal(world.membership.storeWasAway(1000), true);
  });
});

describe("a machine that stands still, with its nodes", () => {
  it("has none of them dead that renews its lease when it goes on, a little later than this one", async () => {
    const world = await World.joined("other");
    await world.pass(TTL);
    world.process.pause();
    await world.pass(TTL);
    world.store.others.clear();
    world.process.resume();
    await world.pass(10);
    world.store.others.set("other", 2);
    await world.pass(2 * TTL);
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("dead")),
      [],
    );
    world.store.others.clear();
    await world.pass(TTL);
    assert.equal(world.events.at(-1), "dead other");
  });
});

describe("other nodes", () => {
  it("join when their lease is seen, and are dead when it is missing", async () => {
    const world = await World.joined("a");
    world.store.others.set("b", 1);
    await world.pass(TTL / 3);
    assert.deepEqual(world.events.splice(0), ["joined b"]);
    assert.deepEqual(world.membership.others, ["a", "b"]);
    world.store.others.delete("a");
    await world.pass(TTL / 3);
    assert.deepEqual(world.events, ["dead a"]);
    assert.deepEqual([world.membership.isDead("a"), world.membership.isDead("b")], [true, false]);
    assert.deepEqual(world.membership.others, ["b"]);
    await world.pass(TTL);
    assert.deepEqual(world.events, ["dead a"]);
  });

  it("that nobody ever heard of are not dead", async () => {
    const world = await World.joined();
    assert.equal(world.membership.isDead("stranger"), false);
  });

  it("are not dead by their leases until the store has been back for a whole lease time", async () => {
    const world = await World.joined("a", "b");
    world.store.away = true;
    await world.pass(2 * TTL);
    world.store.others.clear();
    world.store.away = false;
    await world.pass(TTL);
    assert.deepEqual(world.events, ["retaken 2"]);
    // One of them has renewed meanwhile, the other has not.
    world.store.others.set("a", 2);
    await world.pass(TTL);
    assert.deepEqual(world.events, ["retaken 2", "dead b"]);
    assert.deepEqual(world.membership.others, ["a"]);
  });

  it("are given the whole time again when the store goes away once more", async () => {
    const world = await World.joined("a");
    world.store.away = true;
    await world.pass(TTL / 2);
    world.store.away = false;
    world.store.others.clear();
    await world.pass(TTL / 2);
    world.store.away = true;
    await world.pass(TTL / 2);
    world.store.away = false;
    await world.pass(TTL * 0.9);
    assert.deepEqual(world.events, []);
    await world.pass(TTL);
    assert.deepEqual(world.events, ["dead a"]);
  });

  it("own nothing while they are heard without a lease, but hold what they hold", async () => {
    const world = await World.joined("a");
    world.store.others.delete("a");
    await world.pass(TTL / 3);
    const { membership } = world;
    const says = (): boolean[] => [membership.isDead("a"), membership.leaseEnded("a"), membership.mayHold("a")];
    assert.deepEqual(says(), [true, true, false]);
    membership.heardFrom("a", 1);
    assert.deepEqual(says(), [true, true, true]);
    membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    membership.foundNobody("a");
    assert.deepEqual(says(), [true, true, false]);
  });

  it("live again when they are heard with another incarnation, or their lease is seen", async () => {
    const world = await World.joined("a", "b");
    world.store.others.clear();
    await world.pass(TTL / 3);
    world.membership.heardFrom("a", 2);
    assert.deepEqual([world.membership.isDead("a"), world.membership.isDead("b")], [false, true]);
    world.store.others.set("b", 1);
    world.store.others.set("a", 2);
    await world.pass(TTL / 3);
    assert.deepEqual([world.membership.isDead("a"), world.membership.isDead("b")], [false, false]);
  });
});

describe("a node that is deaf", () => {
  it("renews its lease once more, lets it end, and judges nobody", async () => {
    const world = await World.joined("a");
    await world.pass(TTL / 2);
    world.store.asked.length = 0;
    world.membership.suspend();
    world.store.others.delete("a");
    await world.pass(2 * TTL);
    assert.deepEqual(world.store.asked, [[1, TTL / 2]]);
    assert.deepEqual(world.events, []);
    assert.equal(world.membership.lapsed, true);
    world.membership.resume();
    await world.pass(TTL);
    assert.deepEqual(world.events, ["retaken 2"], "the others may have been deaf too");
  });

  it("takes nobody for dead either that its last renewal does not find", async () => {
    const world = await World.joined("a");
    await world.pass(TTL);
    world.store.others.delete("a");
    world.membership.suspend();
    await world.pass(1);
    assert.deepEqual(world.events, []);
  });

  it("asks for the others' leases without taking its own", async () => {
    const world = await World.joined("a");
    world.membership.suspend();
    assert.equal(await world.membership.othersStand(), true);
    world.store.others.delete("a");
    assert.equal(await world.membership.othersStand(), false);
    world.store.away = true;
    assert.equal(await world.membership.othersStand(), false);
  });
});

describe("a message that finds nobody", () => {
  it("makes a node dead the second time, if some time has passed between", async () => {
    const world = await World.joined("a", "b");
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER - 1);
    world.membership.foundNobody("a");
    assert.equal(world.membership.isDead("a"), false);
    await world.pass(1);
    world.membership.foundNobody("a");
    assert.equal(world.membership.isDead("a"), true);
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    world.membership.foundNobody("a");
    assert.deepEqual(world.events, ["dead a"]);
    assert.deepEqual(world.membership.others, ["b"]);
  });

  it("says nothing while others may not be back yet, where the bus was away for all", async () => {
    const world = await World.joined("a", "b");
    const findNobody = (node: string): void => {
      world.membership.foundNobody(node);
    };
    findNobody("b");
    world.membership.busReturned();
    for (let ms = 0; ms < BACK_WITHIN; ms += SUSPECT_AFTER) {
      findNobody("a");
      await world.pass(SUSPECT_AFTER);
    }
    assert.deepEqual(world.events, []);
    for (const node of ["a", "b"]) findNobody(node);
    assert.deepEqual(world.events, [], "what was before it counts no more");
    await world.pass(SUSPECT_AFTER);
    findNobody("a");
    assert.deepEqual(world.events, ["dead a"]);
  });

  it("is forgotten when the node was heard in between", async () => {
    const world = await World.joined("a");
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    world.membership.heardFrom("a");
    world.membership.foundNobody("a");
    assert.equal(world.membership.isDead("a"), false);
  });

  it("does not say that the lease has ended, and a word from the node makes it live again", async () => {
    const world = await World.joined("a");
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    world.membership.foundNobody("a");
    assert.equal(world.membership.leaseEnded("a"), false);
    world.membership.heardFrom("a");
    assert.equal(world.membership.isDead("a"), false);
    world.store.others.delete("a");
    await world.pass(TTL);
    assert.equal(world.membership.leaseEnded("a"), world.membership.isDead("a"));
  });

  for (const seen of ["before it is heard again", "behind that"]) {
    it(`is followed by a new beginning, also where its lease is seen ${seen}`, async () => {
      const world = await World.joined("a");
      world.membership.foundNobody("a");
      await world.pass(SUSPECT_AFTER);
      world.membership.foundNobody("a");
      if (seen === "before it is heard again") await world.pass(TTL / 3);
      world.membership.heardFrom("a");
      await world.pass(TTL / 3);
      assert.deepEqual(world.events, ["dead a", "joined a"]);
    });
  }

  it("says so when the lease has ended too", async () => {
    const world = await World.joined("a");
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    world.membership.foundNobody("a");
    world.store.others.delete("a");
    await world.pass(TTL / 3);
    assert.deepEqual([world.membership.isDead("a"), world.membership.leaseEnded("a")], [true, true]);
    assert.deepEqual(world.events, ["dead a"]);
  });

  it("leaves a node dead whose lease still stands", async () => {
    const world = await World.joined("a");
    world.membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    world.membership.foundNobody("a");
    await world.pass(TTL / 3);
    assert.equal(world.membership.isDead("a"), true);
    assert.deepEqual(world.events, ["dead a"]);
  });
});

describe("a look around", () => {
  it("finds who joined since the lease was renewed last", async () => {
    const world = await World.joined();
    world.store.others.set("b", 1);
    let looked: boolean | undefined;
    void world.membership.lookAround(500).then((told) => (looked = told));
    await world.pass(0);
    assert.deepEqual([looked, world.membership.others], [true, ["b"]]);
  });

  it("ends in time where the store does not answer", async () => {
    const world = await World.joined("a");
    world.store.hold = () => undefined;
    let looked: boolean | undefined;
    void world.membership.lookAround(500).then((told) => (looked = told));
    await world.pass(499);
    assert.equal(looked, undefined);
    await world.pass(1);
    assert.deepEqual([looked, world.membership.others], [false, ["a"]]);
  });
});

describe("what comes late from a node", () => {
  it("is of a time gone by where the lease that it was said under has ended, until it is said under the next one", async () => {
    const world = await World.joined("a");
    const { membership } = world;
    assert.equal(membership.isBygone("a", 1), false);
    world.store.others.delete("a");
    await world.pass(2 * TTL);
    assert.equal(membership.leaseEnded("a"), true);
    membership.heardFrom("a", 1);
    assert.deepEqual([membership.isBygone("a", 1), membership.isBygone("a", 2)], [true, false]);
    // Also where the lease was seen again before anything was heard.
    world.store.others.set("a", 2);
    await world.pass(TTL);
    assert.equal(membership.isDead("a"), false);
    assert.deepEqual([membership.isBygone("a", 1), membership.isBygone("a", 2)], [true, false]);
    assert.equal(membership.isBygone("a stranger", 1), false);
  });

  it("was dropped though the node held its lease, which the store had lost: that it is back is told, and of no other lease", async () => {
    const world = await World.joined("a", "b");
    for (const node of ["a", "b"]) world.store.others.delete(node);
    await world.pass(2 * TTL);
    world.events.length = 0;
    world.store.others.set("a", 1);
    world.store.others.set("b", 2);
    await world.pass(TTL);
    assert.deepEqual(world.events, ["joined a", "back a", "joined b"]);
  });

  it("counts where it only was not found: it may hold its lease", async () => {
    const world = await World.joined("a");
    const { membership } = world;
    membership.foundNobody("a");
    await world.pass(SUSPECT_AFTER);
    membership.foundNobody("a");
    assert.equal(membership.isDead("a"), true);
    assert.equal(membership.isBygone("a", 1), false);
  });
});
