import { request } from "node:http";
import { freePort } from "./free-port";
import { startProcess, type ProcessEnd, type RunningProcess } from "./processes";
import { TcpProxy } from "./tcp-proxy";

export interface KitNodeOptions {
  readonly number: number;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly redis: { readonly port: number };
  readonly nats: { readonly port: number };
  /** Whether it reaches Redis and NATS through proxies of its own. */
  readonly links: boolean;
  /** A request that it answers below 500 when it serves. */
  readonly probe: string;
}

const STARTS = 3;

/** One node: a process on a port of its own, also when it is started again. */
export class KitNode {
  readonly number: number;
  readonly port: number;
  readonly url: string;
  /** Its ways to Redis and NATS; there where the kit was started with `links`. */
  readonly links: { readonly redis: TcpProxy; readonly nats: TcpProxy } | undefined;
  readonly #options: KitNodeOptions;
  #process: RunningProcess;
  #earlier = "";

  private constructor(options: KitNodeOptions, port: number, links: KitNode["links"], process: RunningProcess) {
    this.#options = options;
    this.number = options.number;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.links = links;
    this.#process = process;
  }

  static async start(options: KitNodeOptions): Promise<KitNode> {
    const links = options.links
      ? { redis: await TcpProxy.start(options.redis.port), nats: await TcpProxy.start(options.nats.port) }
      : undefined;
    for (let attempt = 1; ; attempt++) {
      // Somebody else can take a free port before the process does.
      const port = await freePort();
      const node = new KitNode(options, port, links, run(options, port, links));
      try {
        await node.#serves();
        return node;
      } catch (error) {
        await node.kill();
        if (attempt < STARTS && node.logs().includes("EADDRINUSE")) continue;
        await links?.redis.stop();
        await links?.nats.stop();
        throw error;
      }
    }
  }

  get process(): RunningProcess {
    return this.#process;
  }

  get running(): boolean {
    return this.#process.running;
  }

  /** All that it has printed, over its restarts. */
  logs(): string {
    return this.#earlier + this.#process.logs();
  }

  /** As a crash does; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** SIGTERM; resolves with how it ended. One that stands still, or takes too long, fails. */
  terminate(withinMs?: number): Promise<ProcessEnd> {
    return this.#process.stop(withinMs);
  }

  /** SIGSTOP: nothing of it runs, all its connections stay. */
  pause(): void {
    this.#process.signal("SIGSTOP");
  }

  /** SIGCONT. */
  resume(): void {
    this.#process.signal("SIGCONT");
  }

  /** Starts it again after it ended, on the same port; resolves when it serves. */
  async start(): Promise<void> {
    if (this.running) throw new Error(`node ${this.number} runs`);
    this.#earlier = this.logs();
    this.#process = run(this.#options, this.port, this.links);
    await this.#serves();
  }

  /** Ends its process and its links. */
  async stop(): Promise<void> {
    await this.kill();
    await this.links?.redis.stop();
    await this.links?.nats.stop();
  }

  async #serves(): Promise<void> {
    const url = new URL(this.#options.probe, this.url).href;
    await this.#process.until("it to serve", async () => ((await status(url)) < 500 ? true : undefined), 30_000);
  }
}

function run(options: KitNodeOptions, port: number, links: KitNode["links"]): RunningProcess {
  const [command = "", ...args] = options.command;
  const redis = links?.redis.port ?? options.redis.port;
  const nats = links?.nats.port ?? options.nats.port;
  return startProcess(command, args, {
    name: `node ${options.number}`,
    env: {
      HOST: "127.0.0.1",
      PORT: String(port),
      WORKERS: "1",
      // The usual port is one, and the nodes of a kit are many.
      HEALTH_PORT: "off",
      REDIS_URL: `redis://127.0.0.1:${redis}`,
      NATS_URL: `nats://127.0.0.1:${nats}`,
      ...options.env,
    },
  });
}

/** 999 where there is no answer. */
function status(url: string): Promise<number> {
  return new Promise((resolve) => {
    const sent = request(url, { agent: false, timeout: 2_000 }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 999);
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(999));
    sent.end();
  });
}
