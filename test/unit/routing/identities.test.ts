import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { describe, test } from "node:test";
import { Identities, type IdentitiesOptions, type Identity } from "../../../src/routing/identities";
import type { OwnedSession } from "../../../src/session/owned-session";
import type { HandshakeResult } from "../../../src/store/port";
import { HandClock } from "../../helpers/hand-clock";

function text(user: string): string {
  return JSON.stringify({ url: "/", method: "GET", headers: { user }, query: {}, address: "", encrypted: false });
}

class World {
  readonly clock = new HandClock();
  readonly records = new Map<string, string>();
  readonly own = new Map<string, OwnedSession>();
  reads: string[] = [];
  away = false;
  recovering = false;
  readonly identities: Identities;

  constructor(options: Partial<IdentitiesOptions> = {}) {
    this.identities = new Identities({
      clock: this.clock,
      store: { handshake: (sid) => Promise.resolve(this.#read(sid)) },
      sessions: this.own,
      capacity: 100,
      keptFor: 1000,
      patience: 5000,
      recovering: () => this.recovering,
      ...options,
    });
  }

  #read(sid: string): HandshakeResult {
    this.reads.push(sid);
    if (this.away) return { kind: "away" };
    const handshake = this.records.get(sid);
    return handshake === undefined ? { kind: "unknown" } : { kind: "found", handshake };
  }

  async user(sid: string): Promise<unknown> {
    return userOf(await this.identities.of(sid));
  }

  /** Lets time pass while somebody waits, whose promises go on in between. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await setImmediate();
      this.clock.advance(100);
    }
    await setImmediate();
  }
}

function userOf(identity: Identity): unknown {
  return typeof identity === "string" ? identity : identity.handshake.headers["user"];
}

describe("identities of sessions", () => {
  test("of one that is owned here it is at hand, and the store is not asked", () => {
    const world = new World();
    const session: Pick<OwnedSession, "sid" | "handshake"> = { sid: "a", handshake: text("alice") };
    world.own.set("a", session as OwnedSession);
    const identity = world.identities.of("a");
    assert.ok(!(identity instanceof Promise));
    assert.equal(userOf(identity), "alice");
    assert.equal(world.identities.of("a"), identity);
    assert.deepEqual(world.reads, []);
  });

  test("of another one the store is asked once, for all who ask meanwhile and after", async () => {
    const world = new World();
    world.records.set("a", text("alice"));
    assert.deepEqual(await Promise.all([world.user("a"), world.user("a"), world.user("a")]), Array(3).fill("alice"));
    assert.equal(userOf(world.identities.of("a") as Identity), "alice");
    assert.deepEqual(world.reads, ["a"]);
  });

  test("one that is not there is asked for again: nobody can fill the memory with ids", async () => {
    const world = new World();
    for (let again = 0; again < 2; again++) assert.equal(await world.user("none"), "unknown");
    assert.deepEqual(world.reads, ["none", "none"]);
  });

  test("an id that is given to somebody else is not the first one's for long", async () => {
    const world = new World();
    world.records.set("a", text("alice"));
    await world.user("a");
    world.records.set("a", text("bob"));
    for (let asked = 0; asked < 9; asked++) {
      await world.user("a");
      world.clock.advance(125);
    }
    assert.equal(await world.user("a"), "bob");
  });

  test("after a long while without a request nothing of before is left", async () => {
    const world = new World();
    world.records.set("a", text("alice"));
    await world.user("a");
    world.records.set("a", text("bob"));
    world.clock.advance(1000);
    assert.equal(await world.user("a"), "bob");
  });

  test("so many are remembered and no more", async () => {
    const world = new World({ capacity: 10 });
    for (let i = 0; i < 50; i++) {
      world.records.set(`s${i}`, text(`u${i}`));
      assert.equal(await world.user(`s${i}`), `u${i}`);
    }
    world.reads = [];
    for (let i = 49; i >= 0; i--) await world.user(`s${i}`);
    assert.ok(world.reads.length >= 40, String(world.reads.length));
  });

  test("a store that is away, or may have lost the record, is asked again until it is back", async () => {
    for (const trouble of ["away", "recovering"] as const) {
      const world = new World();
      world[trouble] = true;
      const asked = world.user("a");
      await world.pass(1000);
      world.records.set("a", text("alice"));
      world[trouble] = false;
      await world.pass(200);
      assert.equal(await asked, "alice");
    }
  });

  test("and given up in the end", async () => {
    const world = new World();
    world.away = true;
    const asked = world.user("a");
    await world.pass(6000);
    assert.equal(await asked, "away");
    assert.equal(world.clock.timers, 0);
    world.away = false;
    world.records.set("a", text("alice"));
    assert.equal(await world.user("a"), "alice");
  });
});
