import assert from "node:assert/strict";
import { join } from "node:path";
import { assertFlawless, type Load } from "../../testing/checked-load";
import { Kit } from "../../testing/kit";
import type { KitNode } from "../../testing/kit-node";
import { ServeProcess, type NodeOptions } from "../helpers/cluster";
import { raw } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";

const SESSIONS = 6;
/** What a node's heap may grow by under an attack, and keep: caches fill, and code is compiled. */
const HEAP_GROWTH = 12_000_000;

/** What an attack cost all nodes together. */
export interface Cost {
  /** Calls to the store and what was in them. */
  readonly store: Readonly<Record<string, number>>;
  /** Looks for owners, among others. */
  readonly counts: Readonly<Record<string, number>>;
  /** Frames to other nodes. */
  readonly links: Readonly<Record<string, number>>;
  readonly ms: number;
  /** The longest for which a session beside it heard nothing that it waited for, in this attack or one before it. */
  readonly silence: number;
}

/** Nodes under attack, with sessions beside it that must not notice. */
export class Attacked {
  readonly kit: Kit;
  readonly #load: Load;
  readonly #pids: readonly number[];

  private constructor(kit: Kit, load: Load) {
    this.kit = kit;
    this.#load = load;
    this.#pids = kit.nodes.map(({ process }) => process.pid);
  }

  static async start(options: NodeOptions = {}): Promise<Attacked> {
    const kit = await Kit.start({
      links: false,
      command: [process.execPath, "--enable-source-maps", "--expose-gc", join(__dirname, "../helpers/kit-node.cjs")],
      env: { TEST_OPTIONS: JSON.stringify(options) },
    });
    const load = kit.load({ sessions: SESSIONS, messages: Infinity, everyMs: 100, timeoutMs: 200_000 });
    await load.opened;
    const world = new Attacked(kit, load);
    await world.goesOn();
    return world;
  }

  get accounts(): readonly ServeProcess[] {
    return this.kit.nodes.map((node) => accountsOf(node));
  }

  /** The sessions beside the attack had an echo each, and then one more. */
  async goesOn(): Promise<void> {
    await this.#load.whenEchoed(this.#load.verdict().echoed + 2 * SESSIONS);
  }

  /**
   * Runs an attack. Behind it every node is the process that it was, the other sessions go on, a new one can be opened, no request is
   * left, and no node keeps much memory.
   */
  async withstands(attack: () => Promise<void>): Promise<Cost> {
    const [heaps, before] = await Promise.all([this.#heaps(), this.#counts()]);
    const started = performance.now();
    await attack();
    const ms = performance.now() - started;
    await this.goesOn();
    const after = await this.#counts();
    assert.deepEqual(
      this.kit.nodes.map(({ process, running }) => (running ? process.pid : 0)),
      this.#pids,
      this.kit.nodes.map((node) => node.logs()).join("\n"),
    );
    for (const { url } of this.kit.nodes) {
      assert.equal((await raw(`${url}/engine.io/?EIO=4&transport=polling`)).status, 200);
    }
    await waitFor("no more than the sessions' own requests to be left", async () => {
      const accounts = await Promise.all(this.accounts.map((node) => node.account()));
      const held = accounts.reduce((sum, { stats }) => sum + (stats?.requests ?? 0), 0);
      const bytes = accounts.reduce((sum, { stats }) => sum + (stats?.bodyBytes ?? 0), 0);
      return held <= 2 * SESSIONS && bytes < 10_000;
    });
    await waitFor("the nodes' memory to be what it was", async () => {
      const now = await this.#heaps();
      const grown = now.map((heap, i) => heap - heaps[i]!);
      if (grown.every((bytes) => bytes < HEAP_GROWTH)) return true;
      throw new Error(`heaps have grown by ${grown.join(", ")}`);
    });
    return {
      ms,
      silence: this.#load.verdict().longestSilenceMs,
      store: minus(after.store, before.store),
      counts: minus(after.counts, before.counts),
      links: minus(after.links, before.links),
    };
  }

  /** The sessions beside it all end, and nothing of theirs was lost, doubled or refused. */
  async ends(): Promise<void> {
    await this.goesOn();
    const mine = new Set(this.#load.sids());
    const { refused } = await this.kit.nginx.counts();
    assert.deepEqual(
      refused.filter((line) => [...mine].some((sid) => line.includes(sid))),
      [],
    );
    this.#load.finish();
    assertFlawless(await this.#load.done);
  }

  #heaps(): Promise<number[]> {
    return Promise.all(this.accounts.map((node) => node.heapUsed()));
  }

  async #counts(): Promise<Omit<Cost, "ms" | "silence">> {
    const stats = await Promise.all(this.accounts.map(async (node) => (await node.account()).stats));
    const sum = (of: (one: NonNullable<(typeof stats)[number]>) => Readonly<Record<string, number>>) => {
      const total: Record<string, number> = {};
      for (const one of stats) {
        for (const [name, count] of Object.entries(one === undefined ? {} : of(one)))
          total[name] = (total[name] ?? 0) + count;
      }
      return total;
    };
    return {
      store: sum(({ store }) => store),
      counts: sum(({ counts }) => counts),
      links: sum(({ links }) => links),
    };
  }
}

export function accountsOf(node: KitNode): ServeProcess {
  return new ServeProcess(node.process, node.port, 1);
}

function minus(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>) {
  return Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));
}
