import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { ManualClock } from "../helpers/manual-clock";
import { closeAll, fakeClient, storeOn } from "./redis-kit";
import { CONTRACT_LIMITS, opening } from "./store-kit";

const AWAY = { kind: "away" };
const DOWN = "CLUSTERDOWN The cluster is down";
/** As its script answers. */
const OK = 1;

afterEach(closeAll);

/** Whoever begins a session asks once; what begins nobody else would ask for again. */
describe("RedisStore opens a session at a Redis that cannot now", () => {
  /** What a client is told, one after the other, and how often it was asked. */
  const telling = (answers: (number | Error)[], clock: ManualClock) => {
    let asked = 0;
    const client = fakeClient((name) => {
      if (name !== "evalsha") return null;
      const answer = answers[Math.min(asked++, answers.length - 1)]!;
      if (answer instanceof Error) throw answer;
      return answer;
    });
    return { store: storeOn(client, { clock }), asked: () => asked };
  };

  const pass = async (clock: ManualClock, ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 100) {
      clock.advance(100);
      await setImmediate();
    }
  };

  it("when it can", async () => {
    const clock = new ManualClock();
    const { store: bench, asked } = telling([new Error(DOWN), new Error("LOADING it starts"), OK], clock);
    const opened = bench.store.open(opening("s0", "n1"));
    await pass(clock, 1_000);
    assert.equal(asked(), 3);
    assert.deepEqual(await opened, { kind: "ok" });
    assert.deepEqual(bench.errors, []);
  });

  it("or says so within the bound", async () => {
    const clock = new ManualClock();
    const { store: bench, asked } = telling([new Error(DOWN)], clock);
    let answer: unknown;
    void bench.store.open(opening("s0", "n1")).then((result) => (answer = result));
    await pass(clock, CONTRACT_LIMITS.awayAfter - 300);
    assert.equal(answer, undefined);
    await pass(clock, 300);
    assert.deepEqual(answer, AWAY);
    const before = asked();
    await pass(clock, 1_000);
    assert.equal(asked(), before);
  });

  it("and says at once what waiting does not mend, and that it is closed", async () => {
    const clock = new ManualClock();
    const { store: refusing } = telling([new Error("NOPERM no permissions")], clock);
    assert.deepEqual(await refusing.store.open(opening("s0", "n1")), AWAY);
    assert.match(refusing.errors.join(), /NOPERM/);
    const { store: closing } = telling([new Error(DOWN)], clock);
    const opened = closing.store.open(opening("s0", "n1"));
    await setImmediate();
    await closing.store.close();
    assert.deepEqual(await opened, AWAY);
  });
});
