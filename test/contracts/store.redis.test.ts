import { after, before } from "node:test";
import { Cluster, Redis } from "ioredis";
import { RedisStore, type RedisSource } from "../../src/store/redis";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { startRedis, startRedisCluster, type RedisCluster, type RedisServer } from "../helpers/redis";
import { age, checkTimesToLive } from "./redis-aging";
import { CONTRACT_LIMITS, storeContract, type StoreHarness } from "./store";

let prefixes = 0;

/** Each harness has a prefix of its own, so that many share a server. `own`: the stores make their connections. */
async function harnessOn(connect: () => Redis | Cluster, own?: () => RedisSource): Promise<StoreHarness> {
  const prefix = `t${++prefixes}:`;
  const client = connect();
  const clients: (Redis | Cluster)[] = [client];
  const stores: RedisStore[] = [];
  const another = async () => {
    let redis = own?.();
    if (redis === undefined) {
      const mine = connect();
      clients.push(mine);
      redis = mine;
    }
    const tick = new Tick(runtimeClock);
    const store = new RedisStore({ redis, prefix, clock: runtimeClock, tick, limits: CONTRACT_LIMITS });
    stores.push(store);
    await store.ready();
    return store;
  };
  await client.call("ping");
  return {
    store: await another(),
    another,
    advance: (ms) => age(client, prefix, ms),
    checkTimesToLive: () => checkTimesToLive(client, prefix),
    stop: async () => {
      for (const store of stores) await store.close();
      for (const each of clients) each.disconnect();
    },
  };
}

let server: RedisServer | undefined;
let cluster: RedisCluster | undefined;
before(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
});
after(async () => {
  await Promise.all([server?.stop(), cluster?.stop()]);
});

const url = () => server?.url ?? "";
storeContract("redis", () =>
  harnessOn(
    () => new Redis(url()),
    () => url(),
  ),
);
storeContract("redis, with a client of the application", () => harnessOn(() => new Redis(url(), { keyPrefix: "" })));
storeContract("redis cluster", () => harnessOn(() => new Cluster([...(cluster?.nodes ?? [])])));
