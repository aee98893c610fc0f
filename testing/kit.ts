import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { startLoad, type Load, type LoadOptions } from "./checked-load";
import { KitNode } from "./kit-node";
import { startNats, type NatsProcess } from "./nats";
import { startNginx, type Nginx } from "./nginx";
import { startRedis, type RedisServer } from "./redis";

export interface KitOptions {
  /** Default: 3. */
  readonly nodes?: number;
  /** The module that `engine.io-cluster serve --app` takes. For the load it has to echo every message. */
  readonly app?: string;
  /**
   * Starts a node that is not `engine.io-cluster serve`: a program and its arguments. It is told by the environment what `serve`
   * is told: `HOST`, `PORT`, `REDIS_URL`, `NATS_URL`, `PREFIX`.
   */
  readonly command?: readonly string[];
  /** Added to the environment of each node. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether each node reaches Redis and NATS by proxies of its own, which can be cut, delayed and silenced. Default: true. */
  readonly links?: boolean;
  /** A path that a node answers below 500 when it serves. Default: an invalid request of the engine. */
  readonly probe?: string;
  /** Lines of NATS' configuration. */
  readonly natsConfig?: string;
  /** Arguments of redis-server. */
  readonly redisArgs?: readonly string[];
  /** How long nginx waits for a node that is silent before the request goes to the next one. Default: 120 s. */
  readonly readTimeoutMs?: number;
}

/** A cluster of real processes with a Redis, a NATS and an nginx of its own; each part can be made to fail. */
export class Kit {
  /** What keys and subjects of this cluster start with. */
  readonly prefix: string;
  readonly redis: RedisServer;
  readonly nats: NatsProcess;
  readonly nodes: readonly KitNode[];
  readonly nginx: Nginx;
  readonly #loads: Load[] = [];

  private constructor(prefix: string, redis: RedisServer, nats: NatsProcess, nodes: readonly KitNode[], nginx: Nginx) {
    this.prefix = prefix;
    this.redis = redis;
    this.nats = nats;
    this.nodes = nodes;
    this.nginx = nginx;
  }

  /** Resolves when all nodes serve. Needs redis-server, nats-server and nginx on the PATH. */
  static async start(options: KitOptions = {}): Promise<Kit> {
    const stops: (() => Promise<unknown>)[] = [];
    try {
      const redis = await startRedis(options.redisArgs);
      stops.push(() => redis.stop());
      const nats = await startNats(options.natsConfig);
      stops.push(() => nats.stop());
      const prefix = `kit-${randomBytes(6).toString("hex")}`;
      const nodes = await startNodes(options, prefix, redis, nats);
      stops.push(() => Promise.all(nodes.map((node) => node.stop())));
      const upstreams = nodes.map(({ port }) => port);
      const { readTimeoutMs } = options;
      const nginx = await startNginx({ upstreams, ...(readTimeoutMs === undefined ? {} : { readTimeoutMs }) });
      return new Kit(prefix, redis, nats, nodes, nginx);
    } catch (error) {
      for (const stop of stops.reverse()) await stop();
      throw error;
    }
  }

  /** Where clients connect to: nginx. */
  get url(): string {
    return this.nginx.url;
  }

  node(number: number): KitNode {
    const node = this.nodes[number];
    if (node === undefined) throw new Error(`there is no node ${number}`);
    return node;
  }

  get running(): KitNode[] {
    return this.nodes.filter((node) => node.running);
  }

  /** Clients through nginx, with a verdict at their end. */
  load(options: Omit<LoadOptions, "url"> & { readonly url?: string }): Load {
    const load = startLoad({ url: this.url, ...options });
    this.#loads.push(load);
    return load;
  }

  /** Ends every part of it. */
  async stop(): Promise<void> {
    for (const load of this.#loads) load.abort();
    await Promise.all(this.nodes.map((node) => node.stop()));
    await this.nginx.stop();
    await this.nats.stop();
    await this.redis.stop();
  }
}

async function startNodes(
  options: KitOptions,
  prefix: string,
  redis: RedisServer,
  nats: NatsProcess,
): Promise<KitNode[]> {
  const { nodes = 3, command = serveCommand(options.app), links = true } = options;
  const { probe = "/engine.io/?EIO=4&transport=none" } = options;
  const env = { NODE_ENV: "test", LOG_FORMAT: "json", PREFIX: prefix, ...options.env };
  const started = await Promise.allSettled(
    Array.from({ length: nodes }, (_, number) => KitNode.start({ number, command, env, redis, nats, links, probe })),
  );
  const good = started.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const bad = started.find((one) => one.status === "rejected");
  if (bad === undefined) return good;
  await Promise.all(good.map((node) => node.stop()));
  throw new Error("not all nodes started", { cause: bad.reason });
}

function serveCommand(app: string | undefined): string[] {
  // Beside this file where it is built, and in dist/ where it is not.
  const cli = [join(__dirname, "../cluster/cli.js"), join(__dirname, "../dist/cluster/cli.js")].find((file) =>
    existsSync(file),
  );
  if (cli === undefined) throw new Error("there is no cluster/cli.js: npm run build makes it");
  return [
    process.execPath,
    "--enable-source-maps",
    cli,
    "serve",
    ...(app === undefined ? [] : ["--app", resolve(app)]),
  ];
}
