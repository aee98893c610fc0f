import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import fc from "fast-check";
import { Redis } from "ioredis";
import type { Commit, Opening, SessionRecord, SessionStore } from "../../src/store/port";
import { MemoryStore } from "../../src/store/memory";
import { RedisStore } from "../../src/store/redis";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { ManualClock } from "../helpers/manual-clock";
import { startRedis, type RedisServer } from "../helpers/redis";
import { age, checkTimesToLive } from "./redis-aging";
import { commit, CONTRACT_LIMITS } from "./store-kit";

type Step =
  | { readonly kind: "open"; readonly opening: Opening }
  | { readonly kind: "commit"; readonly commit: Commit }
  | { readonly kind: "claim"; readonly sid: string; readonly node: string; readonly turn: number }
  | { readonly kind: "restore"; readonly sid: string; readonly record: SessionRecord }
  | { readonly kind: "renew"; readonly node: string; readonly sids: readonly string[] }
  | { readonly kind: "wait"; readonly ms: number };

const sid = fc.constantFrom("s1", "{s2}");
const node = fc.constantFrom("n1", "n2");
const turn = fc.integer({ min: 0, max: 9 });
const text = fc.oneof(fc.constantFrom("4a", "€", "😀", "12:x", ""), fc.string({ maxLength: 8 }));
const few = fc.array(text, { maxLength: 5 });
const inflight = fc.option(fc.record({ t: fc.constantFrom("t1", "t2", "", "x".repeat(90)), upTo: fc.nat(9) }));
const transport = fc.constantFrom("polling", "websocket");
const phase = fc.constantFrom("open", "closing", "closed");

const commits: fc.Arbitrary<Commit> = fc.record(
  {
    sid,
    node,
    turn: fc.integer({ min: 1, max: 9 }),
    acked: fc.nat(12),
    inflight,
    packets: few,
    posts: few,
    keep: fc.integer({ min: 0, max: 3 }),
    refresh: fc.boolean(),
    transport,
    data: text,
    phase,
  },
  { requiredKeys: ["sid", "node", "turn", "acked", "inflight", "packets", "posts", "keep", "refresh"] },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("open"),
      opening: fc.record({ sid, node, protocol: fc.constantFrom(3, 4), transport, handshake: text }),
    }),
  },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant("commit"), commit: commits }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("claim"), sid, node, turn }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("restore"),
      sid,
      record: fc.record({
        owner: node,
        turn,
        protocol: fc.constantFrom(3, 4),
        transport,
        phase,
        acked: fc.nat(9),
        packets: few,
        inflight,
        answered: few,
        handled: few,
        handshake: text,
        data: text,
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("renew"), node, sids: fc.subarray(["s1", "{s2}", "s3"]) }) },
  // No sum of them comes within 5 s below a time to live: a machine that stands still for a moment must not matter.
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait"), ms: fc.constantFrom(12_001, 25_003, 61_007) }) },
);

/** Its time to live once differed. A record that is closed without a turn is in no cluster. */
const OPENED_BEHIND_A_CLOSE: Step[] = [
  {
    kind: "restore",
    sid: "s1",
    record: {
      owner: "n2",
      turn: 0,
      protocol: 3,
      transport: "polling",
      phase: "closed",
      acked: 0,
      packets: [],
      inflight: null,
      answered: [],
      handled: [],
      handshake: "",
      data: "",
    },
  },
  { kind: "open", opening: { sid: "s1", node: "n2", protocol: 3, transport: "polling", handshake: "" } },
  { kind: "wait", ms: 25_003 },
  { kind: "wait", ms: 12_001 },
];

async function run(store: SessionStore, one: Step, wait: (ms: number) => Promise<void> | void): Promise<unknown> {
  switch (one.kind) {
    case "open":
      return store.open(one.opening);
    case "commit":
      return commit(store, one.commit);
    case "claim":
      return store.claim(one.sid, one.node, one.turn);
    case "restore":
      return store.restore(one.sid, one.record);
    case "renew":
      return store.renew(one.node, one.sids);
    case "wait":
      return wait(one.ms);
  }
}

/** The owner's next turn where there is a record, so that long runs are not mostly refusals. */
async function aligned(store: SessionStore, one: Step): Promise<Step> {
  if (one.kind === "renew" || one.kind === "wait" || one.kind === "open" || one.kind === "restore") return one;
  const found = await store.look(one.kind === "commit" ? one.commit.sid : one.sid);
  if (found.kind !== "found") return one;
  if (one.kind === "claim") return one.turn % 2 === 0 ? { ...one, turn: found.turn } : one;
  return one.commit.turn % 4 === 0
    ? one
    : { ...one, commit: { ...one.commit, node: found.owner, turn: found.turn + 1 } };
}

describe("the memory store and Redis", () => {
  let server: RedisServer | undefined;
  let client: Redis | undefined;
  before(async () => {
    server = await startRedis();
    client = new Redis(server.url);
  });
  after(async () => {
    client?.disconnect();
    await server?.stop();
  });

  it("answer any run of operations alike, and keep the same", async () => {
    const redis = client!;
    const limits = { ...CONTRACT_LIMITS, maxPackets: 8, maxPacketChars: 24 };
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const prefix = `run${++runs}:`;
        const clock = new ManualClock();
        const memory = new MemoryStore({ clock, tick: new Tick(clock), limits });
        const store = new RedisStore({ redis, prefix, clock: runtimeClock, tick: new Tick(runtimeClock), limits });
        try {
          for (const [i, given] of steps.entries()) {
            const one = await aligned(memory, given);
            const want = await run(memory, one, (ms) => clock.advance(ms));
            const have = await run(store, one, (ms) => age(redis, prefix, ms));
            assert.deepEqual(have, want, `step ${i}: ${JSON.stringify(one)}`);
          }
          for (const name of ["s1", "{s2}"]) {
            const found = await memory.look(name);
            assert.deepEqual(await store.look(name), found);
            if (found.kind !== "found") continue;
            await checkTimesToLive(redis, prefix);
            const want = await memory.claim(name, "reader", found.turn);
            assert.deepEqual(await store.claim(name, "reader", found.turn), want);
          }
        } finally {
          await store.close();
          await memory.close();
        }
      }),
      { numRuns: 300, examples: [[OPENED_BEHIND_A_CLOSE]] },
    );
  });
});
