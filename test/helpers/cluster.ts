import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import type { ClusterHealth, ClusterStats, ClusterTuning, EngineOptions } from "../../src/index";
import { startProcess, type ProcessEnd, type RunningProcess } from "./processes";
import { waitFor } from "./wait-for";

const ROOT = join(__dirname, "../..");
export const CLI = join(ROOT, "dist/cluster/cli.js");
export const APP = join(__dirname, "app.cjs");
const NODE = join(__dirname, "node.cjs");

/** What the tests' application at one node tells of itself; see app.cjs. */
export interface NodeAccount {
  readonly pid: number;
  /** Sessions whose sockets are here and have not closed. */
  readonly sids: readonly string[];
  /** Each `connection` that was emitted here. */
  readonly connections: readonly {
    readonly sid: string;
    readonly recovered: boolean;
    readonly data: unknown;
    readonly request: {
      readonly url: string;
      readonly method: string;
      readonly headers: Readonly<Record<string, string | readonly string[]>>;
      readonly query: Readonly<Record<string, string>>;
      readonly remoteAddress: string;
    };
  }[];
  /** Each `close` that a socket here emitted, with its description where that is an error. */
  readonly closes: readonly { readonly sid: string; readonly reason: string; readonly why?: string }[];
  readonly takeovers: readonly { readonly sid: string; readonly from: string }[];
  /** Messages that were handled here, by session. */
  readonly messages: Readonly<Record<string, number>>;
  /** The same by the transport that they came by. */
  readonly messagesBy: { readonly polling?: number; readonly websocket?: number };
  /** Of sessions here: upgrades that have begun, those that were completed, and how many were under way at once at most. */
  readonly upgrades: { readonly begun: number; readonly done: number; readonly atOnce: number };
  /** Memory of the process, in bytes. */
  readonly rss: number;
  /** Timers that keep the process running. */
  readonly timers: number;
  /** Those that do not too, by their duration in milliseconds; where the node counts them, as one of a kit does. */
  readonly pendingTimers?: Readonly<Record<string, number>>;
  /** The other nodes that it knows to live. */
  readonly others?: readonly string[];
  readonly stats?: ClusterStats;
  readonly health?: ClusterHealth;
}

export interface ServeOptions {
  /** Default: 1, which is the process itself. */
  readonly workers?: number;
  readonly balancer?: "front" | "round-robin";
  readonly redisUrl?: string;
  readonly natsUrl?: string;
  /** A module; by default the tests' own, which echoes and gives account. "demo": none, and so the demo page. */
  readonly app?: string;
  /** Default: a free one. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Options that the command does not have: the node is made by the package's API then. Needs Redis and NATS. */
  readonly options?: NodeOptions;
  readonly name?: string;
}

export type NodeOptions = EngineOptions & { readonly cluster?: ClusterTuning };

/** Runs the built command `serve`, and resolves when it listens. */
export async function startServe(options: ServeOptions = {}): Promise<ServeProcess> {
  if (!existsSync(CLI)) throw new Error(`there is no ${CLI}: npm run build makes it`);
  const { workers = 1, env, name = "serve" } = options;
  const prefix = env?.["PREFIX"] ?? randomPrefix();
  // Nothing that this test happens to run in may configure what it tests.
  const cleared = {
    REDIS_URL: "",
    NATS_URL: "",
    PREFIX: prefix,
    NODE_ENV: "test",
    LOG_FORMAT: "json",
    HEALTH_PORT: "off",
  };
  const [args, own] = options.options === undefined ? [command(options), {}] : [[NODE], ownNode(options, prefix)];
  const started = startProcess(process.execPath, ["--enable-source-maps", ...args], {
    name,
    env: { ...cleared, ...own, ...env },
  });
  try {
    const [, found] = await started.prints(/"port":(\d+)[^\n]*"msg":"listening"/);
    return new ServeProcess(started, Number(found), workers);
  } catch (error) {
    await started.kill();
    throw error;
  }
}

function command(options: ServeOptions): string[] {
  const { workers = 1, balancer, redisUrl, natsUrl, app = APP, port = 0 } = options;
  const args = [CLI, "serve", "--workers", String(workers), "--port", String(port), "--host", "127.0.0.1"];
  if (app !== "demo") args.push("--app", app);
  if (balancer !== undefined) args.push("--balancer", balancer);
  if (redisUrl !== undefined) args.push("--redis", redisUrl);
  if (natsUrl !== undefined) args.push("--nats", natsUrl);
  return args;
}

/** What node.cjs is told. */
function ownNode(options: ServeOptions, prefix: string): Record<string, string> {
  const { redisUrl: redis, natsUrl: nats, app = APP, port = 0, options: given } = options;
  return {
    TEST_NODE: JSON.stringify({
      app,
      port,
      options: { ...given, cluster: { ...given?.cluster, redis, nats, prefix } },
    }),
  };
}

/** One `serve`, be it one node or a primary with its workers. */
export class ServeProcess {
  readonly process: RunningProcess;
  readonly port: number;
  readonly url: string;
  readonly #workers: number;

  constructor(process: RunningProcess, port: number, workers: number) {
    this.process = process;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#workers = workers;
  }

  logs(): string {
    return this.process.logs();
  }

  /** Accounts of all workers. Each is asked for on a connection of its own, until as many as there are have answered. */
  async accounts(): Promise<NodeAccount[]> {
    const found = new Map<number, NodeAccount>();
    return waitFor("an account of each worker", async () => {
      const account = await this.account();
      found.set(account.pid, account);
      return found.size >= this.#workers && [...found.values()];
    });
  }

  /** The account of the node, or of whichever worker is next. */
  async account(): Promise<NodeAccount> {
    const { status, body } = await this.#ask("GET", "stats");
    if (status !== 200) throw new Error(`no account: ${status} ${body}`);
    return JSON.parse(body) as NodeAccount;
  }

  /** Bytes in use of the node's heap, behind a collection where the process was started with --expose-gc. */
  async heapUsed(): Promise<number> {
    const { status, body } = await this.#ask("GET", "heap");
    if (status !== 200) throw new Error(`no heap: ${status} ${body}`);
    return (JSON.parse(body) as { heapUsed: number }).heapUsed;
  }

  /** Makes the owner of the session send this to its client. False when the session is not here. */
  push(sid: string, data: string | Uint8Array): Promise<boolean> {
    return this.#tell(`push?sid=${encodeURIComponent(sid)}${typeof data === "string" ? "" : "&binary=1"}`, data);
  }

  setData(sid: string, data: unknown): Promise<boolean> {
    return this.#tell(`data?sid=${encodeURIComponent(sid)}`, JSON.stringify(data));
  }

  closeSession(sid: string): Promise<boolean> {
    return this.#tell(`close?sid=${encodeURIComponent(sid)}`, "");
  }

  /** Makes the owner of the session send its client so many bytes in messages of this size. */
  flood(sid: string, messageBytes: number, bytes: number, pace: "patient" | "heedless"): Promise<boolean> {
    const patience = pace === "patient" ? "&patient=1" : "";
    return this.#tell(`flood?sid=${encodeURIComponent(sid)}&bytes=${bytes}${patience}`, Buffer.alloc(messageBytes, 1));
  }

  /** Sends this to all sessions that the node, or whichever worker is next, owns: in one tick. `times`: so often, numbered from 0. */
  pushAll(text: string, times = 0): Promise<number> {
    return this.#do<{ sent: number }>(`push-all?times=${times}`, text).then(({ sent }) => sent);
  }

  /** `engine.cluster.send` there, to each of these sessions. */
  clusterSend(sids: readonly string[], data: string | Uint8Array): Promise<boolean[]> {
    const query = sids.map((sid) => `sid=${encodeURIComponent(sid)}`);
    if (typeof data !== "string") query.push("binary=1");
    return this.#do<{ answers: boolean[] }>(`cluster-send?${query.join("&")}`, data).then(({ answers }) => answers);
  }

  /** "many 1" to "many <each>" to each of these sessions by `engine.cluster.send`, all in one tick: how many were taken. */
  clusterSendMany(sids: readonly string[], each: number): Promise<number> {
    return this.#do<{ taken: number }>("cluster-send-many", JSON.stringify({ sids, each })).then(({ taken }) => taken);
  }

  clusterClose(sid: string): Promise<boolean> {
    const path = `cluster-close?sid=${encodeURIComponent(sid)}`;
    return this.#do<{ answers: boolean[] }>(path, "").then(({ answers }) => answers[0] === true);
  }

  clusterCount(): Promise<number> {
    return this.#do<{ count: number }>("cluster-count", "").then(({ count }) => count);
  }

  /** Ends it as an operator would: SIGTERM, and everything that follows from it. */
  stop(): Promise<ProcessEnd> {
    return this.process.stop();
  }

  kill(): Promise<ProcessEnd> {
    return this.process.kill();
  }

  /** Tells the worker that knows the session; 404 is another one's answer. */
  async #tell(path: string, data: string | Uint8Array): Promise<boolean> {
    // By connection or by request, the workers are gone through in turn: twice round is each of them, also when others ask.
    const attempts = this.#workers === 1 ? 1 : this.#workers * 4;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const { status, body } = await this.#ask("POST", path, data);
      if (status === 200) return true;
      if (status !== 404) throw new Error(`${path}: ${status} ${body}`);
    }
    return false;
  }

  async #do<T>(path: string, data: string | Uint8Array): Promise<T> {
    const { status, body } = await this.#ask("POST", path, data);
    if (status !== 200) throw new Error(`${path}: ${status} ${body}`);
    return JSON.parse(body) as T;
  }

  #ask(method: string, path: string, data?: string | Uint8Array): Promise<{ status: number; body: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(`${this.url}/__test/${path}`, { method, agent: false, timeout: 30_000 }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", reject);
        response.once("end", () =>
          resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }),
        );
      });
      sent.once("error", reject);
      sent.once("timeout", () => sent.destroy(new Error(`${path}: no answer within 30 s`)));
      sent.end(data);
    });
  }
}

export interface ClusterOptions {
  readonly nodes: number;
  readonly redisUrl: string;
  readonly natsUrl: string;
  readonly app?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly options?: NodeOptions;
}

/** So many nodes, each a process of its own, that share a prefix which nobody else has. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { nodes, ...shared } = options;
  const prefix = options.env?.["PREFIX"] ?? randomPrefix();
  const cluster = new Cluster({ ...shared, env: { ...shared.env, PREFIX: prefix } }, prefix);
  try {
    await Promise.all(Array.from({ length: nodes }, (_, i) => cluster.start(i)));
  } catch (error) {
    await cluster.killAll();
    throw error;
  }
  return cluster;
}

export class Cluster {
  /** What keys and subjects of this cluster start with. */
  readonly prefix: string;
  readonly #options: Omit<ServeOptions, "port" | "name">;
  readonly #nodes: ServeProcess[] = [];
  /** What earlier processes of a node printed. */
  readonly #earlier: string[] = [];

  constructor(options: Omit<ServeOptions, "port" | "name">, prefix: string) {
    this.#options = options;
    this.prefix = prefix;
  }

  get ports(): number[] {
    return this.#nodes.map(({ port }) => port);
  }

  get urls(): string[] {
    return this.#nodes.map(({ url }) => url);
  }

  /** The process that is node `i`, or was the last to be. */
  node(i: number): ServeProcess {
    const node = this.#nodes[i];
    if (node === undefined) throw new Error(`there is no node ${i}`);
    return node;
  }

  /** Nodes whose processes run. */
  get running(): number[] {
    return this.#nodes.flatMap(({ process }, i) => (process.running ? [i] : []));
  }

  async start(i: number, port?: number): Promise<void> {
    const node = { ...this.#options, name: `node ${i}`, ...(port === undefined ? {} : { port }) };
    this.#nodes[i] = await startServe(node);
  }

  /** Kills node `i` as a crash does; resolves when its process is gone. */
  async kill(i: number): Promise<void> {
    await this.node(i).kill();
  }

  /** Pauses node `i`: nothing of it runs, all its connections stay. */
  stop(i: number): void {
    this.node(i).process.signal("SIGSTOP");
  }

  cont(i: number): void {
    this.node(i).process.signal("SIGCONT");
  }

  /** Starts node `i` anew, on the port that it had; where it still runs, it is ended by SIGTERM first. */
  async restart(i: number): Promise<void> {
    const node = this.node(i);
    await node.stop();
    this.#earlier[i] = this.logs(i);
    await this.start(i, node.port);
  }

  /** All that node `i` has printed, over its restarts. */
  logs(i: number): string {
    return (this.#earlier[i] ?? "") + this.node(i).logs();
  }

  account(i: number): Promise<NodeAccount> {
    return this.node(i).account();
  }

  /** Accounts of all running nodes, by node. */
  async accounts(): Promise<Map<number, NodeAccount>> {
    const running = this.running;
    const accounts = await Promise.all(running.map((i) => this.account(i)));
    return new Map(running.map((i, at) => [i, accounts[at]!]));
  }

  /** The running node that owns a session now, when there is one. */
  async ownerOf(sid: string): Promise<number | undefined> {
    for (const [i, { sids }] of await this.accounts()) if (sids.includes(sid)) return i;
    return undefined;
  }

  /** Makes whichever node owns the session send this to its client; fails when none does for a while. */
  async push(sid: string, data: string | Uint8Array): Promise<void> {
    await waitFor(`an owner of ${sid} to push from`, async () => {
      for (const i of this.running) if (await this.node(i).push(sid, data)) return true;
      return undefined;
    });
  }

  /** Ends all nodes as an operator would. */
  async stopAll(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.stop()));
  }

  async killAll(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
  }
}

export function randomPrefix(): string {
  return `test-${randomBytes(6).toString("hex")}`;
}
