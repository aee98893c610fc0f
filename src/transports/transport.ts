import { EventEmitter } from "node:events";
import { encodingOf, type Encoding } from "../protocol/encoding";
import type { Packet, RawData } from "../protocol/packet";
import type { Revision } from "../protocol/names";
import { toBuffer } from "../protocol/packet";
import * as parser3 from "../protocol/parser3";
import * as parser4 from "../protocol/parser4";

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

/** What a transport can be made of: a request of its session, as far as it says how packets look. */
export interface TransportRequest {
  readonly _query: Readonly<Record<string, string>>;
}

/** The protocol that a query asks for. */
export function revisionIn(query: Readonly<Record<string, string | undefined>>): Revision {
  return query["EIO"] === "4" ? 4 : 3;
}

/**
 * Bytes to packets and back, for one session. Knows neither store nor cluster.
 *
 * Events: `packet(packet)`, `ready` (it became writable), `drain` (what was sent is with the runtime),
 * `error(TransportError)`, `close`, and see `asksForRelease`.
 */
export abstract class Transport extends EventEmitter {
  /** Names of the transports that a session may go over to from this one. */
  static upgradesTo: string[] = [];
  abstract get name(): string;
  /** Revision of the Engine.IO protocol: 3 or 4. */
  readonly protocol: Revision;
  /** How its packets look on the wire. */
  encoding: Encoding;
  /** The session that this transport carries; empty before the handshake is answered. */
  sid = "";
  readyState: TransportState = "open";
  /** Whether nobody cares any more for what still arrives here. */
  discarded = false;
  /** What a websocket is closed with (RFC 6455, 7.4), if anything. */
  closeCode: number | undefined;
  /** @internal Whether its connection is another process's, and can go on at the node that has the session next. */
  readonly canMove: boolean = false;
  /** @internal Whether it emits `release` where the session's poll is to be let go for an upgrade (U7). */
  readonly asksForRelease: boolean = false;

  /** From a request, or from what it says: the protocol, and how packets look where that is not by the protocol alone. */
  constructor(from: Revision | TransportRequest, encoding?: Encoding) {
    super();
    const protocol = typeof from === "number" ? from : revisionIn(from._query);
    this.protocol = protocol;
    this.encoding = encoding ?? encodingOf(protocol, typeof from !== "number" && Boolean(from._query["b64"]));
  }

  /** Whether `send` can be called now. */
  abstract writable: boolean;

  /** Whether a packet can be told from the next without a payload around both. */
  get supportsFraming(): boolean {
    return this.handlesUpgrades;
  }

  /** Whether its connections come by requests to change the protocol. */
  get handlesUpgrades(): boolean {
    return this.name === "websocket";
  }

  /** The same as `readyState`. */
  get _readyState(): TransportState {
    return this.readyState;
  }

  set _readyState(state: TransportState) {
    this.readyState = state;
  }

  /** The parser of its protocol. */
  get parser(): typeof parser3 | typeof parser4 {
    return this.protocol === 4 ? parser4 : parser3;
  }

  /** Whether the other side takes binary data as it is; set it to false for base64. */
  get supportsBinary(): boolean {
    return !this.encoding.base64;
  }

  set supportsBinary(supported: boolean) {
    if (supported === this.encoding.base64) this.encoding = encodingOf(this.protocol, !supported);
  }

  /** Sends packets; only while `writable`. The array belongs to the transport from now on. */
  abstract send(packets: readonly Packet[]): void;

  /** Takes a request that belongs to this transport; one that takes none has nothing to do with it. */
  onRequest(_request: unknown): void {
    // A websocket's only request is the one that it was made of.
  }

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

  abstract doClose(done: () => void): void;

  onError(message: string, description?: unknown): void {
    if (this.listenerCount("error") === 0) return;
    this.emit("error", new TransportError(message, description));
  }

  onPacket(packet: Packet): void {
    this.emit("packet", packet);
  }

  /** Takes what arrived: one packet as it looks on the wire. */
  onData(data: RawData): void {
    this.onPacket(this.encoding.decodeMessage(typeof data === "string" ? data : toBuffer(data)));
  }

  onClose(): void {
    this.readyState = "closed";
    this.emit("close");
  }
}

function noop(): void {
  // Nobody waits for this close.
}
