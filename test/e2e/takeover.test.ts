import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { afterEach, describe, test } from "node:test";
import { FaultWorld, SERVE, SOAK } from "../faults/fault-world";
import { assertFlawless, startLoad, type Load } from "../helpers/checked-load";
import { startServe, type NodeAccount, type ServeProcess } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";

/** Owners killed one after the other, under the same sessions. */
const KILLS = SOAK ? 20 : 1;
/** Of three nodes the one with the most owns 50 at least. */
const SESSIONS = 148;
const LEAST_OWNED = 50;
const WEBSOCKETS = SOAK ? 25 : 8;
/** A message of each session behind nginx every so many milliseconds; behind the front the next one goes when an echo has come. */
const EVERY = 100;
/** Echoes between two kills, and behind the last: of each session. */
const BETWEEN = 10;
const TIMEOUT = 60_000 + KILLS * 30_000;
/** The command's, by default. */
const LEASE = 5_000;
/** Files that a process may have more or fewer of than one that started at another time. */
const FEW = 10;
const CLIENT = { extraHeaders: { "user-agent": "a client with a name", "x-test": "kept" } };

/** What a test kills: nodes by their process ids, the ones that follow them included. */
interface Victims {
  accounts(): Promise<readonly NodeAccount[]>;
  /** `kill -9`; resolves when the process is gone. */
  kill(pid: number): Promise<void>;
  /** Resolves when there are three nodes again. */
  complete(): Promise<void>;
}

describe("kill -9 of owners of polling sessions", () => {
  const stops: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  test(`${KILLS} behind nginx: their sessions go on, nothing is lost, doubled, refused or left`, async () => {
    const world = await FaultWorld.start({
      ...SERVE,
      polling: SESSIONS,
      websockets: WEBSOCKETS,
      everyMs: EVERY,
      client: CLIENT,
      timeoutMs: TIMEOUT,
    });
    const { kit } = world;
    stops.push(() => kit.stop());
    world.websocketsMayEnd = true;
    const victims: Victims = {
      accounts: () => world.accounts(),
      kill: async (pid) => {
        const victim = kit.running.find((node) => node.process.pid === pid);
        assert.ok(victim !== undefined, `no node has the process ${pid}`);
        await victim.kill();
      },
      complete: async () => {
        for (const node of kit.nodes) if (!node.running) await node.start();
      },
    };
    for (let kill = 1; kill <= KILLS; kill++) await killOne(victims, world.polling);
    await world.goesOn(BETWEEN);
    await world.ends({ silence: LEASE + 1_000 });
    const { retried } = await kit.nginx.counts();
    assert.ok(retried > 0, "no request was under way at an owner when it was killed");
  });

  test(`${KILLS} behind the front: their sessions go on, nothing is lost, doubled, refused or left`, async () => {
    const server = await startServe({ workers: 3, balancer: "front", env: SERVE.env });
    stops.push(() => server.stop());
    const idle = await resourcesOf(server);
    const load = startLoad({
      url: server.url,
      sessions: SESSIONS,
      messages: Infinity,
      client: CLIENT,
      timeoutMs: TIMEOUT,
    });
    stops.push(async () => {
      load.abort();
      await load.done;
    });
    await load.opened;
    const victims: Victims = {
      accounts: () => server.accounts(),
      kill: async (pid) => {
        process.kill(pid, "SIGKILL");
        await waitFor(`the end of ${pid}`, () => !isThere(pid));
      },
      // The primary starts another one by itself.
      complete: () => Promise.resolve(),
    };
    for (let kill = 1; kill <= KILLS; kill++) await killOne(victims, load);
    await load.whenEchoed(load.verdict().echoed + SESSIONS * BETWEEN);
    load.finish();
    const verdict = await load.done;
    if (verdict.dropped > 0) {
      // Which of the workers ended a session, and why.
      for (const { pid, closes } of await server.accounts()) console.log(`${pid} closed: ${JSON.stringify(closes)}`);
    }
    assertFlawless(verdict);
    await leavesNothing(server, idle);
  });
});

async function killOne(victims: Victims, load: Load): Promise<void> {
  await load.whenEchoed(load.verdict().echoed + SESSIONS * BETWEEN);
  const before = await victims.accounts();
  const polling = new Set(load.sids());
  const ownedBy = ({ sids }: NodeAccount): string[] => sids.filter((sid) => polling.has(sid));
  const [victim] = [...before].sort((a, b) => ownedBy(b).length - ownedBy(a).length);
  assert.ok(victim !== undefined);
  const sids = new Set(ownedBy(victim));
  assert.ok(sids.size >= LEAST_OWNED, `${sids.size} sessions are owned by the one with the most`);
  const heardBefore = new Map(before.map(({ pid, connections }) => [pid, connections.length]));
  const first = new Map(victim.connections.map(({ sid, request }) => [sid, request]));
  await victims.kill(victim.pid);
  const recovered = await waitFor("all its sessions to be adopted", async () => {
    const accounts = (await victims.accounts()).filter(({ pid }) => pid !== victim.pid);
    const since = accounts.flatMap(({ pid, connections }) => connections.slice(heardBefore.get(pid) ?? 0));
    const adopted = since.filter(({ sid }) => sids.has(sid));
    return new Set(adopted.map(({ sid }) => sid)).size === sids.size && adopted;
  });
  assert.equal(recovered.length, sids.size, "a session was adopted more than once");
  for (const { sid, recovered: flag, request } of recovered) {
    assert.equal(flag, true);
    assert.deepEqual(request, first.get(sid), "the rebuilt request is not the one of the handshake");
    assert.equal(request.method, "GET");
    assert.match(request.url, /^\/engine\.io\/\?EIO=4&transport=polling&t=/);
    assert.equal(request.query["transport"], "polling");
    for (const [name, value] of Object.entries(CLIENT.extraHeaders)) assert.equal(request.headers[name], value);
    // Both balancers say whose request it is.
    assert.match(String(request.headers["x-forwarded-for"]), /127\.0\.0\.1$/);
  }
  await victims.complete();
}

interface Resources {
  readonly timers: number;
  /** Files and connections: of the primary, and of its workers together. */
  readonly primary: number;
  readonly workers: number;
}

async function resourcesOf(server: ServeProcess): Promise<Resources> {
  const accounts = await server.accounts();
  return {
    timers: Math.max(...accounts.map(({ timers }) => timers)),
    primary: filesOf(server.process.pid),
    workers: accounts.reduce((sum, { pid }) => sum + filesOf(pid), 0),
  };
}

function filesOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

async function leavesNothing(server: ServeProcess, idle: Resources): Promise<void> {
  const what = "the workers to keep nothing, and all to be as it was";
  await waitFor(
    what,
    async () => {
      const kept = (await server.accounts()).flatMap(({ stats }) =>
        Object.entries(stats?.sizes ?? { unknown: 1 }).filter(([, size]) => size > 0),
      );
      const now = await resourcesOf(server);
      // What the front keeps to workers has two ends here, and what it has of clients one.
      const clients = now.primary - idle.primary - (now.workers - idle.workers);
      if (kept.length === 0 && now.timers <= idle.timers && clients < FEW) return true;
      throw new Error(`${JSON.stringify(kept)} and ${JSON.stringify(now)}, and it was ${JSON.stringify(idle)}`);
    },
    40_000,
  );
}

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
