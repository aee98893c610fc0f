import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NodeId, StoreLimits } from "../store/port";
import { Records } from "../store/memory";
import type { Clock, Timer } from "../time/clock";
import { Tick } from "../time/tick";
import { CHANNEL_LIMITS, type ChannelLimits } from "./channel";
import { type Hub, HubConnection } from "./connection";
import type { HubAddress } from "./environment";
import type { HubRecords } from "./records-port";

/** The kernel takes no longer path for a unix socket: 104 bytes with the closing zero on BSD and macOS, 108 on Linux. */
const MAX_PATH_BYTES = 103;

/** Records whose time is over are looked for in small portions: all of them within so many portions, one a second. */
const SWEEP_EVERY = 1_000;
const SWEEP_PORTIONS = 15;

export interface HubPrimaryOptions {
  readonly clock: Clock;
  readonly limits: StoreLimits;
  /** Where the socket is made. Default: in a new directory that only this user can enter. */
  readonly path?: string;
  /** What a worker must show. Default: random. */
  readonly token?: string;
  readonly channel?: ChannelLimits;
  /** Told of faults that cost a worker an operation or its connection; all of them are counted in `stats` too. */
  readonly onError?: (error: Error) => void;
}

export interface HubPrimaryStats {
  connections: number;
  /** Messages from workers: each is what one of them had to say in one tick. */
  batches: number;
  /** Entries in them. */
  operations: number;
  /** Bus messages passed on, and not: to nobody, or to a worker that does not read. */
  passed: number;
  noResponder: number;
  dropped: number;
  /** Connections that did not show the token. */
  refused: number;
  /** Store operations that threw, and connections that ended with an error. */
  faults: number;
}

/**
 * The primary's side of the embedded mode: the session records of all workers in its memory, and the place where the
 * messages between workers pass. When this process ends, all of it ends.
 */
export class HubPrimary {
  readonly stats: HubPrimaryStats = {
    connections: 0,
    batches: 0,
    operations: 0,
    passed: 0,
    noResponder: 0,
    dropped: 0,
    refused: 0,
    faults: 0,
  };
  readonly #options: HubPrimaryOptions;
  readonly #records: Records;
  readonly #token: string;
  readonly #tokenDigest: Buffer;
  readonly #hub: Hub;
  readonly #connections = new Set<HubConnection>();
  readonly #listeners = new Map<NodeId, HubConnection>();
  /** Which connection a lease was taken over: its end is the lease's end. */
  readonly #leases = new Map<NodeId, HubConnection>();
  #server: Server | undefined;
  #directory: string | undefined;
  #sweepTimer: Timer | undefined;

  constructor(options: HubPrimaryOptions) {
    this.#options = options;
    this.#records = new Records({ now: () => options.clock.now(), limits: options.limits });
    this.#token = options.token ?? randomBytes(32).toString("base64url");
    this.#tokenDigest = digest(this.#token);
    this.#hub = this.#makeHub(this.#records);
  }

  /** Listens, and tells what to give to the workers: see `hubEnvironment`. */
  async listen(): Promise<HubAddress> {
    if (this.#server !== undefined) throw new Error("the hub listens already");
    const path = this.#options.path ?? this.#privatePath();
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      this.#removeDirectory();
      throw new Error(
        `the path of the hub's socket is too long for a unix socket: ${path}; set TMPDIR to a shorter directory`,
      );
    }
    const server = createServer((socket) => this.#onConnection(socket));
    this.#server = server;
    try {
      await listening(server, path);
    } catch (error) {
      this.#server = undefined;
      this.#removeDirectory();
      throw error;
    }
    chmodSync(path, 0o600);
    this.#sweepLater();
    // A primary that ends by `process.exit` leaves nothing behind either.
    process.once("exit", this.#removeDirectory);
    return { path, token: this.#token };
  }

  /** Ends all connections and removes the socket. The workers lose everything: end them first. */
  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    this.#sweepTimer?.stop();
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    for (const connection of this.#connections) connection.destroy();
    await closed;
    process.off("exit", this.#removeDirectory);
    this.#removeDirectory();
  }

  #sweepLater(): void {
    this.#sweepTimer = this.#options.clock.afterUnref(SWEEP_EVERY, () => {
      this.#records.sweep(Math.ceil(this.#records.size / SWEEP_PORTIONS) + 1);
      this.#sweepLater();
    });
  }

  #privatePath(): string {
    // `mkdtemp` makes it with mode 0700.
    this.#directory = mkdtempSync(join(tmpdir(), "eio-hub-"));
    return join(this.#directory, "hub.sock");
  }

  readonly #removeDirectory = (): void => {
    if (this.#directory === undefined) return;
    rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = undefined;
  };

  #onConnection(socket: Socket): void {
    this.stats.connections++;
    this.#connections.add(new HubConnection(socket, this.#hub));
  }

  #makeHub(records: HubRecords): Hub {
    const { stats } = this;
    return {
      clock: this.#options.clock,
      tick: new Tick(this.#options.clock),
      limits: this.#options.channel ?? CHANNEL_LIMITS,
      records,
      // Digests have one length, so that the comparison takes one time.
      isToken: (token) => timingSafeEqual(digest(token), this.#tokenDigest),
      onRefused: () => void stats.refused++,
      onBatch: () => void stats.batches++,
      onOperation: () => void stats.operations++,
      onFault: (error) => this.#onFault(error),
      onLease: (node, connection) => void this.#leases.set(node, connection),
      onRelease: (node) => void this.#leases.delete(node),
      join: (node, connection) => this.#join(node, connection),
      leave: (connection) => this.#leave(connection),
      send: (from, to, message) => this.#send(from, to, message),
      broadcast: (from, message) => this.#broadcast(from, message),
      onGone: (connection, reason) => this.#onGone(connection, reason),
    };
  }

  #join(node: NodeId, connection: HubConnection): boolean {
    const holder = this.#listeners.get(node);
    if (holder !== undefined && holder !== connection) return false;
    this.#leave(connection);
    connection.node = node;
    this.#listeners.set(node, connection);
    return true;
  }

  #leave(connection: HubConnection): void {
    if (connection.node === undefined) return;
    this.#listeners.delete(connection.node);
    connection.node = undefined;
  }

  #send(from: HubConnection, to: NodeId, message: Buffer): boolean {
    const listener = this.#listeners.get(to);
    if (listener?.open !== true) {
      this.stats.noResponder++;
      return false;
    }
    listener.talkers.add(from);
    this.#deliver(listener, message);
    return true;
  }

  #broadcast(from: HubConnection, message: Buffer): void {
    for (const listener of this.#listeners.values()) {
      if (listener !== from) this.#deliver(listener, message);
    }
  }

  #deliver(listener: HubConnection, message: Buffer): void {
    if (listener.deliver(message)) this.stats.passed++;
    else this.stats.dropped++;
  }

  #onGone(connection: HubConnection, reason: Error | undefined): void {
    this.stats.connections--;
    this.#connections.delete(connection);
    this.#tellTalkers(connection);
    this.#leave(connection);
    // The kernel closes the socket of a killed process at once: the survivors need not wait for the lease to run out.
    for (const [node, holder] of this.#leases) {
      if (holder !== connection) continue;
      this.#leases.delete(node);
      this.#records.release(node);
    }
    // A killed process can look like a reset connection: that is an end like any other.
    if (reason !== undefined && !isReset(reason)) this.#onFault(reason);
  }

  /**
   * What was sent to a killed worker shortly before may lie unread in its socket. Whoever talked to it learns now that
   * nobody listens, not only with its next message.
   */
  #tellTalkers(gone: HubConnection): void {
    const { node } = gone;
    for (const connection of this.#connections) {
      connection.talkers.delete(gone);
      if (node !== undefined && gone.talkers.has(connection)) connection.noResponder(node);
    }
  }

  #onFault(error: unknown): void {
    this.stats.faults++;
    this.#options.onError?.(error instanceof Error ? error : new Error(String(error)));
  }
}

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

function isReset(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ECONNRESET" || code === "EPIPE";
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
