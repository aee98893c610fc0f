import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import type { Kit } from "../../testing/kit";
import type { KitNode } from "../../testing/kit-node";
import { ServeProcess, type NodeAccount } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";

/** What a node has where no client is connected. */
interface Resources {
  readonly files: number;
  /** Timers that keep the process running, and all there are. */
  readonly timers: number;
  readonly pendingTimers: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What TEST_REDIS says. */
interface NamedRedis {
  readonly cluster?: readonly Address[];
  readonly sentinels?: readonly Address[];
  readonly name?: string;
}

/** Looks at a node for one account of its resources: a timer that runs now and then is not seen each time, or in the place of another. */
const LOOKS = 9;
const LOOK_PAUSE = 60;
/** What a node looks for in the name of one that died ends by itself within so many milliseconds. */
const SETTLED_WITHIN = 60_000;
/** A queue of deadlines keeps its one timer until the time at which the last of what it waited for would have been due: 25 s and more. */
const QUEUES = 10;

export function accountOf(node: KitNode): Promise<NodeAccount> {
  return new ServeProcess(node.process, node.port, 1).account();
}

/** What the nodes of a kit were before clients came, and whether they are that again. */
export class LeftBehind {
  readonly #kit: Kit;
  readonly #idle: Resources;
  readonly #subscriptions: number;
  readonly #pids: readonly number[];
  readonly #monitor: NatsMonitor;

  private constructor(kit: Kit, idle: Resources, subscriptions: number, monitor: NatsMonitor) {
    this.#kit = kit;
    this.#idle = idle;
    this.#subscriptions = subscriptions;
    this.#monitor = monitor;
    this.#pids = kit.nodes.map((node) => node.process.pid);
  }

  static async before(kit: Kit, monitor: NatsMonitor): Promise<LeftBehind> {
    await waitFor("the nodes to know each other", async () =>
      (await Promise.all(kit.nodes.map(accountOf))).every(({ others }) => others?.length === kit.nodes.length - 1),
    );
    const all = await Promise.all(kit.nodes.map(resourcesOf));
    const most = (name: keyof Resources): number => Math.max(...all.map(({ resources }) => resources[name]));
    // A connection that is just made, as one that asks for the account, is a file too.
    const idle = {
      files: Math.max(...all.map(({ mostFiles }) => mostFiles)),
      timers: most("timers"),
      pendingTimers: most("pendingTimers"),
    };
    const subscriptions = await monitor.subscriptions(kit);
    assert.equal(subscriptions.length, kit.nodes.length, "each node has one connection to NATS");
    return new LeftBehind(kit, idle, Math.max(...subscriptions), monitor);
  }

  /** With the clients gone, and all that was between them and the nodes. */
  async isNothing(everyTimer: boolean): Promise<void> {
    for (const node of this.#kit.running) {
      await waitFor(`node ${node.number} to be as it was`, () => this.#isAsItWas(node, everyTimer), SETTLED_WITHIN);
    }
    await waitFor("the nodes to have the subscriptions that they had", async () => {
      const now = await this.#monitor.subscriptions(this.#kit);
      if (now.length === this.#kit.running.length && now.every((count) => count <= this.#subscriptions)) return true;
      throw new Error(`they have ${now.join(", ")}, and each had ${this.#subscriptions}`);
    });
    this.#monitor.stop();
  }

  async #isAsItWas(node: KitNode, everyTimer: boolean): Promise<true> {
    const { resources, account } = await resourcesOf(node);
    const { files, timers, pendingTimers } = this.#idle;
    const most = pendingTimers + (everyTimer ? 0 : QUEUES);
    const fits = resources.files <= files && resources.timers <= timers && resources.pendingTimers <= most;
    if (!fits) {
      const which = JSON.stringify(account.pendingTimers);
      throw new Error(`${JSON.stringify(resources)}, and it was ${JSON.stringify(this.#idle)}; timers: ${which}`);
    }
    this.#knowsWhoIsThere(account);
    return true;
  }

  /**
   * Of nodes that are gone it keeps how far they had come, so that nobody says their words once more, and, until another one joins,
   * what it took from them: sessions that had ended and those with a websocket too, so that no count of takeovers is a bound.
   */
  #knowsWhoIsThere({ stats }: NodeAccount): void {
    const { peers = NaN, lostNodes, leavers, forgotten = NaN } = stats?.known ?? {};
    const text = JSON.stringify(stats?.known);
    assert.deepEqual({ lostNodes, leavers }, { lostNodes: 0, leavers: 0 }, text);
    assert.ok(peers < this.#kit.nodes.length, text);
    const nobodyDied = this.#kit.nodes.every((node, i) => node.process.pid === this.#pids[i]);
    assert.ok(forgotten <= (nobodyDied ? 0 : Infinity), text);
  }
}

/** What it has all the time, timers mostly; the most files that it had meanwhile; and its last account. */
async function resourcesOf(node: KitNode): Promise<{ resources: Resources; mostFiles: number; account: NodeAccount }> {
  const looks: Resources[] = [];
  for (;;) {
    const account = await accountOf(node);
    assert.ok(account.pendingTimers !== undefined, "the node does not count its timers");
    const files = readdirSync(`/proc/${node.process.pid}/fd`).length;
    const pendingTimers = Object.values(account.pendingTimers).reduce((sum, count) => sum + count, 0);
    looks.push({ files, timers: account.timers, pendingTimers });
    if (looks.length === LOOKS) {
      // What was left open is there at each look; the connection that asks for the account, on a busy machine, at most of them.
      const files = looks.map((look) => look.files);
      const mostly = (name: keyof Resources): number =>
        looks.map((look) => look[name]).sort((a, b) => a - b)[(LOOKS - 1) / 2]!;
      return {
        resources: { files: Math.min(...files), timers: mostly("timers"), pendingTimers: mostly("pendingTimers") },
        mostFiles: Math.max(...files),
        account,
      };
    }
    await sleep(LOOK_PAUSE);
  }
}

/** NATS' own account of its clients, at a port of its choice. */
export class NatsMonitor {
  readonly #folder = mkdtempSync(join(tmpdir(), "nats-ports-"));

  /** Lines of NATS' configuration. */
  get config(): string {
    return `http: "127.0.0.1:-1"\nports_file_dir: ${JSON.stringify(this.#folder)}\n`;
  }

  /** How many each connection of a client has. */
  async subscriptions({ nats }: Kit): Promise<number[]> {
    const url = await waitFor("NATS to tell its ports", () => this.#url(nats.pid));
    const response = await fetch(`${url}/connz?subs=1`);
    const { connections } = (await response.json()) as { connections: readonly { readonly subscriptions: number }[] };
    return connections.map(({ subscriptions }) => subscriptions);
  }

  stop(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #url(pid: number): string | undefined {
    const name = readdirSync(this.#folder).find((file) => file.endsWith(`_${pid}.ports`));
    if (name === undefined) return undefined;
    const { monitoring } = JSON.parse(readFileSync(join(this.#folder, name), "utf8")) as {
      readonly monitoring: readonly string[];
    };
    return monitoring[0];
  }
}

/** The keys of a cluster, wherever its nodes write them: at the kit's own Redis, or at the one that TEST_REDIS names. */
export class Keys {
  readonly #kit: Kit;
  readonly #named: string | undefined;
  #seen = 0;

  constructor(kit: Kit, named: string | undefined) {
    this.#kit = kit;
    this.#named = named;
  }

  /** While sessions live: there are some of theirs, or those that are looked for later are looked for in the wrong place. */
  async areThere(sids: readonly string[]): Promise<void> {
    await this.#with(async (servers) => {
      this.#seen = ofSessions(await this.#all(servers), sids).length;
    });
    assert.ok(this.#seen >= sids.length, `${this.#seen} keys of ${sids.length} sessions`);
  }

  /** Those of ended sessions are gone; of a websocket whose node died nobody knows that it ended: its record ends by its time. */
  async areGone(sids: readonly string[]): Promise<void> {
    assert.ok(this.#seen > 0, "nobody saw that there were any");
    await this.#with(async (servers) => {
      await waitFor("the keys of ended sessions to be gone", async () => {
        const left = ofSessions(await this.#all(servers), sids);
        if (left.length > 0) throw new Error(`there is ${left.slice(0, 10).join(", ")}`);
        return true;
      });
      for (const server of servers) {
        for (const key of await this.#all([server])) {
          if (key.startsWith(`${this.#kit.prefix}{nodes}`)) continue;
          // -2: it ended meanwhile.
          assert.ok((await server.pttl(key)) !== -1, `${key} has no end`);
        }
      }
    });
  }

  async #all(servers: readonly Redis[]): Promise<string[]> {
    return (await Promise.all(servers.map((server) => server.keys(`${this.#kit.prefix}*`)))).flat();
  }

  async #with(work: (servers: readonly Redis[]) => Promise<void>): Promise<void> {
    const servers = this.#servers();
    try {
      await work(servers);
    } finally {
      for (const server of servers) server.disconnect();
    }
  }

  /** All masters of a cluster, or the one that the sentinels name now. */
  #servers(): Redis[] {
    if (this.#named === undefined) return [new Redis(this.#kit.redis.port, "127.0.0.1")];
    const { cluster, sentinels = [], name = "" } = JSON.parse(this.#named) as NamedRedis;
    if (cluster !== undefined) return cluster.map(({ host, port }) => new Redis(port, host));
    return [new Redis({ sentinels: [...sentinels], name })];
  }
}

function ofSessions(keys: readonly string[], sids: readonly string[]): string[] {
  const known = new Set(sids);
  return keys.filter((key) => known.has(/\{(.*)\}/.exec(key)?.[1] ?? ""));
}
