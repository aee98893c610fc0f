import type { Revision } from "../protocol/names";
import type { Packet } from "../protocol/packet";
import { Transport, type TransportRequest } from "./transport";

/** What is used of a websocket of the package `ws`. */
export interface WebSocketLike {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  send(data: string | Uint8Array, sent?: (error?: Error | null) => void): void;
  send(data: string | Uint8Array, options: { compress?: boolean }, sent?: (error?: Error | null) => void): void;
  close(code?: number): void;
  /** Websockets of other engines than `ws` 8 may not have them. */
  pause?(): void;
  resume?(): void;
}

/** The sender of a websocket of the package `ws`, which takes frames that are made already. */
interface FrameSender {
  sendFrame(frame: readonly Buffer[], sent?: (error?: Error | null) => void): void;
}

/** The request that a websocket was made of, with the websocket. */
export interface WebSocketRequest extends TransportRequest {
  readonly websocket?: WebSocketLike | undefined;
}

/** Compression of messages: from which size on, in bytes. */
interface Deflate {
  readonly threshold?: number | undefined;
}

/** A websocket in this process's hands. One packet is one message: text, or for binary data a binary one. */
export class WebSocketTransport extends Transport {
  /** The websocket, of the package `ws`. */
  readonly socket: WebSocketLike;
  /** Messages below this size, in bytes, are not compressed; undefined where compression was not negotiated. */
  #compressFrom: number | undefined;
  #writable = true;

  /** Of a request that has its `websocket`, or of the protocol and the websocket. */
  constructor(from: Revision | WebSocketRequest, websocket?: WebSocketLike, compressFrom?: number) {
    super(from);
    const socket = websocket ?? (typeof from === "number" ? undefined : from.websocket);
    if (socket === undefined) throw new TypeError("the request has no websocket");
    this.socket = socket;
    this.#compressFrom = compressFrom;
    socket.on("message", this.#onMessage);
    socket.on("close", this.#onSocketClose);
    socket.on("error", this.#onSocketError);
  }

  override get name(): "websocket" {
    return "websocket";
  }

  override get writable(): boolean {
    return this.#writable;
  }

  override set writable(writable: boolean) {
    this.#writable = writable;
  }

  /** How messages are compressed; false where none is. */
  get perMessageDeflate(): false | { threshold: number } {
    return this.#compressFrom === undefined ? false : { threshold: this.#compressFrom };
  }

  set perMessageDeflate(deflate: boolean | Deflate | null | undefined) {
    if (deflate === true) this.#compressFrom = DEFAULT_THRESHOLD;
    else if (typeof deflate === "object" && deflate !== null)
      this.#compressFrom = deflate.threshold ?? DEFAULT_THRESHOLD;
    else this.#compressFrom = undefined;
  }

  override send(packets: readonly Packet[]): void {
    this.#writable = false;
    const last = packets.length - 1;
    for (let i = 0; i <= last; i++) {
      const packet = packets[i];
      if (packet === undefined) continue;
      const done = i === last ? this.#onSent : undefined;
      if (this.#compressFrom === undefined) {
        const frame = packet.options?.wsPreEncodedFrame;
        if (frame === undefined || !this.#sendFrame(frame, done))
          this.socket.send(this.encoding.encodeMessage(packet), done);
      } else {
        const message = this.encoding.encodeMessage(packet);
        this.socket.send(message, { compress: this.#compresses(packet, message) }, done);
      }
    }
  }

  /** Sends a frame that is made already; false where the websocket's package takes none. */
  #sendFrame(frame: readonly Buffer[], done: ((error?: Error | null) => void) | undefined): boolean {
    const sender = (this.socket as { _sender?: Partial<FrameSender> })._sender;
    if (typeof sender?.sendFrame !== "function") return false;
    sender.sendFrame(frame, done);
    return true;
  }

  #compresses(packet: Packet, message: string | Buffer): boolean {
    const length = typeof message === "string" ? Buffer.byteLength(message) : message.length;
    return packet.options?.compress !== false && length >= (this.#compressFrom ?? 0);
  }

  readonly #onSent = (error?: Error | null): void => {
    if (error !== undefined && error !== null) {
      this.onError("write error", error);
      return;
    }
    // Writable before the listeners run: what they send goes out now.
    this.#writable = true;
    this.emit("drain");
    this.emit("ready");
  };

  readonly #onMessage = (data: Buffer, isBinary: boolean): void => {
    this.onData(isBinary ? data : data.toString("utf8"));
  };

  readonly #onSocketClose = (): void => {
    this.onClose();
  };

  readonly #onSocketError = (error: Error): void => {
    this.onError("websocket error", error);
  };

  override doClose(done: () => void): void {
    this.socket.close(this.closeCode);
    done();
  }
}

/** In bytes: as the package ws has it. */
const DEFAULT_THRESHOLD = 1024;
