import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Caller, type Answer, type StoreStats } from "../../../src/store/redis/caller";
import type { Connection } from "../../../src/store/redis/connection";
import { SCRIPTS } from "../../../src/store/redis/scripts.generated";
import { Latency } from "../../../src/telemetry/latency";
import { HandClock } from "../../helpers/hand-clock";

const AWAY_AFTER = 10_000;
const MB = 1_000_000;

/** A Redis that answers when it is told to. */
class World {
  readonly clock = new HandClock();
  /** What is under way, oldest first: the last argument of each. */
  readonly sent: { readonly name: string; readonly answer: (reply: unknown) => void }[] = [];
  readonly stats: StoreStats = { calls: 0, scripts: 0, commits: 0, failed: 0, refused: 0 };
  readonly said: string[] = [];
  renewals = 0;
  readonly caller: Caller;

  constructor() {
    const client = {
      call: (_name: string, args: readonly string[]) =>
        new Promise((resolve) => {
          this.sent.push({ name: args.at(-1) ?? "", answer: resolve });
        }),
    };
    const connection = { client, renew: () => this.renewals++ };
    this.caller = new Caller({
      connection: connection as unknown as Connection,
      clock: this.clock,
      awayAfter: AWAY_AFTER,
      maxCalls: 1000,
      maxBytes: 64 * MB,
      onError: (error) => assert.fail(error),
      stats: this.stats,
      latency: new Latency(),
    });
  }

  commit(name: string, size: number): void {
    this.#note(name, this.caller.commit([], [name], size, 1));
  }

  open(name: string): void {
    this.#note(name, this.caller.run(SCRIPTS.open, [], [name], 500));
  }

  /** Answers the oldest that is under way. */
  async answer(): Promise<void> {
    this.sent.shift()?.answer("ok");
    await setImmediate();
  }

  get underWay(): string {
    return this.sent.map(({ name }) => name).join(" ");
  }

  #note(name: string, answer: Promise<Answer>): void {
    void answer.then((said) => this.said.push(`${name} ${said === null ? "away" : String(said.reply)}`));
  }
}

describe("commits to Redis", () => {
  it("are under way with 8 MB at most; those beyond follow in their order when others were answered", async () => {
    const world = new World();
    for (const name of ["a", "b", "c", "d", "e"]) world.commit(name, 3 * MB);
    world.commit("small", 100);
    assert.equal(world.underWay, "a b");
    await world.answer();
    assert.equal(world.underWay, "b c");
    await world.answer();
    await world.answer();
    assert.equal(world.underWay, "d e small");
    for (let n = 0; n < 3; n++) await world.answer();
    assert.deepEqual(world.said, ["a ok", "b ok", "c ok", "d ok", "e ok", "small ok"]);
    assert.deepEqual([world.stats.calls, world.stats.failed], [6, 0]);
  });

  it("that are larger go alone", async () => {
    const world = new World();
    world.commit("a", 1 * MB);
    world.commit("large", 30 * MB);
    world.commit("b", 1 * MB);
    assert.equal(world.underWay, "a");
    await world.answer();
    assert.equal(world.underWay, "large");
    await world.answer();
    assert.equal(world.underWay, "b");
  });

  it("take no room from other commands, however many wait, and are refused beyond the bound of all", async () => {
    const world = new World();
    for (let n = 0; n < 100; n++) world.commit(`c${n}`, 1 * MB);
    await setImmediate();
    assert.equal(world.stats.refused, 36);
    assert.equal(world.said.length, 36);
    world.open("open");
    await setImmediate();
    assert.equal(world.underWay, "c0 c1 c2 c3 c4 c5 c6 c7 open");
    assert.equal(world.said.length, 36, "it is not refused");
    for (let n = 0; n < 65; n++) await world.answer();
    assert.equal(world.said.length, 101);
    assert.equal(world.said.filter((said) => said.endsWith("ok")).length, 65);
    world.commit("again", 1 * MB);
    assert.equal(world.underWay, "again");
  });

  it("are given up when they have waited for long, and those that are sent have all of the time for their answer", async () => {
    const world = new World();
    world.commit("a", 8 * MB);
    world.clock.advance(1000);
    world.commit("b", 8 * MB);
    world.commit("c", 8 * MB);
    world.clock.advance(AWAY_AFTER - 2000);
    await world.answer();
    assert.equal(world.underWay, "b");
    world.clock.advance(2000);
    await setImmediate();
    assert.deepEqual(world.said, ["a ok", "c away"]);
    assert.equal(world.renewals, 0, "nothing was late");
    await world.answer();
    assert.deepEqual(world.said, ["a ok", "c away", "b ok"]);
    assert.equal(world.underWay, "", "it is not sent any more");
    world.commit("d", 60 * MB);
    assert.equal(world.underWay, "d", "what was given up takes no room");
    world.clock.advance(AWAY_AFTER);
    await setImmediate();
    assert.deepEqual([world.said.at(-1), world.renewals], ["d away", 1]);
  });

  it("that wait are answered away when the store is closed, and those that come later", async () => {
    const world = new World();
    for (const name of ["a", "b"]) world.commit(name, 8 * MB);
    world.caller.close();
    world.commit("c", 8 * MB);
    await setImmediate();
    assert.deepEqual(world.said.sort(), ["a away", "b away", "c away"]);
    await world.answer();
    assert.equal(world.underWay, "");
    assert.equal(world.clock.timers, 0);
  });
});
