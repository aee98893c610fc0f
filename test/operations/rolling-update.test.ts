import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { readConfig } from "../../cluster/config";
import { assertFlawless, startLoad } from "../helpers/checked-load";
import { randomPrefix, type NodeAccount } from "../helpers/cluster";
import { startNginx, type Nginx } from "../helpers/nginx";
import { assertSpread } from "../helpers/spread";
import { startBackends, type Backends } from "../e2e/backends";
import { RawWebSocket } from "../e2e/raw";
import { base, find, manifestFiles, ROOT } from "./manifests";
import { Pod, type PodEnd } from "./pod";

const SOAK = process.env["SOAK"] === "1";
/** All times of the manifest are shorter by this. */
const FASTER = 5;
const SESSIONS = SOAK ? 150 : 40;
const WEBSOCKETS = SOAK ? 60 : 30;
/** A message of each session every so many milliseconds. */
const EVERY = SOAK ? 1000 : 250;
/** From one message of a session to its next, beyond the time between two: a request that had to be sent again, at most. */
const LONGEST_SILENCE = 2_500;
/** For how long this machine may stand still while a pod closes its websockets. */
const STALL = 800;

const read = readConfig({}, base().settings);
assert.ok(read.ok);
const DRAIN = Math.round(read.config.drainTimeout / FASTER);
const deployment = find([...manifestFiles().values()].flat(), "Deployment", "engine").spec as {
  readonly replicas: number;
  readonly minReadySeconds: number;
  readonly strategy: { readonly rollingUpdate: { readonly maxSurge: number; readonly maxUnavailable: number } };
};

interface HeldWebSocket {
  readonly pod: Pod;
  readonly code: Promise<number>;
  readonly at: Promise<number>;
}

describe("a rolling update", () => {
  let backends: Backends;
  let env: Record<string, string>;
  let nginx: Nginx;
  const pods: Pod[] = [];

  /** What the Service's endpoints do at every change: those that are ready, in the balancer. One change at a time. */
  let synced: Promise<void> = Promise.resolve();
  const sync = (): Promise<void> => {
    synced = synced.then(() =>
      nginx.reconfigure({ upstreams: pods.filter(({ ready }) => ready).map(({ port }) => port) }),
    );
    return synced;
  };

  const startPod = async (name: string): Promise<Pod> => {
    const pod = await Pod.startReady({ name, env, faster: FASTER });
    pods.push(pod);
    return pod;
  };

  before(async () => {
    backends = await startBackends();
    env = {
      REDIS_URL: backends.redis.url,
      NATS_URL: backends.nats.url,
      PREFIX: randomPrefix(),
      APP: join(ROOT, "test/helpers/app.cjs"),
      DRAIN_TIMEOUT: String(DRAIN),
    };
    await Promise.all(Array.from({ length: deployment.replicas }, (_, i) => startPod(`old ${i}`)));
    nginx = await startNginx({ upstreams: pods.map(({ port }) => port) });
  });

  after(async () => {
    await Promise.all(pods.map((pod) => pod.process.kill()));
    await nginx.stop();
    await backends.stop();
  });

  /** Websockets of clients at whichever pods nginx gave them to. */
  async function openWebSockets(): Promise<HeldWebSocket[]> {
    const opened = await Promise.all(Array.from({ length: WEBSOCKETS }, () => RawWebSocket.session(nginx.url)));
    const accounts = await Promise.all(pods.map(async (pod) => ({ pod, sids: (await account(pod)).sids })));
    return opened.map(({ sid, websocket }) => {
      const pod = accounts.find(({ sids }) => sids.includes(sid))?.pod;
      assert.ok(pod, "each session is at one of the pods");
      return { pod, code: websocket.closed, at: websocket.closed.then(() => performance.now()) };
    });
  }

  /** As the Deployment's controller and the kubelets do it. Resolves when the old pods are gone, with how each ended. */
  async function update(old: readonly Pod[]): Promise<PodEnd[]> {
    const { maxSurge, maxUnavailable } = deployment.strategy.rollingUpdate;
    assert.deepEqual({ maxSurge, maxUnavailable }, { maxSurge: 1, maxUnavailable: 0 });
    const ends: Promise<PodEnd>[] = [];
    for (const [i, leaving] of old.entries()) {
      await startPod(`new ${i}`);
      await sync();
      await sleep((1000 * deployment.minReadySeconds) / FASTER);
      ends.push(leaving.terminate());
      // At the same time, and not before: the balancer learns of it while the pod sleeps.
      await sync();
      assert.ok(pods.filter(({ ready }) => ready).length >= deployment.replicas);
      // A pod that goes does not count any more: the next one is started while it drains.
    }
    return Promise.all(ends);
  }

  test("until all pods are new: polling goes on, websockets close with 1001 over the time to drain, nobody is refused", async () => {
    const old = [...pods];
    const load = startLoad({
      url: nginx.url,
      sessions: SESSIONS,
      messages: Infinity,
      everyMs: EVERY,
      // A reload of nginx closes connections that clients keep, also one that a client is just about to use.
      keepAlive: false,
    });
    try {
      await load.opened;
      await load.whenEchoed(3 * SESSIONS);
      const websockets = await openWebSockets();
      const ends = await update(old);
      for (const [i, { code, killed, took }] of ends.entries()) {
        const { name, process, terminatedAt = 0, endedAt = 0 } = old[i]!;
        assert.deepEqual({ name, code, killed }, { name, code: 0, killed: false }, process.logs());
        const held = websockets.filter(({ pod }) => pod === old[i]);
        const times = (await Promise.all(held.map(({ at }) => at))).sort((a, b) => a - b);
        const spread = times.map((at) => Math.round(at - terminatedAt));
        console.log(`${name} was gone after ${Math.round(took)} ms; its websockets closed at ${spread.join(", ")} ms`);
        assert.ok(times.length >= 5, `${times.length} websockets`);
        assert.ok(times[0]! >= terminatedAt && times.at(-1)! <= endedAt + 500, "between SIGTERM and the end");
        assert.ok(times.at(-1)! - times[0]! > DRAIN / 4, "not all at once");
        assertSpread(spread, { window: DRAIN / 2, stall: STALL });
      }
      assert.deepEqual(new Set(await Promise.all(websockets.map(({ code }) => code))), new Set([1001]));
      await load.whenEchoed(load.verdict().echoed + 3 * SESSIONS);
      load.finish();
      const verdict = await load.done;
      assertFlawless(verdict);
      console.log(`${verdict.echoed} echoes, longest silence ${verdict.longestSilenceMs} ms`);
      assert.ok(verdict.longestSilenceMs < EVERY + LONGEST_SILENCE, `${verdict.longestSilenceMs} ms of silence`);
    } finally {
      load.abort();
    }
    assert.deepEqual(
      pods.filter(({ process }) => process.running).map(({ name }) => name),
      ["new 0", "new 1", "new 2"],
    );
    const liveness = pods.flatMap(({ probes }) => probes.filter(({ probe }) => probe === "liveness"));
    assert.ok(liveness.every(({ status }) => status === 200));
    await nginx.stop();
    const { refused, retried } = await nginx.counts();
    console.log(`${retried} requests were sent to a second pod`);
    assert.deepEqual(refused, []);
  });
});

async function account(pod: Pod): Promise<NodeAccount> {
  const response = await fetch(`${pod.url}/__test/stats`);
  return (await response.json()) as NodeAccount;
}
