import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { encodingOf, type Encoding } from "../protocol/encoding";
import type { Packet } from "../protocol/packet";
import type { Revision, TransportName } from "../protocol/names";

export type TransportState = "open" | "closing" | "closed";

/** Errors of a transport reach the `close` event of their socket as its description. */
export class TransportError extends Error {
  readonly type = "TransportError";
  readonly description: unknown;

  constructor(message: string, description?: unknown) {
    super(message);
    this.name = "TransportError";
    this.description = description;
  }
}

/**
 * Bytes to packets and back, for one session. Knows neither store nor cluster.
 *
 * Events: `packet(packet)`, `ready` (it became writable), `drain` (what was sent is with the runtime),
 * `error(TransportError)`, `close`.
 */
export abstract class Transport extends EventEmitter {
  abstract readonly name: TransportName;
  /** Revision of the Engine.IO protocol: 3 or 4. */
  readonly protocol: Revision;
  /** How its packets look on the wire. */
  readonly encoding: Encoding;
  /** The session that this transport carries; empty before the handshake is answered. */
  sid = "";
  readyState: TransportState = "open";
  /** Whether nobody cares any more for what still arrives here. */
  discarded = false;
  /** What a websocket is closed with (RFC 6455, 7.4), if anything. */
  closeCode: number | undefined;

  constructor(protocol: Revision, encoding: Encoding = encodingOf(protocol, false)) {
    super();
    this.protocol = protocol;
    this.encoding = encoding;
  }

  /** Whether `send` can be called now. */
  abstract get writable(): boolean;

  /** Whether a packet can be told from the next without a payload around both. */
  abstract get supportsFraming(): boolean;

  /** Sends packets; only while `writable`. The array belongs to the transport from now on. */
  abstract send(packets: readonly Packet[]): void;

  /** Takes a request that belongs to this transport. */
  abstract onRequest(request: IncomingMessage): void;

  /** Says that what still arrives on this transport is of no interest. */
  discard(): void {
    this.discarded = true;
  }

  /** Closes once; `done` is called when the other side can know. */
  close(done?: () => void): void {
    if (this.readyState !== "open") return;
    this.readyState = "closing";
    this.doClose(done ?? noop);
  }

  /** The session is another node's. A connection in this process's hands can only be closed. */
  abandon(): void {
    this.discard();
    this.close();
  }

  protected abstract doClose(done: () => void): void;

  onError(message: string, description?: unknown): void {
    if (this.listenerCount("error") === 0) return;
    this.emit("error", new TransportError(message, description));
  }

  onPacket(packet: Packet): void {
    this.emit("packet", packet);
  }

  onClose(): void {
    this.readyState = "closed";
    this.emit("close");
  }
}

function noop(): void {
  // Nobody waits for this close.
}
