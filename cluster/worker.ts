import { createServer, type Server as HttpServer } from "node:http";
import {
  operationsHandler,
  Server,
  type ClusterOptions,
  type OperationsHandler,
  type ServerOptions,
} from "../src/index";
import { HubLostError } from "../src/hub/client";
import { hubFromEnvironment } from "../src/hub/environment";
import type { Clock } from "../src/time/clock";
import { clusterTimes, type Config, type Environment } from "./config";
import { connectionsOf } from "./connections";
import { openDesk } from "./doctor/desk";
import { EXIT_FAILED, EXIT_USAGE, FatalError } from "./fatal";
import { BACKLOG, stopListening } from "./listening";
import type { App } from "./load-app";
import { errorText, type Log } from "./log";
import { StickyIntake } from "./sticky/intake";

/** Where a worker's connections come from: for its front it listens on a unix socket, else for everybody, or not at all. */
export type ListenTarget =
  | { readonly path: string }
  | { readonly port: number; readonly host: string | undefined }
  /** The primary hands them over. */
  | "primary";

export interface WorkerOptions {
  readonly config: Config;
  readonly environment: Environment;
  readonly name: string;
  readonly listen: ListenTarget;
  readonly app: App;
  /** Labels of all its metrics, where a process is not told apart by its address. */
  readonly metricLabels?: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly log: Log;
  /** The primary's hub cannot be reached any more: this process can only end. */
  readonly onHubLost?: () => void;
}

/** Responses under way when everything else is done get so long to be written. */
export const LAST_RESPONSES = 1000;
/** Beyond the time to drain: leaving the store and the bus. */
export const STOP_GRACE = 2000;

/** One node: an HTTP server with an engine and an application on it. */
export class Worker {
  /** Answers for health and metrics, from before it has joined until after it has left. */
  readonly operations: OperationsHandler;
  readonly #options: WorkerOptions;
  readonly #engine: Server;
  readonly #http: HttpServer;
  readonly #httpClosed: Promise<void>;
  #intake: StickyIntake | undefined;
  #serving = false;
  #drained: Promise<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#http = createServer({ keepAliveTimeout: options.config.keepAliveTimeout });
    this.#httpClosed = new Promise((resolve) => this.#http.once("close", resolve));
    this.#engine = makeEngine(options.config, options.environment);
    this.#engine.cluster?.on("error", (error: Error) => {
      options.log.error("cluster", { error: error.message });
      if (error instanceof HubLostError) options.onHubLost?.();
    });
    this.operations = operationsHandler(this.#engine, {
      ...(options.metricLabels === undefined ? {} : { labels: options.metricLabels }),
      conditions: { serving: () => this.#serving },
    });
  }

  /** Whether it was told to stop. */
  get stopping(): boolean {
    return this.#drained !== undefined;
  }

  /** Resolves when requests are served, with the port, if there is one; or, where it was told to stop before, when it will not be. */
  async start(): Promise<number | undefined> {
    const { config, name, log, app } = this.#options;
    // The application before `attach`: the engine then keeps its own requests from the application's listeners.
    await app(this.#engine, this.#http, { path: config.path, worker: name, log });
    if (this.#http.listenerCount("request") === 0) this.#http.on("request", notFound);
    this.#engine.attach(this.#http, { path: config.path });
    this.#admitDoctor();
    try {
      await this.#engine.ready();
    } catch (error) {
      if (!this.stopping) throw error;
    }
    if (this.stopping) return undefined;
    await this.#serve();
    this.#serving = !this.stopping;
    const address = this.#http.address();
    return typeof address === "object" ? address?.port : undefined;
  }

  #admitDoctor(): void {
    const { config, name } = this.#options;
    const { path, doctorSecret: secret } = config;
    if (secret === undefined) return;
    // The name is for people, and more than one machine has a w1.
    const node = `${name}/${this.#engine.cluster?.nodeId ?? "alone"}`;
    openDesk(this.#http, this.#engine, { path, secret, node });
  }

  /** Gives the sessions away and stops; resolves when the process may exit. Asked twice it is still one drain. */
  drain(): Promise<void> {
    this.#serving = false;
    this.#drained ??= this.#drain();
    return this.#drained;
  }

  async #drain(): Promise<void> {
    const { clock, config, log } = this.#options;
    try {
      // The server listens on at first: balancers learn of the drain later than this process does.
      const drained = this.#engine.drain({ timeout: Math.max(1, config.drainTimeout) });
      const done = await within(clock, config.drainTimeout + STOP_GRACE, drained);
      if (!done) log.warn("sessions were left behind when the time to drain was over", { ms: config.drainTimeout });
    } catch (error) {
      log.error("the drain failed", { error: errorText(error) });
    }
    await this.#closeHttp();
  }

  #closeHttp(): Promise<unknown> {
    // The drain has closed it already, and its idle connections with that, unless it failed.
    if (this.#http.listening) stopListening(this.#http);
    const closed = this.#intake === undefined ? this.#httpClosed : this.#intake.idle();
    return within(this.#options.clock, LAST_RESPONSES, closed).finally(() => {
      this.#http.closeAllConnections();
    });
  }

  async #serve(): Promise<void> {
    const { listen } = this.#options;
    if (listen === "primary") this.#intake = new StickyIntake(this.#http, this.#engine);
    else await this.#listen(listen);
  }

  #listen(listen: Exclude<ListenTarget, "primary">): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => {
        reject(
          new FatalError(`cannot listen on ${targetText(listen)}: ${error.message}`, EXIT_FAILED, { cause: error }),
        );
      };
      this.#http.once("error", failed);
      // `exclusive`: node:cluster would open a path in the primary and share it, as it does ports.
      const target = "path" in listen ? { path: listen.path, exclusive: true } : listen;
      this.#http.listen({ ...target, backlog: BACKLOG }, () => {
        this.#http.off("error", failed);
        resolve();
      });
    });
  }
}

/** The cluster that a configuration asks for; `undefined` for a process by itself. */
export function clusterOptions(config: Config, environment: Environment): ClusterOptions | undefined {
  const { prefix, secret, takeover } = config;
  const tuning = { ...clusterTimes(config), takeover };
  const connections = connectionsOf(config);
  if (connections !== undefined) {
    return {
      ...connections,
      prefix,
      ...tuning,
      ...(secret === undefined ? {} : { secret: secret === "off" ? false : secret }),
    };
  }
  return hubFromEnvironment(environment) === undefined ? undefined : { local: true, ...tuning };
}

function makeEngine(config: Config, environment: Environment): Server {
  const { pingInterval, pingTimeout, path, maxHttpBufferSize, transports, upgradeTimeout, perMessageDeflate } = config;
  const { maxSessions, maxSessionsPerAddress, maxRequests, bodyTimeout, trustProxy } = config;
  const cluster = clusterOptions(config, environment);
  const options: ServerOptions = {
    pingInterval,
    pingTimeout,
    path,
    maxHttpBufferSize,
    transports,
    upgradeTimeout,
    perMessageDeflate,
    trustProxy,
    limits: {
      sessions: maxSessions,
      requests: maxRequests,
      bodyTimeout,
      ...(maxSessionsPerAddress === undefined ? {} : { sessionsPerAddress: maxSessionsPerAddress }),
    },
    ...(cluster === undefined ? {} : { cluster }),
  };
  try {
    return new Server(options);
  } catch (error) {
    // An option that the engine refuses is refused each time.
    throw new FatalError(`the engine cannot be made: ${errorText(error)}`, EXIT_USAGE, { cause: error });
  }
}

function targetText(target: Exclude<ListenTarget, "primary">): string {
  return "path" in target
    ? target.path
    : `${target.host ?? "all addresses"}, port ${String(target.port)} (--host, --port)`;
}

/** Whether `work` was done in time. */
function within(clock: Clock, ms: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = clock.after(ms, () => {
      resolve(false);
    });
    work.then(
      () => {
        timer.stop();
        resolve(true);
      },
      (error: unknown) => {
        timer.stop();
        reject(error instanceof Error ? error : new Error(String(error)));
      },
    );
  });
}

function notFound(_request: unknown, response: { writeHead(status: number): { end(text: string): unknown } }): void {
  response.writeHead(404).end("Not found\n");
}
