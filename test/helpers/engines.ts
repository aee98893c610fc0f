import { createServer, request as httpRequest, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { resolveTuning, type ClusterTuning } from "../../src/cluster-options";
import { MemoryMedium } from "../../src/bus/memory/memory-bus";
import { ClusterHost } from "../../src/server/cluster-host";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import type { EngineOptions } from "../../src/options";
import { MemoryStore, Records } from "../../src/store/memory";
import { Counters } from "../../src/telemetry/counters";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { bufferLimit, storeLimits, wireNode } from "../../src/wiring";

/**
 * Where a session's requests land: `local` at one process without a cluster; `owner` at the node of a cluster that
 * owns the session; `next` each at the next of three nodes.
 */
export type Mode = "local" | "owner" | "next";
export const MODES: readonly Mode[] = ["local", "owner", "next"];

export interface TestEngines {
  readonly mode: Mode;
  /** The engines; one, or the three nodes of a cluster. */
  readonly engines: readonly Engine[];
  readonly counters: readonly Counters[];
  readonly records: Records | undefined;
  /** Base address for the next request. */
  next(): string;
  /** Ports of the engines, in order. */
  readonly ports: readonly number[];
  /** A node of the cluster is gone for all others, and its HTTP server with it. */
  kill(index: number): void;
  /** Registers a listener on every engine. */
  on(event: string, listener: (...args: never[]) => void): void;
  stop(): Promise<void>;
}

/** Engines on real HTTP; the cluster's nodes share a store and a bus in memory. */
export async function startEngines(
  mode: Mode,
  options: EngineOptions = {},
  tuning: ClusterTuning = {},
): Promise<TestEngines> {
  const medium = new MemoryMedium(runtimeClock);
  const pingInterval = options.pingInterval ?? 25_000;
  const pingTimeout = options.pingTimeout ?? 20_000;
  const tuned = resolveTuning(tuning, pingInterval, pingTimeout);
  const limits = storeLimits(tuned, pingInterval, pingTimeout);
  const records = mode === "local" ? undefined : new Records({ now: () => runtimeClock.now(), limits });
  const engines: Engine[] = [];
  const counters: Counters[] = [];
  const servers: HttpServer[] = [];
  const dead = new Set<number>();
  const buses = Array.from({ length: 3 }, () => medium.bus());
  for (let i = 0; i < (mode === "local" ? 1 : 3); i++) {
    const id = `node${String(i)}`;
    const counter = new Counters();
    const engine = new Engine(options, runtimeClock, (engine) => {
      if (records === undefined) return new LocalHost(engine, runtimeClock);
      const tick = new Tick(runtimeClock);
      const store = new MemoryStore({ clock: runtimeClock, tick, limits, records });
      const events = { onNodeJoined: nothing, onNodeDead: nothing, onTakeover: nothing };
      const parts = {
        id,
        clock: runtimeClock,
        tick,
        store,
        bus: buses[i] ?? medium.bus(),
        tuning: tuned,
        counters: counter,
        events,
      };
      return new ClusterHost(engine, {
        clock: runtimeClock,
        nodeId: id,
        bufferLimit: bufferLimit(tuned),
        make: (host) => Promise.resolve(wireNode(parts, host, engine.opts)),
      });
    });
    const server = createServer((_request, response) => {
      response.writeHead(404).end();
    });
    engine.attach(server);
    await engine.ready();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    engines.push(engine);
    counters.push(counter);
    servers.push(server);
  }
  let turn = -1;
  return {
    mode,
    engines,
    counters,
    records,
    ports: servers.map((server) => (server.address() as AddressInfo).port),
    next() {
      if (mode === "next") turn++;
      while (dead.has(Math.max(0, turn) % servers.length)) turn = Math.max(0, turn) + 1;
      const server = servers[Math.max(0, turn) % servers.length] ?? servers[0];
      return `http://127.0.0.1:${String((server?.address() as AddressInfo).port)}`;
    },
    kill(index) {
      dead.add(index);
      const bus = buses[index];
      if (bus !== undefined) medium.kill(bus);
      servers[index]?.closeAllConnections();
    },
    on(event, listener) {
      for (const engine of engines) engine.on(event, listener as (...args: unknown[]) => void);
    },
    async stop() {
      for (const engine of engines) engine.close();
      await Promise.all(engines.map((engine) => engine.closed()));
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

function nothing(): void {
  // Not of interest to these tests.
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface RequestOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  /** Called with a function that breaks the connection. */
  readonly onStarted?: (abort: () => void) => void;
}

/** One HTTP request on a connection of its own. */
export function http(url: string, options: RequestOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      url,
      { method: options.method ?? "GET", headers: options.headers ?? {}, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", reject);
        response.on("end", () => {
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks).toString("utf8"),
          });
        });
      },
    );
    request.on("error", reject);
    request.end(options.body);
    options.onStarted?.(() => request.destroy());
  });
}

let requests = 0;

/** A polling client in the raw: each request says what the protocol says, and nothing is done behind the test's back. */
export class RawClient {
  readonly #engines: TestEngines;
  sid = "";

  constructor(engines: TestEngines) {
    this.#engines = engines;
  }

  static async open(engines: TestEngines): Promise<RawClient> {
    const client = new RawClient(engines);
    const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling&t=${client.t()}`);
    if (reply.status !== 200) throw new Error(`handshake answered ${String(reply.status)}: ${reply.body}`);
    client.sid = (JSON.parse(reply.body.slice(1).split("\x1e")[0] ?? "") as { sid: string }).sid;
    return client;
  }

  /** A `t` that was not used before. */
  t(): string {
    return `t${String(++requests)}`;
  }

  url(t: string | undefined): string {
    const named = t === undefined ? "" : `&t=${t}`;
    return `${this.#engines.next()}/engine.io/?EIO=4&transport=polling&sid=${this.sid}${named}`;
  }

  poll(t: string | undefined = this.t(), options: RequestOptions = {}): Promise<Reply> {
    return http(this.url(t), options);
  }

  post(body: string | Buffer, t: string | undefined = this.t(), options: RequestOptions = {}): Promise<Reply> {
    const headers = { "content-type": "text/plain;charset=UTF-8", ...options.headers };
    return http(this.url(t), { method: "POST", ...options, headers, body });
  }
}
