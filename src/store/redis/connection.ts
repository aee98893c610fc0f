import { Redis, type Cluster, type RedisOptions } from "ioredis";
import type { Clock, Timer } from "../../time/clock";
import { pause } from "../../time/pause";
import { isTransient, messageOf, storeError } from "./errors";
import { inspectServer } from "./inspect";

/** Options of ioredis, and a URL where they have no host; what the URL says goes first. */
export type RedisConnectionOptions = RedisOptions & { readonly url?: string };

/** A URL or options, from which the store makes a connection of its own; or a ready client, which it only uses. */
export type RedisSource = string | RedisConnectionOptions | Redis | Cluster;

export interface ConnectionOptions {
  readonly redis: RedisSource;
  readonly clock: Clock;
  readonly onError: (error: Error) => void;
  /** It answers again after it did not, and it is known whether it may have lost data. */
  readonly onReturn: () => void;
}

/** A server takes a connection and says its first word within so many milliseconds each, where the options name no other time. */
const CONNECT_TIMEOUT = 5_000;
const RECONNECT_MOST = 1_000;
const CHECK_AGAIN = 250;
const QUIT_WITHIN = 1_000;

/** The client, whose it is, whether its server is fit for sessions, and whether the server has lost data. */
export class Connection {
  readonly client: Redis | Cluster;
  /** Whether the keys of different sessions can lie on different servers. */
  readonly clustered: boolean;
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  readonly #onReturn: () => void;
  /** The client, where it is this store's own. */
  readonly #own: Redis | undefined;
  #generation = 1;
  #runId: string | undefined;
  /** Of a cluster, the connections to its nodes that were once ready. */
  readonly #served = new WeakSet<Redis>();
  /** Whether it was connected before. */
  #wasReady = false;
  #verifying: Promise<void> | undefined;
  #lastError = "";
  #toldReplica = false;
  #closed = false;
  #greeting: Timer | undefined;
  #tellClosed: () => void = () => undefined;
  readonly #whenClosed = new Promise<void>((resolve) => (this.#tellClosed = resolve));

  constructor({ redis, clock, onError, onReturn }: ConnectionOptions) {
    this.#clock = clock;
    this.#onError = onError;
    this.#onReturn = onReturn;
    if (isClient(redis)) this.client = redis;
    else this.client = this.#own = connect(redis, clock);
    this.clustered = this.client.isCluster;
    this.client.on("error", this.#onClientError);
    this.client.on("ready", this.#onClientReady);
    this.#own?.on("connect", this.#onClientConnect);
    if ("nodes" in this.client) for (const node of this.client.nodes()) this.#onNode(node);
    this.client.on("+node", this.#onNode);
    this.client.on("-node", this.#onNodeGone);
    if (this.client.status === "ready") this.#onClientReady();
  }

  /** Whether what only reads may be answered by a server that does not know yet what the master has taken. */
  get readsReplicas(): boolean {
    return this.client.isCluster && (this.client as Cluster).options.scaleReads !== "master";
  }

  /**
   * Raised when the server may have lost data: another process answers than before, a node of the cluster was lost, or a lease is
   * (see `Witness`). A session whose last turn was committed in an older generation, and is unknown now, may be lost and not ended.
   */
  get generation(): number {
    return this.#generation;
  }

  /** While it is not known yet whether a server that came back is the one from before. */
  get verifying(): Promise<void> | undefined {
    return this.#verifying;
  }

  /** Resolves when the server was found fit; waits for one that cannot be reached yet; rejects when it is unfit. */
  async check(): Promise<void> {
    for (;;) {
      try {
        // The client lets a command wait for ever when it is closed between two tries to connect.
        await Promise.race([inspectServer(this.client, this.#onError), this.#whenClosed]);
        if (this.#closed) throw new Error("closed");
        return;
      } catch (error) {
        if (this.#closed) throw new Error("The store was closed before Redis could be reached.", { cause: error });
        if (this.client.status === "end") {
          throw new Error("The Redis client was closed: give the store one that is open, or a URL.", { cause: error });
        }
        if (!isTransient(error)) throw error;
        await pause(this.#clock, CHECK_AGAIN);
      }
    }
  }

  /** The server does not answer: look anew for where the data is. Only of an own client. */
  renew(): void {
    if (!this.#closed && this.#own?.status === "ready") this.#own.disconnect(true);
  }

  /** The server answers as a replica does. An application's client keeps the connection, for as long as nobody ends it. */
  onReplica(): void {
    this.renew();
    if (this.#own !== undefined || this.clustered || this.#toldReplica || this.#closed) return;
    this.#toldReplica = true;
    this.#onError(
      new Error(
        `Redis${addressOf(this.client)} has become a replica, which takes no writes (READONLY): let the client that was given ` +
          "connect anew then, by its option reconnectOnError, or give the store a URL, or options, in place of a client.",
      ),
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#tellClosed();
    this.client.off("ready", this.#onClientReady);
    this.client.off("+node", this.#onNode);
    this.client.off("-node", this.#onNodeGone);
    this.#own?.off("connect", this.#onClientConnect);
    this.#greeting?.stop();
    if (this.#own !== undefined) await this.#quit();
    this.client.off("error", this.#onClientError);
  }

  async #quit(): Promise<void> {
    const { client } = this;
    if (client.status === "ready") {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(QUIT_WITHIN, resolve);
        const ended = () => {
          timer.stop();
          resolve();
        };
        client.quit().then(ended, ended);
      });
    }
    client.disconnect();
  }

  /**
   * The client waits for ever for the first word of a server that has taken the connection, and nothing is sent meanwhile that
   * could come late. One that is silent then may stand still, and what is in front of it may have another by now.
   */
  readonly #onClientConnect = (): void => {
    const client = this.#own;
    if (client === undefined) return;
    const { stream } = client;
    const heard = stream.bytesRead;
    this.#greeting?.stop();
    this.#greeting = this.#clock.afterUnref(patienceOf(client.options), () => {
      if (this.#closed || client.status !== "connect" || client.stream !== stream) return;
      // One that speaks loads its data.
      if (stream.bytesRead > heard) this.#onClientConnect();
      else client.disconnect(true);
    });
  };

  readonly #onClientReady = (): void => {
    this.#greeting?.stop();
    this.#lastError = "";
    this.#toldReplica = false;
    // A cluster has many servers; there, a node that goes tells (see #onNodeGone).
    if (this.clustered) return;
    const again = this.#wasReady;
    this.#wasReady = true;
    const verifying = this.#readRunId(again).finally(() => {
      if (this.#verifying === verifying) this.#verifying = undefined;
    });
    this.#verifying = verifying;
  };

  async #readRunId(again: boolean): Promise<void> {
    let runId: string | undefined;
    try {
      runId = /^run_id:(\w+)/m.exec(String(await this.client.call("info", "server")))?.[1];
    } catch {
      // Cut again, or not permitted: then nobody knows, and it counts as another server. That costs no more than restoring what is there.
    }
    // Compared with what is known by now: a question that was cut off is answered together with the next one.
    const before = this.#runId;
    if (again && (runId === undefined || runId !== before)) this.#generation++;
    this.#runId = runId ?? before;
    if (again && !this.#closed) this.#onReturn();
  }

  /** It has forgotten what it must have, and no connection broke. */
  lostData(): void {
    this.#generation++;
    if (!this.#closed) this.#onReturn();
  }

  readonly #onNode = (node: Redis): void => {
    if (node.status === "ready") this.#served.add(node);
    else node.once("ready", () => this.#served.add(node));
  };

  readonly #onNodeGone = (node: Redis): void => {
    // While a node is away, the client makes a connection at each try, and tells of the end of each: that of the one which was there
    // has said all.
    if (this.#served.has(node)) this.lostData();
  };

  readonly #onClientError = (error: unknown): void => {
    // The client says it again at every try.
    const message = messageOf(error);
    if (message === this.#lastError || this.#closed) return;
    this.#lastError = message;
    this.#onError(storeError(`The connection to Redis${addressOf(this.client)} failed`, error));
  };
}

function isClient(source: RedisSource): source is Redis | Cluster {
  // Not by class: the application may have its own copy of the client's package.
  return typeof source === "object" && "sendCommand" in source;
}

function connect(source: string | RedisConnectionOptions, clock: Clock): Redis {
  const { url, ...given } = typeof source === "string" ? { url: source } : source;
  const options = {
    // What is sent while Redis is away waits for it; the store ends the wait of its callers by itself.
    maxRetriesPerRequest: null,
    // Sooner than the client's own: sessions wait.
    retryStrategy: (times: number) =>
      Math.min(50 * 2 ** Math.min(times - 1, 10), RECONNECT_MOST) * (0.75 + clock.random() / 4),
    connectTimeout: CONNECT_TIMEOUT,
    // Else a sentinel that is silent is waited for, and the others are not asked.
    sentinelCommandTimeout: patienceOf(given),
    // The client waits that long for the end of a connection, of one that was refused too, and keeps the process meanwhile.
    disconnectTimeout: 500,
    lazyConnect: true,
    // Else it names its library to the server, for which a user would need a command more, and which Redis has since 7.2.
    disableClientInfo: true,
    ...given,
    // The shape of answers that is read here.
    replyMapping: "legacy" as const,
    stringNumbers: false,
    // What was under way when a connection broke is asked again, which changes nothing more: the client would leave it without an answer.
    autoResendUnfulfilledCommands: true,
  };
  return url === undefined ? new Redis(options) : new Redis(url, options);
}

/** 0 is no limit to the client, which would wait for ever for a server that takes the connection and says nothing. */
function patienceOf({ connectTimeout }: Pick<RedisOptions, "connectTimeout">): number {
  return connectTimeout === undefined || connectTimeout === 0 ? CONNECT_TIMEOUT : connectTimeout;
}

/** Host and port only: a URL has credentials in it. */
export function addressOf(client: Redis | Cluster): string {
  if (client instanceof Redis) {
    const { path, host, port } = client.options;
    if (typeof path === "string") return ` at ${path}`;
    if (host !== undefined) return ` at ${host}:${port ?? 6379}`;
  }
  return "";
}
