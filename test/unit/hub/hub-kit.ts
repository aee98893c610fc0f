import type { Bus, BusListener } from "../../../src/bus/port";
import { HubBus } from "../../../src/bus/hub/hub-bus";
import { HubClient, type HubClientOptions } from "../../../src/hub/client";
import type { HubAddress } from "../../../src/hub/environment";
import { HubStore } from "../../../src/store/hub/hub-store";
import type { Commit, CommitResult, SessionStore, StoreLimits } from "../../../src/store/port";
import type { Clock } from "../../../src/time/clock";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Tick } from "../../../src/time/tick";
import type { HandClock } from "../../helpers/hand-clock";

export const LIMITS: StoreLimits = {
  recordTtl: 60_000,
  linger: 30_000,
  leaseTtl: 60_000,
  awayAfter: 10_000,
  maxPackets: 1_000,
  maxPacketChars: 10_000_000,
};

export interface Worker {
  readonly client: HubClient;
  readonly store: HubStore;
  readonly bus: HubBus;
}

export async function worker(address: HubAddress, more: Partial<HubClientOptions> = {}): Promise<Worker> {
  const clock = more.clock ?? runtimeClock;
  const client = await HubClient.connect({ ...address, clock, tick: new Tick(clock), ...more });
  return { client, store: new HubStore(client, LIMITS), bus: new HubBus(client) };
}

/** Real ticks, and a time that a test turns. */
export function handTime(hand: HandClock): Clock {
  return {
    now: () => hand.now(),
    after: (ms, run) => hand.after(ms, run),
    afterUnref: (ms, run) => hand.afterUnref(ms, run),
    defer: (run) => runtimeClock.defer(run),
    random: () => hand.random(),
  };
}

/** Notes what it hears, and lets a test wait for it. */
export class Ear implements BusListener {
  readonly heard: string[] = [];
  #told: (() => void)[] = [];

  onMessage(message: Uint8Array): void {
    this.#hear(Buffer.from(message).toString());
  }

  onNoResponder(to: string): void {
    this.#hear(`nobody is ${to}`);
  }

  onReconnected(): void {
    this.#hear("reconnected");
  }

  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text))
      await new Promise<void>((resolve) => {
        this.#told.push(resolve);
      });
  }

  #hear(text: string): void {
    this.heard.push(text);
    for (const told of this.#told.splice(0)) told();
  }
}

export function say(bus: Bus, to: string, text: string): void {
  bus.send(to, Buffer.from(text));
}

export function turn(sid: string, node: string, number: number, more: Partial<Commit> = {}): Commit {
  return {
    sid,
    node,
    turn: number,
    acked: 0,
    inflight: null,
    packets: [],
    posts: [],
    keep: 4,
    refresh: false,
    ...more,
  };
}

export function commit(store: SessionStore, what: Commit): Promise<CommitResult> {
  return new Promise((resolve) => {
    store.commit(what, { onCommitResult: resolve });
  });
}

export async function livingNodes(store: SessionStore, asker: string): Promise<string[]> {
  const result = await store.lease(asker, 1);
  return result.kind === "ok" ? result.nodes.map(({ node }) => node).sort() : [];
}
