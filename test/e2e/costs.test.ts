import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { startCluster, type Cluster } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient, type Reply } from "./raw";

/** Leases and pings cost scripts and messages of their own: here none falls due. */
const QUIET = { pingInterval: 600_000, pingTimeout: 600_000, cluster: { leaseTtl: 600_000 } };
const ECHOES = 100;
const SESSIONS = 60;

/** Nodes by what they are to the sessions of these tests. */
const OWNER = 0;
const POLLER = 1;
const POSTER = 2;

/** What the store and the bus were asked for. */
interface Costs {
  readonly calls: number;
  readonly scripts: number;
  readonly commits: number;
  readonly messages: number;
  readonly frames: number;
}

const NOTHING: Costs = { calls: 0, scripts: 0, commits: 0, messages: 0, frames: 0 };

for (const nodes of [3, 8]) {
  describe(`costs, counted at ${nodes} nodes`, () => {
    let backends: Backends;
    let cluster: Cluster;
    let client: RawClient;
    let redis: Redis;

    before(async () => {
      backends = await startBackends();
      redis = new Redis(backends.redis.url);
      cluster = await startCluster({ nodes, ...backends.urls, options: QUIET });
      client = await RawClient.open(cluster.urls[OWNER]!);
      // The nodes learn here where the session is.
      for (const node of [POLLER, POSTER]) {
        await echo(node, POLLER);
        await echo(node, POSTER);
      }
    });

    after(async () => {
      await cluster.killAll();
      await redis.quit();
      await backends.stop();
    });

    const framesAtOwner = async (): Promise<number> =>
      (await cluster.account(OWNER)).stats?.links["framesReceived"] ?? 0;

    /** Scripts that Redis has run, by its own count. */
    const evaluated = async (): Promise<number> => {
      const info = await redis.info("commandstats");
      return Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
    };

    /** What `act` cost Redis, and each node; nodes that it cost nothing are left out. */
    async function costsOf(act: () => Promise<void>): Promise<Record<number | "redis", Costs | number>> {
      const read = async (): Promise<Costs[]> =>
        [...(await cluster.accounts()).values()].map(({ stats }) => ({
          calls: stats?.store["calls"] ?? 0,
          scripts: stats?.store["scripts"] ?? 0,
          commits: stats?.store["commits"] ?? 0,
          // On a slow machine a poll waits so long that it is said again; that is no part of what is counted here.
          messages: (stats?.links["messagesSent"] ?? 0) - (stats?.counts["repeats.poll"] ?? 0),
          frames: (stats?.links["framesSent"] ?? 0) - (stats?.counts["repeats.poll"] ?? 0),
        }));
      const earlier = await read();
      const scriptsBefore = await evaluated();
      await act();
      const scriptsAfter = await evaluated();
      const later = await read();
      assert.equal(later.length, nodes);
      const costs = later.map((costs, node) => {
        const of = (name: keyof Costs): number => costs[name] - earlier[node]![name];
        const [calls, scripts, commits] = [of("calls"), of("scripts"), of("commits")];
        return { calls, scripts, commits, messages: of("messages"), frames: of("frames") };
      });
      const entries = costs.map((one, node) => [node, one] as const);
      const some = entries.filter(([, one]) => JSON.stringify(one) !== JSON.stringify(NOTHING));
      return { ...Object.fromEntries(some), redis: scriptsAfter - scriptsBefore };
    }

    /** Frames that a node has sent, but for polls that were said again. */
    async function said(node: number): Promise<number> {
      const { stats } = await cluster.account(node);
      return (stats?.links["framesSent"] ?? 0) - (stats?.counts["repeats.poll"] ?? 0);
    }

    /** A poll that the owner has parked. */
    async function park(node: number, session = client): Promise<{ reply: Promise<Reply>; abort: () => void }> {
      const frames = await framesAtOwner();
      const poll = session.pollThatCanBreak(cluster.urls[node]!);
      await waitFor("the poll to be parked", async () => (await framesAtOwner()) > frames);
      return poll;
    }

    /** A poll that waits is said again a little later. Resolves when that is over for all that wait at the node. */
    async function quiet(node: number): Promise<void> {
      const frames = async (): Promise<number> => (await cluster.account(node)).stats?.links["framesSent"] ?? 0;
      let [last, since] = [await frames(), performance.now()];
      await waitFor("polls to be said no more", async () => {
        const now = await frames();
        if (now !== last) [last, since] = [now, performance.now()];
        return performance.now() - since > 1_500;
      });
    }

    async function echo(poller: number, poster: number): Promise<void> {
      const { reply } = await park(poller);
      assert.deepEqual(await client.post(cluster.urls[poster]!, "4hello"), { status: 200, body: "ok" });
      assert.deepEqual(await reply, { status: 200, body: "4hello" });
    }

    test("an echoed message whose poll is parked: one script, and a message each way to each node in it", async () => {
      const costs = await costsOf(async () => {
        for (let i = 0; i < ECHOES; i++) await echo(POLLER, POSTER);
      });
      assert.deepEqual(costs, {
        redis: ECHOES,
        [OWNER]: { calls: ECHOES, scripts: ECHOES, commits: ECHOES, messages: 2 * ECHOES, frames: 2 * ECHOES },
        [POLLER]: { ...NOTHING, messages: ECHOES, frames: ECHOES },
        [POSTER]: { ...NOTHING, messages: ECHOES, frames: ECHOES },
      });
    });

    test("the same with poll and POST at one node: both answers are one message", async () => {
      const costs = await costsOf(async () => {
        for (let i = 0; i < ECHOES; i++) await echo(POLLER, POLLER);
      });
      assert.deepEqual(costs, {
        redis: ECHOES,
        [OWNER]: { calls: ECHOES, scripts: ECHOES, commits: ECHOES, messages: ECHOES, frames: 2 * ECHOES },
        [POLLER]: { ...NOTHING, messages: 2 * ECHOES, frames: 2 * ECHOES },
      });
    });

    test("a GET that parks, and one whose connection breaks: no script", async () => {
      const times = 20;
      const frames = 2 * times - 1;
      const before = await said(POLLER);
      let last: Promise<Reply> | undefined;
      const costs = await costsOf(async () => {
        for (let i = 1; i <= times; i++) {
          const { reply, abort } = await park(POLLER);
          if (i === times) {
            last = reply;
            break;
          }
          const heard = await framesAtOwner();
          abort();
          await assert.rejects(reply);
          await waitFor("the owner to hear of it", async () => (await framesAtOwner()) > heard);
        }
        // What the owner heard can have been a poll that was said again, on a slow machine.
        await waitFor("all to be said", async () => (await said(POLLER)) - before >= frames);
      });
      assert.deepEqual(costs, { redis: 0, [POLLER]: { ...NOTHING, messages: frames, frames } });
      assert.ok(await cluster.node(OWNER).push(client.sid, "the end"));
      assert.deepEqual(await last, { status: 200, body: "4the end" });
    });

    // The pong that is due needs none: test/unit/session/owned-posts.test.ts.
    test("a pong that is not due: one script, which proves whose it is", async () => {
      const costs = await costsOf(async () => {
        for (let i = 0; i < ECHOES; i++) {
          assert.deepEqual(await client.post(cluster.urls[POSTER]!, "3"), { status: 200, body: "ok" });
        }
      });
      assert.deepEqual(costs, {
        redis: ECHOES,
        [OWNER]: { calls: ECHOES, scripts: ECHOES, commits: ECHOES, messages: ECHOES, frames: ECHOES },
        [POSTER]: { ...NOTHING, messages: ECHOES, frames: ECHOES },
      });
    });

    test("what many sessions are sent in one tick: one call of the store, and one message to the node of their polls", async () => {
      const clients = [client];
      while (clients.length < SESSIONS) clients.push(await RawClient.open(cluster.urls[OWNER]!));
      const polls: Promise<Reply>[] = [];
      for (const one of clients) polls.push((await park(POLLER, one)).reply);
      await quiet(POLLER);
      const costs = await costsOf(async () => {
        assert.equal(await cluster.node(OWNER).pushAll("to all"), SESSIONS);
        for (const poll of polls) assert.deepEqual(await poll, { status: 200, body: "4to all" });
      });
      assert.deepEqual(costs, {
        redis: 1,
        [OWNER]: { calls: 1, scripts: SESSIONS, commits: SESSIONS, messages: 1, frames: SESSIONS },
      });
    });
  });
}
