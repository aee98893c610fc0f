import assert from "node:assert/strict";
import type { SocketOptions } from "engine.io-client";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { assertFlawless, type Load, type Verdict } from "../../testing/checked-load";
import { Kit, type KitOptions } from "../../testing/kit";
import type { KitNode } from "../../testing/kit-node";
import { ServeProcess, type NodeAccount, type NodeOptions } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";

export const SOAK = process.env["SOAK"] === "1";
const POLLING = SOAK ? 200 : 48;
const WEBSOCKETS = SOAK ? 50 : 8;
/** A message each way and session every so many milliseconds. */
const EVERY = SOAK ? 1_000 : 300;
/** Time to live of a node's lease. */
export const LEASE = SOAK ? 5_000 : 2_000;
/** Clients of a node whose link is away go over nginx to one whose links are whole when this long has passed since, at most. */
export const WITHDRAWN_WITHIN = LEASE + LEASE / 3 + 1_500;
const LINGER = 1_500;
/** What a small machine that does other things besides may take longer than is promised; and for how long it stood still. */
const PATIENCE = SOAK ? 1_000 : 3_000;

export interface WorldOptions extends Pick<KitOptions, "links" | "redisArgs" | "readTimeoutMs" | "env"> {
  readonly nodes?: number;
  readonly options?: NodeOptions;
  /** Starts a node, which echoes and gives account as the tests' application does, if it is not made with `options`. */
  readonly command?: readonly string[];
  /** Starts what clients connect to, if not to nginx. */
  readonly balancer?: (kit: Kit) => Promise<Balancer>;
  /** Whether clients keep their connections to the balancer. Default: true. */
  readonly keepAlive?: boolean;
  /** Options of the stock client. */
  readonly client?: Partial<SocketOptions>;
  /** Default: as many as the load of these tests has. */
  readonly polling?: number;
  readonly websockets?: number;
  /** Default: that of these tests. */
  readonly everyMs?: number;
  /** When the load must be over. Default: 400 s. */
  readonly timeoutMs?: number;
  /** A session that hears nothing for so long gives up on what did not come. Default: that of a load. */
  readonly stallMs?: number;
}

/** What clients and nginx have to say at the end. */
export interface Outcome {
  readonly polling: Verdict;
  readonly websockets: Verdict;
  /** Lines of nginx' log, of requests that were answered 4xx or 5xx while the clients were at it. */
  readonly refused: readonly string[];
  /** Requests that needed a second node. */
  readonly retried: number;
}

export interface Balancer {
  readonly url: string;
  stop(): Promise<unknown>;
}

/** What a node has where no client is connected. */
interface Resources {
  readonly files: number;
  readonly timers: number;
}

/** Sessions that a node owns, as it says itself. */
export interface Owned {
  readonly polling: readonly string[];
  readonly websockets: readonly string[];
}

export async function isReady(node: KitNode): Promise<boolean> {
  return (await accountOf(node)).health?.ready === true;
}

/** Polling and websocket clients at a cluster that is about to suffer. */
export class FaultWorld {
  readonly kit: Kit;
  readonly balancer: Balancer;
  readonly polling: Load;
  readonly websockets: Load;
  readonly #idle: Resources;
  /** Whether a websocket may end: its node died. */
  websocketsMayEnd = false;

  private constructor(kit: Kit, balancer: Balancer, polling: Load, websockets: Load, idle: Resources) {
    this.kit = kit;
    this.balancer = balancer;
    this.polling = polling;
    this.websockets = websockets;
    this.#idle = idle;
  }

  static async start(options: WorldOptions = {}): Promise<FaultWorld> {
    const { nodes = 3, links = false, env, redisArgs, readTimeoutMs } = options;
    const { polling: sessions = POLLING, websockets = WEBSOCKETS, timeoutMs = 400_000, stallMs } = options;
    const engine: NodeOptions = {
      ...options.options,
      cluster: { leaseTtl: LEASE, linger: LINGER, ...options.options?.cluster },
    };
    const kit = await Kit.start({
      nodes,
      links,
      command: options.command ?? [
        process.execPath,
        "--enable-source-maps",
        join(__dirname, "../helpers/kit-node.cjs"),
      ],
      env: { TEST_OPTIONS: JSON.stringify(engine), ...env },
      ...(redisArgs === undefined ? {} : { redisArgs }),
      ...(readTimeoutMs === undefined ? {} : { readTimeoutMs }),
    });
    try {
      const idle = await mostOf(kit.nodes);
      const balancer = (await options.balancer?.(kit)) ?? kit.nginx;
      const patience = { timeoutMs, ...(stallMs === undefined ? {} : { stallMs }) };
      const { keepAlive = true, client = {}, everyMs = EVERY } = options;
      const shared = { messages: Infinity, everyMs, url: balancer.url, keepAlive, client, ...patience };
      const polling = kit.load({ ...shared, sessions });
      const upgraded = kit.load({ ...shared, sessions: websockets, transports: ["websocket"], reopen: true });
      await Promise.all([polling.opened, upgraded.opened]);
      const world = new FaultWorld(kit, balancer, polling, upgraded, idle);
      await world.goesOn(2);
      return world;
    } catch (error) {
      await kit.stop();
      throw error;
    }
  }

  /** Resolves when each polling session has had so many echoes more, on average. */
  async goesOn(echoes = 4): Promise<void> {
    const { echoed, sessions } = this.polling.verdict();
    await this.polling.whenEchoed(echoed + echoes * sessions);
  }

  accounts(): Promise<NodeAccount[]> {
    return Promise.all(this.kit.running.map((node) => accountOf(node)));
  }

  async ownedBy(node: KitNode): Promise<Owned> {
    const { sids } = await accountOf(node);
    const [polling, websockets] = [this.polling, this.websockets].map((load) => new Set(load.sids()));
    return {
      polling: sids.filter((sid) => polling!.has(sid)),
      websockets: sids.filter((sid) => websockets!.has(sid)),
    };
  }

  /** Sessions that the other nodes have taken over. */
  async takenFrom(node: KitNode): Promise<string[]> {
    const others = this.kit.nodes.filter((other) => other !== node);
    const accounts = await Promise.all(others.map(accountOf));
    return accounts.flatMap(({ takeovers }) => takeovers.map(({ sid }) => sid));
  }

  /** It is not ready, and others have all its polling sessions. */
  async isReplaced(node: KitNode, { polling }: Owned, withinMs: number): Promise<void> {
    await waitFor("it not to be ready", async () => !(await isReady(node)), withinMs);
    await waitFor("others to have its polling sessions", async () => {
      const taken = new Set(await this.takenFrom(node));
      return polling.every((sid) => taken.has(sid));
    });
  }

  /** The clients go on for a while, finish and close: what they got. */
  async settle(): Promise<Outcome> {
    await this.goesOn();
    // Before the clients close: a poll that comes behind its session's end is refused by any server.
    const { refused, retried } = await this.kit.nginx.counts();
    this.polling.finish();
    this.websockets.finish();
    const [polling, websockets] = await Promise.all([this.polling.done, this.websockets.done]);
    return { polling, websockets, refused, retried };
  }

  /** Everything ends, and is found flawless: what clients saw, what nginx answered, and what is left behind. */
  async ends(fault: { readonly silence: number; readonly p99?: number }): Promise<Verdict> {
    const { polling: verdict, websockets, refused, retried } = await this.settle();
    console.log(
      `silence: longest ${verdict.longestSilenceMs} ms, 99 % below ${verdict.silenceP99Ms} ms; ` +
        `the driver stood still for ${verdict.driverLagMs} ms; ${retried} requests were sent to a second node; ` +
        `${websockets.dropped} of ${websockets.sessions} websockets ended`,
    );
    assert.deepEqual(refused, []);
    assertFlawless(verdict);
    checkWebSockets(websockets);
    if (!this.websocketsMayEnd) assert.equal(websockets.dropped, 0, JSON.stringify(websockets.closes));
    const allowed = fault.silence + PATIENCE + verdict.driverLagMs;
    assert.ok(verdict.longestSilenceMs < allowed, `${verdict.longestSilenceMs} ms of silence, and not ${allowed}`);
    if (SOAK && fault.p99 !== undefined) {
      assert.ok(verdict.silenceP99Ms < fault.p99, `one silence in 100 was longer than ${verdict.silenceP99Ms} ms`);
    }
    await this.leavesNothing();
    return verdict;
  }

  /** Behind `linger` no key of a session that ended is left, and the nodes keep nothing. */
  async leavesNothing(): Promise<void> {
    // With the balancers still there: a stock client says that it has closed before its last POST has been sent, and one
    // that a balancer took with it left its session to wait for a pong.
    for (const node of this.kit.running) await this.#keepsNothing(node);
    // The connections that they keep to the nodes are no leak of theirs.
    await this.balancer.stop();
    await this.kit.nginx.stop();
    for (const node of this.kit.running) {
      await waitFor(`node ${node.number} to be as it was`, async () => {
        const { files, timers } = await resourcesOf(node);
        if (files <= this.#idle.files && timers <= this.#idle.timers) return true;
        throw new Error(`${JSON.stringify({ files, timers })}, and it was ${JSON.stringify(this.#idle)}`);
      });
    }
    await this.#leavesNoKeys();
  }

  #keepsNothing(node: KitNode): Promise<true> {
    return waitFor(
      `node ${node.number} to keep nothing`,
      async () => {
        const { stats, sids } = await accountOf(node);
        const kept = Object.entries(stats?.sizes ?? { unknown: 1 }).filter(([, size]) => size > 0);
        if (kept.length === 0) return true;
        const log = this.kit.nginx.accessLog().split("\n");
        const last = sids
          .slice(0, 3)
          .map((sid) => [sid, ...log.filter((line) => line.includes(sid)).slice(-5)].join("\n"));
        throw new Error(
          `node ${node.number} keeps ${JSON.stringify(kept)}; what nginx did last for:\n${last.join("\n")}`,
        );
      },
      LINGER + 40_000,
    );
  }

  async #leavesNoKeys(): Promise<void> {
    const client = new Redis(this.kit.redis.port, "127.0.0.1");
    try {
      const sids = new Set(this.polling.sids());
      await waitFor("the keys of ended sessions to be gone", async () => {
        const keys = await client.keys(`${this.kit.prefix}*`);
        const left = keys.filter((key) => sids.has(/\{(.*)\}/.exec(key)?.[1] ?? ""));
        if (left.length > 0) throw new Error(`there is ${left.slice(0, 10).join(", ")}`);
        return true;
      });
      // Of a websocket whose node died nobody knows that it ended: its record ends by its time.
      for (const key of await client.keys(`${this.kit.prefix}*`)) {
        if (key.startsWith(`${this.kit.prefix}{nodes}`)) continue;
        assert.ok((await client.pttl(key)) !== -1, `${key} has no end`);
      }
    } finally {
      client.disconnect();
    }
  }
}

/** What a websocket had not got when it ended is lost with any server; all else is not. */
export function checkWebSockets(verdict: Verdict): void {
  const { lost, lostByDropped, doubled, outOfOrder, corrupted } = verdict;
  assert.deepEqual(
    { lost: lost - lostByDropped, doubled, outOfOrder, corrupted },
    { lost: 0, doubled: 0, outOfOrder: 0, corrupted: 0 },
    JSON.stringify(verdict),
  );
}

export function accountOf(node: KitNode): Promise<NodeAccount> {
  return new ServeProcess(node.process, node.port, 1).account();
}

async function resourcesOf(node: KitNode): Promise<Resources> {
  const { timers } = await accountOf(node);
  return { files: readdirSync(`/proc/${node.process.pid}/fd`).length, timers };
}

async function mostOf(nodes: readonly KitNode[]): Promise<Resources> {
  const all = await Promise.all(nodes.map(resourcesOf));
  return {
    files: Math.max(...all.map(({ files }) => files)),
    timers: Math.max(...all.map(({ timers }) => timers)),
  };
}
