import type { Reader } from "../frame";
import { readBytes, readText } from "../../hub/bytes";
import type { Channel } from "../../hub/channel";
import type { ClientPart, HubClient } from "../../hub/client";
import { EntryKind } from "../../hub/entries";
import type { NodeId } from "../../store/port";
import type { Bus, BusListener } from "../port";

/** Well below the channel's limit, so that one message does not hold up the answers of the store behind it for long. */
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
/** How long the primary may take to answer the last word. */
const LEFT_WITHIN = 1_000;

/**
 * The bus of a worker: messages are entries of the tick's message to the primary, which passes them on.
 *
 * The primary knows who is connected, so "nobody listens" is certain and comes at once. `onReconnected` never
 * comes: when this connection ends, the primary is gone and all ends.
 */
export class HubBus implements Bus, ClientPart {
  readonly maxMessageBytes = MAX_MESSAGE_BYTES;
  /** Messages that were not sent because the primary left too much unread. */
  readonly stats = { dropped: 0 };
  readonly #client: HubClient;
  readonly #channel: Channel;
  #listener: BusListener | undefined;
  #joining: { resolve: () => void; reject: (error: Error) => void; node: NodeId } | undefined;
  #joined: NodeId | undefined;
  #leaving: (() => void) | undefined;

  constructor(client: HubClient) {
    this.#client = client;
    this.#channel = client.channel;
    client.attachBus(this);
  }

  get connected(): boolean {
    return this.#joined !== undefined && this.#channel.open;
  }

  join(node: NodeId, listener: BusListener): Promise<void> {
    if (this.#listener !== undefined) return Promise.reject(new Error("this bus has been joined already"));
    if (!this.#channel.open)
      return Promise.reject(new Error("the connection to the primary is closed: connect a new hub client"));
    this.#listener = listener;
    return new Promise((resolve, reject) => {
      this.#joining = { resolve, reject, node };
      this.#channel.begin(EntryKind.JOIN).text(node);
      this.#channel.end();
    });
  }

  send(to: NodeId, message: Uint8Array): void {
    this.#checkSize(message);
    if (!this.#sends()) return;
    const out = this.#channel.begin(EntryKind.SEND);
    out.text(to);
    out.bytes(message);
    this.#channel.end();
  }

  broadcast(message: Uint8Array): void {
    this.#checkSize(message);
    if (!this.#sends()) return;
    this.#channel.begin(EntryKind.BROADCAST).bytes(message);
    this.#channel.end();
  }

  /**
   * Resolves when the primary has taken what was sent, and passes nothing on to this node any more. The connection to
   * the primary ends with it, unless a store still uses it.
   */
  async leave(): Promise<void> {
    const listening = this.#listener !== undefined;
    this.#joining?.reject(new Error("left before the primary answered"));
    this.#forget();
    if (listening && this.#channel.open) await this.#left();
    await this.#client.done(this);
  }

  serve(kind: number, reader: Reader): boolean {
    switch (kind) {
      case EntryKind.MESSAGE: {
        const message = readBytes(reader);
        if (reader.failed) return false;
        this.#listener?.onMessage(message);
        return true;
      }
      case EntryKind.NO_RESPONDER: {
        const node = readText(reader);
        if (reader.failed) return false;
        this.#listener?.onNoResponder(node);
        return true;
      }
      case EntryKind.JOIN:
        return this.#onJoin(reader.byte() === 1);
      case EntryKind.LEAVE:
        this.#leaving?.();
        this.#leaving = undefined;
        return true;
      default:
        return false;
    }
  }

  onLost(): void {
    const joining = this.#joining;
    this.#forget();
    joining?.reject(new Error("the connection to the primary was lost"));
    this.#leaving?.();
    this.#leaving = undefined;
  }

  #onJoin(accepted: boolean): boolean {
    const joining = this.#joining;
    // Left meanwhile.
    if (joining === undefined) return true;
    this.#joining = undefined;
    if (accepted) {
      this.#joined = joining.node;
      joining.resolve();
    } else {
      this.#listener = undefined;
      joining.reject(
        new Error(`another process has joined as ${joining.node}: each start of a process needs an id of its own`),
      );
    }
    return true;
  }

  #left(): Promise<void> {
    return new Promise((resolve) => {
      // A primary that stands still must not keep this process from its end.
      const timer = this.#client.clock.afterUnref(LEFT_WITHIN, resolve);
      this.#leaving = () => {
        timer.stop();
        resolve();
      };
      this.#channel.begin(EntryKind.LEAVE);
      this.#channel.end();
    });
  }

  #forget(): void {
    this.#joining = undefined;
    this.#joined = undefined;
    this.#listener = undefined;
  }

  #sends(): boolean {
    if (this.#joined === undefined) return false;
    if (!this.#channel.congested) return true;
    this.stats.dropped++;
    return false;
  }

  #checkSize(message: Uint8Array): void {
    if (message.byteLength <= MAX_MESSAGE_BYTES) return;
    throw new RangeError(`a message of ${message.byteLength} bytes, where ${MAX_MESSAGE_BYTES} is the limit`);
  }
}
