import { connect as connectSocket, type Socket } from "node:net";
import type { Reader } from "../bus/frame";
import { rethrow } from "../bus/rethrow";
import type { Clock, Timer } from "../time/clock";
import type { Tick } from "../time/tick";
import { readText } from "./bytes";
import { Channel, CHANNEL_LIMITS, type ChannelLimits, type ChannelOwner } from "./channel";
import { EntryKind, isBusKind, writeHello } from "./entries";
import { HUB_PATH_VARIABLE, HUB_TOKEN_VARIABLE, type HubAddress } from "./environment";

/** How long the primary may take to answer the first word, and to take the last. */
const GREETED_WITHIN = 5_000;
const FINISHED_WITHIN = 1_000;

export interface HubClientOptions extends HubAddress {
  readonly clock: Clock;
  readonly tick: Tick;
  readonly limits?: ChannelLimits;
  /**
   * The primary is gone, and with it all records and all messages under way: a worker can only end. Not called for
   * one's own `close`.
   */
  readonly onLost?: (reason: Error) => void;
}

/** The hub cannot be reached any more, by this process: it can only end. */
export class HubLostError extends Error {
  constructor(reason: Error) {
    super(`the connection to the primary is lost, and this worker can only end: ${reason.message}`, { cause: reason });
    this.name = "HubLostError";
  }
}

/** The half of the channel's entries that belong to the store, or to the bus. */
export interface ClientPart {
  /** False where the entry is not understood. All of it is read before anyone else's code is called. */
  serve(kind: number, reader: Reader): boolean;
  /** The channel is over. */
  onLost(): void;
}

/** A worker's one connection to the primary, over which its store and its bus speak. */
export class HubClient implements ChannelOwner {
  readonly clock: Clock;
  readonly tick: Tick;
  readonly channel: Channel;
  readonly #options: HubClientOptions;
  #store: ClientPart | undefined;
  #bus: ClientPart | undefined;
  #greeting: { resolve: (client: HubClient) => void; reject: (error: Error) => void; timer: Timer } | undefined;
  /** The parts that have not been closed. */
  readonly #using = new Set<ClientPart>();
  #closing = false;
  #closed = false;
  #onClosed: (() => void)[] = [];

  /** Rejects with an error that says what to set where nobody answers, or the token is refused. */
  static connect(options: HubClientOptions): Promise<HubClient> {
    return new Promise((resolve, reject) => {
      new HubClient(options).#greet(connectFailed(options, reject), resolve);
    });
  }

  private constructor(options: HubClientOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.tick = options.tick;
    const socket: Socket = connectSocket(options.path);
    this.channel = new Channel(socket, options.tick, options.limits ?? CHANNEL_LIMITS, this);
  }

  get connected(): boolean {
    return this.channel.open;
  }

  attachStore(store: ClientPart): void {
    if (this.#store !== undefined) throw new Error("a hub client carries one store");
    this.#store = store;
    this.#using.add(store);
  }

  attachBus(bus: ClientPart): void {
    if (this.#bus !== undefined) throw new Error("a hub client carries one bus");
    this.#bus = bus;
    this.#using.add(bus);
  }

  /**
   * A part has been closed for good. When no other is left the connection ends: whoever closes store and bus need not
   * know that they share something, and their process can exit.
   */
  done(part: ClientPart): Promise<void> {
    this.#using.delete(part);
    return this.#using.size === 0 ? this.close() : Promise.resolve();
  }

  /** Sends what is still to be sent, then ends the connection. What is under way is answered `away`. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onClosed.push(resolve);
      if (this.#closing) return;
      this.#closing = true;
      this.channel.finish();
      // A primary that stands still takes nothing more; our end must not wait for it.
      const timer = this.clock.afterUnref(FINISHED_WITHIN, () => this.channel.destroy());
      this.#onClosed.push(() => timer.stop());
    });
  }

  onMessage(message: Reader): string | undefined {
    if (this.#greeting !== undefined) return this.#greeted(message);
    while (!message.done) {
      const kind = message.byte();
      const part = isBusKind(kind) ? this.#bus : this.#store;
      let understood: boolean;
      try {
        understood = part?.serve(kind, message) ?? false;
      } catch (error) {
        // Thrown by somebody's waiter or listener, after the entry was read: the others get theirs all the same.
        understood = true;
        rethrow(error);
      }
      if (!understood) return `an entry of kind ${kind} from the primary that cannot be read`;
    }
    return undefined;
  }

  onClosed(reason: Error | undefined): void {
    this.#closed = true;
    const lost = reason ?? new Error("the primary has closed the connection");
    this.#failGreeting(lost);
    guarded(() => this.#store?.onLost());
    guarded(() => this.#bus?.onLost());
    for (const done of this.#onClosed.splice(0)) done();
    if (!this.#closing) guarded(() => this.#options.onLost?.(lost));
  }

  #greet(reject: (error: Error) => void, resolve: (client: HubClient) => void): void {
    const timer = this.clock.after(GREETED_WITHIN, () => this.channel.destroy(new Error("no answer in time")));
    this.#greeting = { resolve, reject, timer };
    writeHello(this.channel.begin(EntryKind.HELLO), this.#options.token);
    this.channel.end();
    this.channel.flush();
  }

  #greeted(message: Reader): string | undefined {
    const greeting = this.#greeting;
    const kind = message.byte();
    if (kind === EntryKind.REFUSED) return readText(message);
    if (kind !== EntryKind.WELCOME || greeting === undefined) return "this is not a hub of engine.io-cluster";
    this.#greeting = undefined;
    greeting.timer.stop();
    greeting.resolve(this);
    return undefined;
  }

  #failGreeting(reason: Error): void {
    const greeting = this.#greeting;
    if (greeting === undefined) return;
    this.#greeting = undefined;
    greeting.timer.stop();
    // Its caller learns it by the promise.
    this.#closing = true;
    greeting.reject(reason);
  }
}

function connectFailed(options: HubAddress, reject: (error: Error) => void): (error: Error) => void {
  return (cause) => {
    const where = `${HUB_PATH_VARIABLE} and ${HUB_TOKEN_VARIABLE} must be those that the primary gives to its workers`;
    reject(new Error(`cannot join the hub of the primary at ${options.path}: ${cause.message}; ${where}`, { cause }));
  };
}

function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    rethrow(error);
  }
}
