import type { ResolvedTuning } from "./cluster-options";
import type { Bus } from "./bus/port";
import { Links } from "./bus/links";
import { ClusterNode } from "./routing/cluster-node";
import type { NodeEngine, NodeEvents } from "./routing/node-options";
import type { BufferLimit } from "./session/socket";
import type { SessionStore, StoreLimits } from "./store/port";
import type { Counters } from "./telemetry/counters";
import type { Clock } from "./time/clock";
import type { Tick } from "./time/tick";
import { CLOSE_TIMEOUT } from "./transports/polling";

/** How many handled POSTs and answered polls a session remembers at least. */
const RING = 64;
const MAX_DATA_CHARS = 16_384;
const OWNER_CACHE = 100_000;

export interface Parts {
  readonly id: string;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly store: SessionStore;
  readonly bus: Bus;
  readonly tuning: ResolvedTuning;
  readonly counters: Counters;
  readonly events: NodeEvents;
  /** Bytes that may be under way to each other node; undefined: by their number. */
  readonly linkWindow?: number;
}

/** The engine's times that its node needs, in milliseconds. */
export interface Timing {
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly upgradeTimeout: number;
}

/** What the store must keep to, given the engine's heartbeat. */
export function storeLimits(tuning: ResolvedTuning, pingInterval: number, pingTimeout: number): StoreLimits {
  return {
    recordTtl: recordTtl(pingInterval, pingTimeout, tuning.leaseTtl),
    linger: tuning.linger,
    leaseTtl: tuning.leaseTtl,
    awayAfter: tuning.storeAwayAfter,
    maxPackets: tuning.maxBufferedPackets,
    maxPacketChars: tuning.maxBufferedSize,
  };
}

/**
 * Twice what a silent client is given, and four leases: the record must outlive a takeover that comes at the last moment, by
 * a sweep too, which begins when the dead owner's lease has ended.
 */
function recordTtl(pingInterval: number, pingTimeout: number, leaseTtl: number): number {
  return 2 * (pingInterval + pingTimeout) + 4 * leaseTtl;
}

/** What the write buffer of one session may hold. */
export function bufferLimit(tuning: ResolvedTuning): BufferLimit {
  return { packets: tuning.maxBufferedPackets, size: tuning.maxBufferedSize };
}

/** Makes a node of its parts, whatever adapters they are. */
export function wireNode(parts: Parts, engine: NodeEngine, opts: Timing): ClusterNode {
  const { id, clock, tick, store, bus, tuning } = parts;
  return new ClusterNode({
    id,
    clock,
    tick,
    store,
    engine,
    events: parts.events,
    counters: parts.counters,
    ring: RING,
    maxDataChars: MAX_DATA_CHARS,
    ownerCache: OWNER_CACHE,
    relayLimit: tuning.maxRelayedSize,
    sendLimit: { count: tuning.maxWaitingSends, size: tuning.maxWaitingSendSize },
    adopts: tuning.takeover === "adopt",
    times: {
      pollGrace: tuning.pollGrace,
      linger: tuning.linger,
      leaseTtl: tuning.leaseTtl,
      postDeadline: tuning.postDeadline,
      giveUpAfter: tuning.giveUpAfter,
      recordTtl: recordTtl(opts.pingInterval, opts.pingTimeout, tuning.leaseTtl),
      upgradeTimeout: opts.upgradeTimeout,
      // No longer than a client is given that is not closing: with short pings the record ended first, and its session as taken over.
      closeTimeout: Math.min(CLOSE_TIMEOUT, opts.pingInterval + opts.pingTimeout),
    },
    links: (handler) =>
      new Links({
        bus,
        node: id,
        clock,
        tick,
        handler,
        beatInterval: tuning.beatInterval,
        windowBytes: parts.linkWindow,
        secrets: tuning.secret === false ? [] : (tuning.secret ?? []),
      }),
  });
}
