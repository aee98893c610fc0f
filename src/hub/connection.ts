import type { Socket } from "node:net";
import type { Reader } from "../bus/frame";
import type { Clock, Timer } from "../time/clock";
import type { Tick } from "../time/tick";
import { readBytes, readText } from "./bytes";
import { Channel, type ChannelLimits, type ChannelOwner } from "./channel";
import { EntryKind, HELLO_BYTES, HUB_VERSION, readHello } from "./entries";
import type { HubRecords } from "./records-port";
import { StoreService, type StoreServiceEvents } from "./store-service";

/** How long a connection may take to say who it is. */
const HELLO_WITHIN = 5_000;

/** What one connection asks of the hub that it belongs to. */
export interface Hub extends Omit<StoreServiceEvents, "onLease" | "onRelease"> {
  readonly clock: Clock;
  readonly tick: Tick;
  readonly limits: ChannelLimits;
  readonly records: HubRecords;
  isToken(token: string): boolean;
  onRefused(): void;
  onBatch(): void;
  onOperation(): void;
  onLease(node: string, connection: HubConnection): void;
  onRelease(node: string): void;
  /** False where another connection has this name. */
  join(node: string, connection: HubConnection): boolean;
  leave(connection: HubConnection): void;
  /** False where nobody listens under this name. */
  send(from: HubConnection, to: string, message: Buffer): boolean;
  broadcast(from: HubConnection, message: Buffer): void;
  onGone(connection: HubConnection, reason: Error | undefined): void;
}

/** The primary's end of the socket of one worker. */
export class HubConnection implements ChannelOwner {
  readonly #hub: Hub;
  readonly #channel: Channel;
  readonly #service: StoreService;
  #trusted = false;
  readonly #helloTimer: Timer;
  /** The name under which this worker gets messages. */
  node: string | undefined;
  /** Who has sent to it: they are told when it is gone. */
  readonly talkers = new Set<HubConnection>();

  constructor(socket: Socket, hub: Hub) {
    this.#hub = hub;
    this.#channel = new Channel(socket, hub.tick, hub.limits, this, HELLO_BYTES);
    this.#service = new StoreService(hub.records, this.#channel, {
      onLease: (node) => hub.onLease(node, this),
      onRelease: (node) => hub.onRelease(node),
      onFault: (error) => hub.onFault(error),
    });
    this.#helloTimer = hub.clock.afterUnref(HELLO_WITHIN, () => this.#refuse("no token in time"));
  }

  get open(): boolean {
    return this.#channel.open;
  }

  onMessage(message: Reader): string | undefined {
    if (!this.#trusted) {
      this.#hello(message);
      return undefined;
    }
    this.#hub.onBatch();
    while (!message.done) {
      const kind = message.byte();
      this.#hub.onOperation();
      const understood = kind >= EntryKind.JOIN ? this.#serveBus(kind, message) : this.#service.serve(kind, message);
      if (!understood) return `an entry of kind ${kind} that cannot be read`;
    }
    return undefined;
  }

  onClosed(reason: Error | undefined): void {
    this.#helloTimer.stop();
    this.#hub.onGone(this, reason);
  }

  /** Hands over a message from another worker. False where so much waits for this one that it was dropped. */
  deliver(message: Buffer): boolean {
    if (this.#channel.congested) return false;
    this.#channel.begin(EntryKind.MESSAGE).bytes(message);
    return this.#channel.end();
  }

  noResponder(node: string): void {
    this.#channel.begin(EntryKind.NO_RESPONDER).text(node);
    this.#channel.end();
  }

  destroy(): void {
    this.#channel.destroy();
  }

  #hello(message: Reader): void {
    const hello = readHello(message);
    this.#helloTimer.stop();
    if (hello.kind === "version")
      this.#refuse(`the primary speaks version ${HUB_VERSION}, the worker ${hello.version}`);
    else if (hello.kind === "foreign" || !this.#hub.isToken(hello.token)) this.#refuse("wrong token");
    else {
      this.#trusted = true;
      this.#channel.trust();
      this.#channel.begin(EntryKind.WELCOME);
      this.#channel.end();
      this.#channel.flush();
    }
  }

  #refuse(why: string): void {
    this.#hub.onRefused();
    this.#channel.begin(EntryKind.REFUSED).text(why);
    this.#channel.end();
    this.#channel.finish();
  }

  #serveBus(kind: number, reader: Reader): boolean {
    switch (kind) {
      case EntryKind.SEND:
        return this.#send(reader);
      case EntryKind.BROADCAST: {
        const message = readBytes(reader);
        if (reader.failed) return false;
        this.#hub.broadcast(this, message);
        return true;
      }
      case EntryKind.JOIN: {
        const node = readText(reader);
        if (reader.failed) return false;
        this.#channel.begin(EntryKind.JOIN).byte(this.#hub.join(node, this) ? 1 : 0);
        return this.#channel.end();
      }
      case EntryKind.LEAVE:
        this.#hub.leave(this);
        this.#channel.begin(EntryKind.LEAVE);
        return this.#channel.end();
      default:
        return false;
    }
  }

  #send(reader: Reader): boolean {
    const to = readText(reader);
    const message = readBytes(reader);
    if (reader.failed) return false;
    if (!this.#hub.send(this, to, message)) this.noResponder(to);
    return true;
  }
}
