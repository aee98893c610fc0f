import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import base64id from "base64id";
import { HubBus } from "./bus/hub/hub-bus";
import { NatsBus } from "./bus/nats/nats-bus";
import { serversElsewhere, type NatsTarget } from "./bus/nats/target";
import type { Bus } from "./bus/port";
import { ClusterFace } from "./cluster-face";
import { resolveTuning, type ClusterOptions, type ClusterTuning, type ResolvedTuning } from "./cluster-options";
import { HubClient, HubLostError } from "./hub/client";
import { hubEnvironment, hubFromEnvironment, HUB_PATH_VARIABLE } from "./hub/environment";
import { HubPrimary } from "./hub/primary";
import { resolveOptions, type AttachOptions, type ServerOptions } from "./options";
import type { ClusterNode } from "./routing/cluster-node";
import type { NodeEngine } from "./routing/node-options";
import type { RequestSource } from "./server/attach";
import { ClusterHost } from "./server/cluster-host";
import { Engine } from "./server/engine";
import type { SessionHost } from "./server/host";
import { LocalHost } from "./server/local-host";
import { HubStore } from "./store/hub/hub-store";
import { RedisStore } from "./store/redis";
import type { SessionStore, StoreLimits } from "./store/port";
import { Counters } from "./telemetry/counters";
import type { Latency } from "./telemetry/latency";
import { runtimeClock } from "./time/runtime-clock";
import { pollingFor } from "./server/transports";
import type { Query } from "./session/handshake";
import { Tick } from "./time/tick";
import type { Polling } from "./transports/polling";
import { WebSocketTransport } from "./transports/websocket";
import { bufferLimit, storeLimits, wireNode } from "./wiring";

/** Store and bus of one node, and what ends with them. */
interface Adapters {
  readonly store: SessionStore & { readonly stats: object; readonly latency?: Latency };
  readonly bus: Bus & {
    readonly stats: { readonly dropped: number };
    readonly roundTrip?: () => Promise<number> | undefined;
  };
}

/**
 * The Engine.IO server: one process by itself, or with the option `cluster` a node of a cluster in which every node
 * serves every request of every polling session.
 */
class ClusterServer extends Engine {
  /** This node's view of the cluster; undefined without one. */
  readonly cluster: ClusterFace | undefined;

  constructor(given?: ServerOptions | null) {
    const options = given ?? {};
    const face = options.cluster === undefined ? undefined : new ClusterFace(base64id.generateId(), new Counters());
    super(byEnvironment(options), runtimeClock, (engine) => makeHost(engine, options.cluster, face));
    this.cluster = face;
    face?.useLoad(this.load);
    // Before anybody who waits for it goes on; a failure is theirs.
    if (face !== undefined) this.ready().then(() => face.onJoined(), ignore);
  }
}

/** Programs of engine.io 3 may name the server of their websockets in the environment. */
function byEnvironment(options: ServerOptions): ServerOptions {
  const { EIO_WS_ENGINE: wsEngine } = process.env;
  if (options.compat !== 3 || options.wsEngine !== undefined || wsEngine === undefined) return options;
  return { ...options, wsEngine };
}

export type Server = ClusterServer;

/** The class, which can be called without `new` as well, as engine.io 3's. */
export interface ServerClass {
  new (options?: ServerOptions | null): Server;
  (options?: ServerOptions | null): Server;
  readonly prototype: Server;
  readonly errors: typeof Engine.errors;
  readonly errorMessages: typeof Engine.errorMessages;
}

function callable(given: typeof ClusterServer): ServerClass {
  const made = new Proxy(given, {
    apply: (_class, _this, [options]: [(ServerOptions | null)?]) => new given(options),
  });
  Object.defineProperty(given, "name", { value: "Server" });
  Object.defineProperty(given.prototype, "constructor", { value: made, writable: true, configurable: true });
  return made as typeof made & ServerClass;
}

export const Server: ServerClass = callable(ClusterServer);

/** The same for programs that are written against engine.io 3: `compat` is 3 unless something else is said. */
export const Server3: ServerClass = callable(
  class extends ClusterServer {
    constructor(options?: ServerOptions | null) {
      super({ compat: 3, ...options });
    }
  },
);

function ignore(): void {
  // Heard of by whoever calls `ready()`.
}

function makeHost(engine: Engine, options: ClusterOptions | undefined, face: ClusterFace | undefined): SessionHost {
  if (options === undefined || face === undefined) return new LocalHost(engine, runtimeClock);
  const { pingInterval, pingTimeout } = engine.opts;
  const tuning = resolveTuning(options === "local" ? {} : options, pingInterval, pingTimeout);
  if (options !== "local" && !("local" in options)) requireSecret(options.nats, tuning);
  const limits = storeLimits(tuning, pingInterval, pingTimeout);
  const make = async (host: NodeEngine): Promise<ClusterNode> => {
    const tick = new Tick(runtimeClock);
    const { store, bus } = await makeAdapters(options, tuning, limits, tick, face);
    const parts = {
      id: face.nodeId,
      clock: runtimeClock,
      tick,
      store,
      bus,
      tuning,
      counters: face.counters,
      events: face,
    };
    const node = wireNode(parts, host, engine.opts);
    face.use(node, {
      store: store.stats as Readonly<Record<string, number>>,
      storeLatency: store.latency,
      busRoundTrip: () => bus.roundTrip?.(),
      bus: bus.stats,
    });
    return node;
  };
  const setup = { clock: runtimeClock, nodeId: face.nodeId, bufferLimit: bufferLimit(tuning), make };
  return new ClusterHost(engine, setup);
}

/** Nobody but this machine's processes speaks on its loopback; elsewhere whoever can publish could speak as any node. */
function requireSecret(nats: NatsTarget, { secret }: ResolvedTuning): void {
  if (secret !== undefined) return;
  const elsewhere = serversElsewhere(nats);
  if (elsewhere.length === 0) return;
  throw new Error(
    `NATS at ${elsewhere.join(", ")} is not on this machine, and there is no secret: whoever can publish there could speak as ` +
      'any node. Set the option cluster.secret (CLUSTER_SECRET) to the same random text at all nodes, as "openssl rand ' +
      '-base64 32" prints one; or to false (CLUSTER_SECRET=off), where nobody else can publish there.',
  );
}

/** The one place that knows which adapters there are. */
async function makeAdapters(
  options: ClusterOptions,
  tuning: ResolvedTuning,
  limits: StoreLimits,
  tick: Tick,
  face: ClusterFace,
): Promise<Adapters> {
  const onError = (error: Error): void => {
    face.onTrouble(error);
  };
  const clock = runtimeClock;
  if (options === "local" || "local" in options) {
    const address = hubFromEnvironment(process.env);
    if (address === undefined) {
      throw new Error(
        `cluster: "local" works in a worker of a primary that runs the hub, which sets ${HUB_PATH_VARIABLE}; ` +
          `start it by "engine.io-cluster serve", or name redis and nats`,
      );
    }
    const client = await HubClient.connect({
      ...address,
      clock,
      tick,
      onLost: (reason) => {
        onError(new HubLostError(reason));
      },
    });
    return { store: new HubStore(client, limits), bus: new HubBus(client) };
  }
  const { redis, nats } = options;
  return {
    store: new RedisStore({ redis, prefix: tuning.prefix, clock, tick, limits, onError }),
    bus: new NatsBus({ nats, prefix: tuning.prefix, clock, onError }),
  };
}

/** The hub of an embedded cluster, in the process that forks the workers. */
export interface Hub {
  /** Environment variables that each worker needs, for `cluster.fork`. */
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Options of a hub. `pingInterval` and `pingTimeout` are those of the workers' engines. */
export interface HubOptions extends ClusterTuning {
  pingInterval?: number;
  pingTimeout?: number;
  onError?: (error: Error) => void;
}

/**
 * Starts the hub of an embedded cluster in this process: it keeps the records of all sessions and passes messages between the
 * workers, whose engines have `cluster: "local"`. When this process dies, all ends.
 */
export async function startHub(options: HubOptions = {}): Promise<Hub> {
  const { pingInterval, pingTimeout } = resolveOptions(options);
  const limits = storeLimits(resolveTuning(options, pingInterval, pingTimeout), pingInterval, pingTimeout);
  const { onError } = options;
  const hub = new HubPrimary({ clock: runtimeClock, limits, ...(onError === undefined ? {} : { onError }) });
  const address = await hub.listen();
  return { environment: hubEnvironment(address), close: () => hub.close() };
}

/** The long-polling transport of a request's session, which is JSONP where its query has `j`. */
function polling(request: { readonly _query: Query }): Polling {
  const { maxHttpBufferSize, httpCompression } = resolveOptions({});
  return pollingFor(request._query, { clock: runtimeClock, maxHttpBufferSize, httpCompression });
}
polling.upgradesTo = ["websocket"];

/** The transports by name. */
export interface Transports {
  readonly polling: {
    new (request: { readonly _query: Query }): Polling;
    (request: { readonly _query: Query }): Polling;
    /** Names of the transports that a session may go over to. */
    upgradesTo: string[];
  };
  readonly websocket: typeof WebSocketTransport;
}

export const transports: Transports = {
  polling: polling as typeof polling & Transports["polling"],
  websocket: WebSocketTransport,
};

type ListenOptions = (ServerOptions & AttachOptions) | (() => void) | null;

/** Makes a server and attaches it to an HTTP server. */
export function attach(server: RequestSource, options?: ServerOptions | null): Server {
  return attachWith(Server, server, options);
}

/**
 * Makes an HTTP server that listens on `port` and serves nothing but the engine: other requests are answered 501.
 * `listening` is called when it does.
 */
export function listen(port: number | null, options?: ListenOptions, listening?: () => void): Server {
  return listenWith(Server, port, options, listening);
}

/** `attach` for programs that are written against engine.io 3. */
export function attach3(server: RequestSource, options?: ServerOptions | null): Server {
  return attachWith(Server3, server, options);
}

/** `listen` for programs that are written against engine.io 3. */
export function listen3(port: number | null, options?: ListenOptions, listening?: () => void): Server {
  return listenWith(Server3, port, options, listening);
}

function attachWith(Class: ServerClass, server: RequestSource, options?: ServerOptions | null): Server {
  return new Class(options).attach(server, options ?? {});
}

function listenWith(
  Class: ServerClass,
  port: number | null,
  options: ListenOptions | undefined,
  listening: (() => void) | undefined,
): Server {
  const [given, callback] = typeof options === "function" ? [{}, options] : [options ?? {}, listening];
  const httpServer = createServer(notImplemented);
  const engine = attachWith(Class, httpServer, given);
  // Without a port any that is free.
  httpServer.listen(port ?? 0, callback);
  engine.httpServer = httpServer;
  return engine;
}

function notImplemented(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(501);
  response.end("Not Implemented");
}
