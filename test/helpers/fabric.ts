import { randomBytes } from "node:crypto";
import { after } from "node:test";
import { HubBus } from "../../src/bus/hub/hub-bus";
import { MemoryMedium } from "../../src/bus/memory/memory-bus";
import { NatsBus } from "../../src/bus/nats/nats-bus";
import type { Bus } from "../../src/bus/port";
import { HubClient } from "../../src/hub/client";
import { HubPrimary } from "../../src/hub/primary";
import { HubStore } from "../../src/store/hub/hub-store";
import { MemoryStore, Records } from "../../src/store/memory";
import { RedisStore } from "../../src/store/redis";
import type { SessionStore, StoreLimits } from "../../src/store/port";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { startNats, type NatsProcess } from "./nats";
import { startRedis, type RedisServer } from "./redis";

/** What one node reaches the others by. */
export interface Adapters {
  readonly tick: Tick;
  readonly store: SessionStore;
  readonly bus: Bus;
}

/** What the nodes of a test's cluster share. */
export interface Fabric {
  /** The records themselves, where this process has them. */
  readonly records?: Records;
  /** Adapters of the next node. */
  adapters(): Promise<Adapters>;
  /** The node that has this bus is gone for all others; only where the medium is this process's memory. */
  kill?(bus: Bus): void;
  stop(): Promise<void>;
}

export type FabricKind = "memory" | "hub" | "redis";

export function makeFabric(kind: FabricKind, limits: StoreLimits): Promise<Fabric> {
  if (kind === "hub") return hubFabric(limits);
  return Promise.resolve(kind === "redis" ? redisFabric(limits) : memoryFabric(limits));
}

function memoryFabric(limits: StoreLimits): Fabric {
  const clock = runtimeClock;
  const medium = new MemoryMedium(clock);
  const records = new Records({ now: () => clock.now(), limits });
  const buses = new Set<ReturnType<MemoryMedium["bus"]>>();
  return {
    records,
    adapters: () => {
      const tick = new Tick(clock);
      const bus = medium.bus();
      buses.add(bus);
      return Promise.resolve({ tick, bus, store: new MemoryStore({ clock, tick, limits, records }) });
    },
    kill: (bus) => {
      for (const one of buses) if (one === bus) medium.kill(one);
    },
    stop: () => Promise.resolve(),
  };
}

/** The embedded cluster: the primary's hub, and each node as a worker connected to it. */
async function hubFabric(limits: StoreLimits): Promise<Fabric> {
  const clock = runtimeClock;
  const faults: Error[] = [];
  const hub = new HubPrimary({ clock, limits, onError: (error) => faults.push(error) });
  const address = await hub.listen();
  return {
    adapters: async () => {
      const tick = new Tick(clock);
      const client = await HubClient.connect({ ...address, clock, tick, onLost: (error) => faults.push(error) });
      return { tick, store: new HubStore(client, limits), bus: new HubBus(client) };
    },
    stop: async () => {
      await hub.close();
      if (faults.length > 0) throw new AggregateError(faults, "the hub had trouble");
    },
  };
}

let servers: Promise<{ readonly redis: RedisServer; readonly nats: NatsProcess }> | undefined;

/** One redis-server and one nats-server for the whole test file; the clusters on them have prefixes of their own. */
function backends(): Promise<{ readonly redis: RedisServer; readonly nats: NatsProcess }> {
  servers ??= Promise.all([startRedis(), startNats()]).then(([redis, nats]) => ({ redis, nats }));
  return servers;
}

// At the root of the file, whose tests are over by then.
after(async () => {
  if (servers === undefined) return;
  const { redis, nats } = await servers;
  await Promise.all([redis.stop(), nats.stop()]);
});

function redisFabric(limits: StoreLimits): Fabric {
  const clock = runtimeClock;
  const prefix = randomPrefix();
  const faults: Error[] = [];
  const onError = (error: Error): void => {
    faults.push(error);
  };
  return {
    adapters: async () => {
      const { redis, nats } = await backends();
      const tick = new Tick(clock);
      const store = new RedisStore({ redis: redis.url, prefix, clock, tick, limits, onError });
      return { tick, store, bus: new NatsBus({ nats: nats.url, prefix, clock, onError }) };
    },
    stop: () => {
      if (faults.length > 0) throw new AggregateError(faults, "Redis or NATS had trouble");
      return Promise.resolve();
    },
  };
}

/** The option of a cluster that nobody else is in, on this file's Redis and NATS. */
export async function someCluster(): Promise<{ redis: string; nats: string; prefix: string }> {
  const { redis, nats } = await backends();
  return { redis: redis.url, nats: nats.url, prefix: randomPrefix() };
}

function randomPrefix(): string {
  return `t${randomBytes(6).toString("hex")}`;
}
