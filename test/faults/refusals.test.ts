import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import Redis from "ioredis";
import { FaultWorld, SOAK } from "./fault-world";

/** In milliseconds. */
const LASTS = SOAK ? 3_000 : 1_500;

interface Refusal {
  readonly what: string;
  readonly begin: (redis: Redis) => Promise<unknown>;
  /** Where it is not over by itself. */
  readonly end?: (redis: Redis) => Promise<unknown>;
}

const set = (name: string, value: string) => (redis: Redis) => redis.config("SET", name, value);

/** A Redis that is there, and will not. */
const REFUSALS: readonly Refusal[] = [
  { what: "is over its maxmemory (OOM)", begin: set("maxmemory", "1"), end: set("maxmemory", "0") },
  {
    what: "has fewer replicas than it wants (NOREPLICAS)",
    begin: set("min-replicas-to-write", "1"),
    end: set("min-replicas-to-write", "0"),
  },
  {
    what: "is a replica of nobody who answers (READONLY)",
    begin: (redis) => redis.replicaof("127.0.0.1", "1"),
    end: (redis) => redis.replicaof("NO", "ONE"),
  },
  { what: "sleeps", begin: (redis) => redis.call("DEBUG", "SLEEP", String(LASTS / 1000)) },
  {
    what: "forgets its functions and scripts, again and again",
    begin: async (redis) => {
      for (let i = 0; i < 20; i++) {
        await redis.call("FUNCTION", "FLUSH");
        await redis.script("FLUSH");
        await sleep(LASTS / 20);
      }
    },
  },
  {
    what: "ends all connections, again and again",
    begin: async (redis) => {
      for (let i = 0; i < 10; i++) {
        await redis.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        await sleep(LASTS / 10);
      }
    },
  },
];

/** A Redis that has lost something, and no connection broke. */
const LOSSES: readonly Refusal[] = [
  {
    what: "was emptied (FLUSHALL), again and again",
    begin: async (redis) => {
      for (let i = 0; i < 3; i++) {
        await redis.flushall();
        await sleep(LASTS);
      }
    },
  },
  {
    what: "has lost the leases, again and again",
    begin: async (redis) => {
      for (let i = 0; i < 10; i++) {
        for (const key of await redis.keys("*{nodes}:l")) await redis.del(key);
        await sleep(LASTS / 5);
      }
    },
  },
];

describe("a Redis that answers, and not what it is asked for", () => {
  let world: FaultWorld | undefined;

  afterEach(async () => {
    await world?.kit.stop();
    world = undefined;
  });

  for (const { what, begin, end } of [...REFUSALS, ...LOSSES]) {
    test(`it ${what}`, async () => {
      world = await FaultWorld.start({ redisArgs: ["--enable-debug-command", "yes"] });
      const admin = new Redis(world.kit.redis.url);
      try {
        const began = performance.now();
        await begin(admin);
        await sleep(Math.max(0, began + LASTS - performance.now()));
        await end?.(admin);
      } finally {
        admin.disconnect();
      }
      await world.ends({ silence: LASTS });
      const accounts = await world.accounts();
      assert.deepEqual(
        accounts.flatMap(({ takeovers }) => takeovers),
        [],
      );
    });
  }
});
