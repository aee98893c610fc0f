import assert from "node:assert/strict";
import { after, before } from "node:test";
import type { Commit, CommitResult, Opening, SessionRecord, SessionStore, StoreLimits } from "../../src/store/port";

/** What an adapter's test gives to the contract suite. Built with `CONTRACT_LIMITS`. */
export interface StoreHarness {
  readonly store: SessionStore;
  /** A second client of the same data. */
  readonly another: () => Promise<SessionStore>;
  /** Lets time pass for records, leases and the index. No test waits for real time: it would depend on the machine. */
  readonly advance: (ms: number) => Promise<void>;
  /** Fails when anything in the store has no time to live. For stores where that can be seen. */
  readonly checkTimesToLive?: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export type StoreFactory = () => Promise<StoreHarness>;

export const CONTRACT_LIMITS: StoreLimits = {
  recordTtl: 60_000,
  linger: 30_000,
  leaseTtl: 5_000,
  awayAfter: 10_000,
  maxPackets: 12,
  maxPacketChars: 2_500_000,
};

/** One harness for the tests of a `describe` block, each of which names its own sessions and nodes. */
export function useHarness(factory: StoreFactory): () => StoreHarness {
  let harness: StoreHarness | undefined;
  before(async () => {
    harness = await factory();
    await harness.store.ready();
  });
  after(async () => {
    await harness?.stop();
  });
  return () => {
    assert.ok(harness, "used before the tests began");
    return harness;
  };
}

let names = 0;
export function fresh(kind: string): string {
  return `${kind}${++names}`;
}

export function opening(sid: string, node: string, more: Partial<Opening> = {}): Opening {
  return { sid, node, protocol: 4, transport: "polling", handshake: '{"url":"/"}', ...more };
}

/** A turn that changes nothing but its number, and what `more` says. */
export function turnOf(sid: string, node: string, turn: number, more: Partial<Commit> = {}): Commit {
  return { sid, node, turn, acked: 0, inflight: null, packets: [], posts: [], keep: 4, refresh: false, ...more };
}

export function commit(store: SessionStore, what: Commit): Promise<CommitResult> {
  return new Promise((resolve) => {
    store.commit(what, { onCommitResult: resolve });
  });
}

export async function commitOk(store: SessionStore, what: Commit): Promise<void> {
  assert.deepEqual(await commit(store, what), { kind: "ok" });
}

export async function openOk(store: SessionStore, what: Opening): Promise<void> {
  assert.deepEqual(await store.open(what), { kind: "ok" });
}

/** The record of a session and what stood in it, at the price of a claim by "reader". */
export async function takeRecord(store: SessionStore, sid: string): Promise<SessionRecord> {
  const found = await store.look(sid);
  assert.ok(found.kind === "found", `${sid} is there`);
  const claimed = await store.claim(sid, "reader", found.turn);
  assert.ok(claimed.kind === "ok", `claim of ${sid}: ${claimed.kind}`);
  return claimed.record;
}

/** A record as `restore` takes it. */
export function recordOf(owner: string, turn: number, more: Partial<SessionRecord> = {}): SessionRecord {
  return {
    owner,
    turn,
    protocol: 4,
    transport: "polling",
    phase: "open",
    acked: 0,
    packets: [],
    inflight: null,
    answered: [],
    handled: [],
    handshake: '{"url":"/"}',
    data: "",
    ...more,
  };
}
