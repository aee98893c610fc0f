import { after, before } from "node:test";
import { Redis, type Cluster } from "ioredis";
import type { Commit, StoreLimits } from "../../src/store/port";
import { RedisStore, type RedisSource, type RedisStoreOptions } from "../../src/store/redis";
import type { Clock } from "../../src/time/clock";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { startRedis, type RedisServer } from "../helpers/redis";
import { commit, CONTRACT_LIMITS, openOk, opening } from "./store-kit";

export interface Bench {
  readonly store: RedisStore;
  readonly prefix: string;
  readonly errors: string[];
  readonly tick: Tick;
}

let prefixes = 0;
const opened: (() => Promise<void> | void)[] = [];

/** Closes what a test made here, also one that failed half way: a client left open would keep the run from ending. */
export async function closeAll(): Promise<void> {
  for (const close of opened.splice(0)) await close();
}

/** Closed by `closeAll`. */
export function closeLater(close: () => Promise<void> | void): void {
  opened.push(close);
}

/** A store on its own keys, which remembers what it would tell an operator. */
export function storeOn(
  redis: RedisSource,
  more: Partial<RedisStoreOptions> & { clock?: Clock; limits?: StoreLimits } = {},
): Bench {
  const prefix = `x${++prefixes}:`;
  const errors: string[] = [];
  const clock = more.clock ?? runtimeClock;
  const tick = new Tick(clock);
  const onError = (error: Error) => void errors.push(error.message);
  const store = new RedisStore({ redis, prefix, clock, tick, limits: CONTRACT_LIMITS, onError, ...more });
  opened.push(() => store.close());
  return { store, prefix, errors, tick };
}

export async function openMany(store: RedisStore, count: number, node = "n1"): Promise<string[]> {
  const sids = Array.from({ length: count }, (_, i) => `s${i}`);
  await Promise.all(sids.map((sid) => openOk(store, opening(sid, node))));
  return sids;
}

export async function kindOf(store: RedisStore, what: Commit): Promise<string> {
  return (await commit(store, what)).kind;
}

/** A server and a client of the tests of the suite that calls this. */
export function ownServer(): { readonly url: () => string; readonly redis: () => Redis } {
  let server: RedisServer | undefined;
  let client: Redis | undefined;
  before(async () => {
    server = await startRedis();
    client = quietClient(server.url);
  });
  after(async () => {
    await closeAll();
    await server?.stop();
  });
  return { url: () => server!.url, redis: () => client! };
}

/** A client of the test's own that never says what fails. */
export function quietClient(url: string): Redis {
  const client = new Redis(url, { retryStrategy: () => 50 });
  client.on("error", () => undefined);
  opened.push(() => client.disconnect());
  return client;
}

/** A client that answers what it is told to, without a server. */
export function fakeClient(answer: (name: string) => unknown): Redis | Cluster {
  const client = {
    isCluster: false,
    status: "connecting",
    options: { host: "redis.example", port: 6379 },
    sendCommand: () => undefined,
    on: () => undefined,
    off: () => undefined,
    call: async (name: string) => answer(name),
  };
  return client as unknown as Redis;
}
