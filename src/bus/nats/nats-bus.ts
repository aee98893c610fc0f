import {
  DebugEvents,
  ErrorCode,
  Events,
  NatsError,
  type ConnectionOptions,
  type Msg,
  type NatsConnection,
  type Status,
  type Subscription,
} from "nats";
import type { NodeId } from "../../store/port";
import type { Clock } from "../../time/clock";
import { pause } from "../../time/pause";
import { runtimeClock } from "../../time/runtime-clock";
import { within } from "../../time/within";
import type { Bus, BusListener } from "../port";
import { rethrow } from "../rethrow";
import { isAway } from "./away";
import { Backlog } from "./backlog";
import { Dial } from "./dial";
import { inspectServer } from "./inspect";
import { Reports } from "./reports";
import { connectBy, dialsOf, learn, NOTHING_KNOWN } from "./servers";
import { Subjects } from "./subjects";
import { connectionOptions, isConnection, tryPause, type NatsTarget } from "./target";

export interface NatsBusOptions {
  readonly nats: NatsTarget;
  /** All subjects begin with it; clusters that share a NATS have different ones. */
  readonly prefix: string;
  /** Told of what needs a human: refused credentials or permissions, a connection closed for good. */
  readonly onError?: (error: Error) => void;
  readonly clock?: Clock;
  /** Milliseconds for which `join` waits for a server that is not there. Default: Infinity, as one waits for the store. */
  readonly joinTimeout?: number;
  /** Milliseconds that a server has to take this node in, each time that it is dialled. Default: 10,000. */
  readonly dialTimeout?: number;
  /** Bytes that may be under way to the server; what is sent beyond is dropped. */
  readonly maxPendingBytes?: number;
}

const DIAL_TIMEOUT = 10_000;
const MAX_PENDING_BYTES = 64 * 1024 * 1024;
const LEAVE_TIMEOUT = 2000;
const JOIN = "this node cannot join NATS";
const LEFT = "it was told to leave meanwhile";

/**
 * The bus over NATS. Never waits, and keeps nothing for later: what is sent while there is no connection is dropped, as it may be at
 * any other time.
 */
export class NatsBus implements Bus {
  readonly #subjects: Subjects;
  /** Messages that were not sent, since the server does not keep up. */
  readonly stats = { dropped: 0 };
  readonly #options: ConnectionOptions;
  readonly #borrowed: NatsConnection | undefined;
  readonly #reports: Reports;
  readonly #clock: Clock;
  readonly #joinTimeout: number;
  readonly #dialTimeout: number;
  readonly #backlog: Backlog;
  #beatOptions = { reply: "" };
  #connection: NatsConnection | undefined;
  /** What made it; none of a borrowed one. */
  #dial: Dial<NatsConnection> | undefined;
  #subscriptions: Subscription[] = [];
  #refused: Error | undefined;
  #statuses: Statuses | undefined;
  #listener: BusListener | undefined;
  #connected = false;
  #joined = false;
  #leaving: Promise<void> | undefined;
  #stopDialling: ((reason: Error) => void) | undefined;
  #maxMessageBytes = 0;
  #known = NOTHING_KNOWN;
  /** Dials that failed since it was connected last. */
  #failures = 0;

  constructor(options: NatsBusOptions) {
    this.#subjects = new Subjects(options.prefix);
    this.#borrowed = isConnection(options.nats) ? options.nats : undefined;
    this.#options = isConnection(options.nats)
      ? { servers: options.nats.getServer() }
      : connectionOptions(options.nats, options.prefix);
    this.#reports = new Reports(this.#options, this.#subjects.permission, options.onError ?? (() => undefined));
    this.#clock = options.clock ?? runtimeClock;
    this.#joinTimeout = options.joinTimeout ?? Infinity;
    this.#dialTimeout = options.dialTimeout ?? DIAL_TIMEOUT;
    this.#backlog = new Backlog(options.maxPendingBytes ?? MAX_PENDING_BYTES);
  }

  get maxMessageBytes(): number {
    return this.#maxMessageBytes;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Milliseconds to the server and back. */
  roundTrip(): Promise<number> | undefined {
    return this.#connected ? this.#connection?.rtt() : undefined;
  }

  async join(node: NodeId, listener: BusListener): Promise<void> {
    if (this.#joined) throw new Error("this bus has joined already");
    this.#joined = true;
    this.#subjects.own(node);
    this.#beatOptions = { reply: this.#subjects.beatReply };
    this.#listener = listener;
    const until = this.#clock.now() + this.#joinTimeout;
    try {
      await this.#reach(JOIN, (error) => this.#borrowed === undefined && isAway(error) && this.#clock.now() < until);
    } catch (error) {
      await this.leave();
      throw this.#reports.explain(JOIN, error);
    }
    this.#reports.reset();
  }

  send(to: NodeId, message: Uint8Array): void {
    const { subject, options } = this.#subjects.address(to);
    this.#publish(subject, message, options);
  }

  broadcast(message: Uint8Array): void {
    this.#publish(this.#subjects.beat, message, this.#beatOptions);
  }

  leave(): Promise<void> {
    return (this.#leaving ??= this.#leave());
  }

  #publish(subject: string, message: Uint8Array, options: { readonly reply: string }): void {
    const connection = this.#connection;
    // While it is away the client would keep some messages and throw others away, by the moment: none is clearer.
    if (!this.#connected || connection === undefined || this.#leaving !== undefined) return;
    if (message.byteLength > this.#maxMessageBytes)
      throw new RangeError(`a message of ${message.byteLength} bytes, where ${this.#maxMessageBytes} are the limit`);
    if (!this.#backlog.take(connection, message.byteLength)) {
      this.stats.dropped++;
      this.#reports.backlog();
      return;
    }
    try {
      // The client copies the payload in the next microtask: into the one buffer that it writes.
      connection.publish(subject, message, options);
    } catch {
      // It closed, or drains, a moment ago: the message is lost, and its status will say so.
    }
  }

  // ------------------------------------------------------------------ connecting

  async #open(): Promise<NatsConnection> {
    if (this.#borrowed !== undefined) return this.#borrowed;
    const dial = new Dial(() => connectBy(dialsOf(this.#options, this.#known, this.#failures)));
    this.#dial = dial;
    const dialled = dial.result;
    const left = new Promise<never>((_, reject) => (this.#stopDialling = reject));
    try {
      return await within(this.#clock, this.#dialTimeout, Promise.race([dialled, left]));
    } catch (error) {
      dial.end();
      // It may have come at the same moment, when nobody waits for it any more.
      void dialled.then((late) => late.close()).catch(() => undefined);
      throw error;
    }
  }

  /** Resolves when this node's subscriptions are in place at the server. */
  async #enter(connection: NatsConnection): Promise<void> {
    this.#connection = connection;
    if (this.#leaving !== undefined) {
      await this.#discard();
      throw new Error(LEFT);
    }
    inspectServer(connection.info);
    this.#refused = undefined;
    const subscribe = (subject: string, run: (message: Msg) => void): Subscription =>
      connection.subscribe(subject, {
        callback: (error, message) => {
          if (error === null) run(message);
          else {
            // The client forgets a refused subscription: from here on this node would be deaf, and not well.
            this.#refused = error;
            this.#connected = false;
            // One that was in force and was taken away, as when the server reads its configuration anew: it may be given back.
            if (this.#statuses !== undefined) this.#replace(connection);
          }
        },
      });
    this.#subscriptions = [
      subscribe(this.#subjects.node, this.#onDirect),
      subscribe(this.#subjects.beat, this.#onBroadcast),
      subscribe(this.#subjects.noResponders, this.#onNoResponders),
    ];
    await within(this.#clock, this.#dialTimeout, Promise.race([connection.flush(), broken(connection)]));
    // The server refuses a subscription before it answers the flush.
    this.#throwIfRefused();
    // Not before: until here `#reach` sees to a connection that breaks.
    this.#watch(connection);
    this.#up(connection);
  }

  #throwIfRefused(): void {
    if (this.#refused !== undefined) throw this.#refused;
  }

  #up(connection: NatsConnection): void {
    // A little below the limit: servers on the way may add headers of their own to what they pass on.
    const payload = connection.info?.max_payload ?? this.#maxMessageBytes;
    this.#maxMessageBytes = payload - Math.min(1024, payload >> 4);
    this.#known = learn(this.#known, connection);
    this.#failures = 0;
    this.#backlog.reset();
    this.#connected = true;
  }

  #replace(dead: NatsConnection): void {
    if (dead !== this.#connection || this.#isLeaving()) return;
    this.#connected = false;
    void this.#redial().catch((error: unknown) => {
      this.#reports.tell("this node has lost NATS", error);
    });
  }

  /**
   * In place of the client's own tries. It leaves the connection of each of them behind that a server takes and says nothing to:
   * with one that stands still for an hour they were hundreds.
   */
  async #redial(): Promise<void> {
    await this.#discard();
    try {
      await this.#reach("this node cannot reach NATS again", () => this.#borrowed?.isClosed() !== true);
    } catch (error) {
      if (this.#isLeaving()) return;
      throw error;
    }
    this.#tellReconnected();
  }

  /** Dials again and again while that may help, and says once why: `what` cannot be done. */
  async #reach(what: string, mayHelp: (error: unknown) => boolean): Promise<void> {
    while (!this.#isLeaving()) {
      try {
        await this.#enter(await this.#open());
        return;
      } catch (error) {
        if (this.#isLeaving() || !mayHelp(error)) throw error;
        this.#failures++;
        this.#reports.unreachable(what, error);
        await this.#discard();
        await pause(this.#clock, tryPause(this.#options, this.#clock.random()));
      }
    }
    throw new Error(LEFT);
  }

  /** Asked again after each wait. */
  #isLeaving(): boolean {
    return this.#leaving !== undefined;
  }

  /**
   * The client waits for its last write before it closes a connection. With much unsent, to a server that is frozen or cut off
   * without a word, that takes as long as the kernel tries: many minutes. Its socket is taken away meanwhile.
   */
  async #discard(): Promise<void> {
    const connection = this.#connection;
    // A borrowed one stays, and would go on with them beside the next ones.
    if (this.#borrowed !== undefined) this.#unsubscribe();
    this.#unwatch();
    this.#connection = undefined;
    const closed = this.#borrowed === undefined ? connection?.close() : undefined;
    this.#dial?.end();
    this.#dial = undefined;
    await closed;
  }

  // ------------------------------------------------------------------ what the client tells

  #watch(connection: NatsConnection): void {
    this.#statuses = connection.status() as Statuses;
    void this.#readStatuses(connection, this.#statuses).catch((error: unknown) => {
      this.#reports.tell("the status of the connection to NATS is unknown", error);
    });
    void connection.closed().then((error) => {
      this.#onClosed(connection, error);
    });
  }

  #unsubscribe(): void {
    for (const subscription of this.#subscriptions)
      if (this.#connection?.isClosed() === false) subscription.unsubscribe();
  }

  #unwatch(): void {
    // Its type does not show it, but without it the connection keeps the iterator for as long as it lives.
    this.#statuses?.stop?.();
    this.#statuses = undefined;
    this.#subscriptions = [];
  }

  async #readStatuses(connection: NatsConnection, statuses: Statuses): Promise<void> {
    for await (const status of statuses) {
      if (connection !== this.#connection || this.#leaving !== undefined) return;
      this.#onStatus(connection, status);
    }
  }

  #onStatus(connection: NatsConnection, status: Status): void {
    switch (status.type) {
      case DebugEvents.StaleConnection:
      case Events.Disconnect:
        this.#connected = false;
        if (this.#borrowed === undefined) this.#replace(connection);
        break;
      case Events.Update:
        this.#known = learn(this.#known, connection);
        break;
      case Events.Reconnect:
        // Only of a borrowed one.
        this.#back(connection);
        break;
      case Events.Error:
        if (status.permissionContext !== undefined) this.#onForbidden(status.permissionContext);
        break;
      default:
    }
  }

  /** The client has sent the subscriptions again; others reach this node only when the server has read them. */
  #back(connection: NatsConnection): void {
    connection.flush().then(
      () => {
        if (connection !== this.#connection || this.#refused !== undefined || this.#isLeaving()) return;
        this.#up(connection);
        this.#tellReconnected();
      },
      // It broke again meanwhile: the next reconnect says so.
      () => undefined,
    );
  }

  #tellReconnected(): void {
    this.#reports.reset();
    try {
      this.#listener?.onReconnected();
    } catch (error) {
      rethrow(error);
    }
  }

  #onForbidden(context: { operation: string; subject: string }): void {
    // On a borrowed connection there are others' subjects too.
    if (this.#subjects.owns(context.subject)) this.#reports.forbidden(context);
  }

  #onClosed(connection: NatsConnection, error: unknown): void {
    if (this.#borrowed === undefined) this.#replace(connection);
    else if (this.#leaving === undefined) {
      this.#connected = false;
      this.#reports.tell("the connection to NATS is closed for good", error ?? new Error("it was closed by its owner"));
    }
  }

  // ------------------------------------------------------------------ messages

  readonly #onDirect = (message: Msg): void => {
    try {
      this.#listener?.onMessage(message.data);
    } catch (error) {
      rethrow(error);
    }
  };

  readonly #onBroadcast = (message: Msg): void => {
    if (message.reply !== this.#beatOptions.reply) this.#onDirect(message);
  };

  readonly #onNoResponders = (message: Msg): void => {
    if (message.headers?.code !== 503) return;
    try {
      this.#listener?.onNoResponder(this.#subjects.target(message.subject));
    } catch (error) {
      rethrow(error);
    }
  };

  // ------------------------------------------------------------------ leaving

  async #leave(): Promise<void> {
    const connection = this.#connection;
    const wasConnected = this.#connected;
    this.#connected = false;
    this.#stopDialling?.(new Error(LEFT));
    this.#listener = undefined;
    this.#unsubscribe();
    this.#unwatch();
    if (connection === undefined || connection.isClosed()) return;
    try {
      // Draining and flushing wait for the server, without a limit of their own.
      if (wasConnected)
        await within(
          this.#clock,
          LEAVE_TIMEOUT,
          this.#borrowed === undefined ? connection.drain() : connection.flush(),
        );
    } catch {
      // It went away just now: there is nothing left to be sent.
    }
    await this.#discard();
  }
}

type Statuses = AsyncIterable<Status> & { stop?: () => void };

/** Rejects when the connection ends: the client leaves a flush unanswered that it can no longer make. */
async function broken(connection: NatsConnection): Promise<never> {
  const error = await connection.closed();
  throw error instanceof Error ? error : NatsError.errorForCode(ErrorCode.Disconnect);
}
