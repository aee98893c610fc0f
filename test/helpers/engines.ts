import { createServer, request as httpRequest, type RequestListener, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Bus } from "../../src/bus/port";
import { resolveTuning, type ClusterTuning } from "../../src/cluster-options";
import type { ClusterNode } from "../../src/routing/cluster-node";
import { ClusterHost } from "../../src/server/cluster-host";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import type { EngineOptions } from "../../src/options";
import type { Records } from "../../src/store/memory";
import { Counters } from "../../src/telemetry/counters";
import { runtimeClock } from "../../src/time/runtime-clock";
import { bufferLimit, storeLimits, wireNode } from "../../src/wiring";
import { makeFabric, type FabricKind } from "./fabric";

/**
 * What the engines are made of and where a session's requests land. `local`: one process without a cluster. `owner`:
 * the node of a cluster that owns the session. `next`: each request at the next of three nodes, which share a store and
 * a bus in memory; `hub`: the same on the hub of an embedded cluster; `redis`: on Redis and NATS.
 */
export type Mode = "local" | "owner" | "next" | "hub" | "redis";
export const MODES: readonly Mode[] = ["local", "owner", "next", "hub", "redis"];
export const CLUSTERED: readonly Mode[] = ["owner", "next", "hub", "redis"];

const FABRICS: Readonly<Record<Exclude<Mode, "local">, FabricKind>> = {
  owner: "memory",
  next: "memory",
  hub: "hub",
  redis: "redis",
};

export interface TestEngines {
  readonly mode: Mode;
  /** The engines; one, or the three nodes of a cluster. */
  readonly engines: readonly Engine[];
  readonly counters: readonly Counters[];
  /** Each engine's part in the cluster; none without one. */
  readonly nodes: readonly ClusterNode[];
  /** What each of them hears the others by. */
  readonly buses: readonly Bus[];
  /** Of the cluster, where they are in this process. */
  readonly records: Records | undefined;
  /** Base address for the next request. */
  next(): string;
  /** Their HTTP servers, in order. */
  readonly servers: readonly HttpServer[];
  /** Ports of the engines, in order. */
  readonly ports: readonly number[];
  /** Ports that requests go to in turn, behind a balancer: all, or that of the node that owns the sessions. */
  readonly balanced: readonly number[];
  /** A node of the cluster is gone for all others, and its HTTP server with it. Only where the cluster is in memory. */
  kill(index: number): void;
  /** Registers a listener on every engine. */
  on(event: string, listener: (...args: never[]) => void): void;
  stop(): Promise<void>;
}

/** Engines on real HTTP. `others` answers requests that are none of theirs. */
export async function startEngines(
  mode: Mode,
  options: EngineOptions = {},
  tuning: ClusterTuning = {},
  others: RequestListener = notFound,
): Promise<TestEngines> {
  const pingInterval = options.pingInterval ?? 25_000;
  const pingTimeout = options.pingTimeout ?? 20_000;
  const tuned = resolveTuning(tuning, pingInterval, pingTimeout);
  const limits = storeLimits(tuned, pingInterval, pingTimeout);
  const fabric = mode === "local" ? undefined : await makeFabric(FABRICS[mode], limits);
  const engines: Engine[] = [];
  const counters: Counters[] = [];
  const servers: HttpServer[] = [];
  const nodes: ClusterNode[] = [];
  const buses: Bus[] = [];
  const dead = new Set<number>();
  const start = async (i: number): Promise<void> => {
    const id = `node${String(i)}`;
    const counter = new Counters();
    const engine = new Engine(options, runtimeClock, (engine) => {
      if (fabric === undefined) return new LocalHost(engine, runtimeClock);
      const events = { onNodeJoined: nothing, onNodeDead: nothing, onTakeover: nothing };
      return new ClusterHost(engine, {
        clock: runtimeClock,
        nodeId: id,
        bufferLimit: bufferLimit(tuned),
        make: async (host) => {
          const adapters = await fabric.adapters();
          buses[i] = adapters.bus;
          const parts = { id, clock: runtimeClock, tuning: tuned, counters: counter, events, ...adapters };
          const node = wireNode(parts, host, engine.opts);
          nodes[i] = node;
          return node;
        },
      });
    });
    const server = createServer(others);
    engine.attach(server);
    engines[i] = engine;
    counters[i] = counter;
    servers[i] = server;
    await engine.ready();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  };
  await Promise.all(Array.from({ length: fabric === undefined ? 1 : 3 }, (_, i) => start(i)));
  const spread = mode !== "local" && mode !== "owner";
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  let turn = -1;
  return {
    mode,
    engines,
    counters,
    nodes,
    buses,
    records: fabric?.records,
    servers,
    ports,
    balanced: spread ? ports : ports.slice(0, 1),
    next() {
      if (spread) turn++;
      while (dead.has(Math.max(0, turn) % servers.length)) turn = Math.max(0, turn) + 1;
      return `http://127.0.0.1:${String(ports[Math.max(0, turn) % ports.length])}`;
    },
    kill(index) {
      const bus = buses[index];
      if (fabric?.kill === undefined || bus === undefined) throw new Error("only nodes in memory can be killed");
      dead.add(index);
      fabric.kill(bus);
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
      await fabric?.stop();
    },
  };
}

const notFound: RequestListener = (_request, response) => {
  response.writeHead(404).end();
};

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
