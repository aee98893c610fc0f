import type { Revision } from "../protocol/names";
import type { Packet } from "../protocol/packet";
import { Transport } from "./transport";

/** What is used of a websocket of the package `ws`. */
export interface WebSocketLike {
  on(event: "message", listener: (data: Buffer, isBinary: boolean) => void): unknown;
  on(event: "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  send(data: string | Uint8Array, sent?: (error?: Error | null) => void): void;
  send(data: string | Uint8Array, options: { compress?: boolean }, sent?: (error?: Error | null) => void): void;
  close(code?: number): void;
  pause(): void;
  resume(): void;
}

/** A websocket in this process's hands. One packet is one message: text, or for binary data a binary one. */
export class WebSocketTransport extends Transport {
  readonly name = "websocket";
  readonly supportsFraming = true;
  /** The websocket, of the package `ws`. */
  readonly socket: WebSocketLike;
  /** Messages below this size, in bytes, are not compressed; undefined where compression was not negotiated. */
  readonly #compressFrom: number | undefined;
  #writable = true;

  constructor(protocol: Revision, socket: WebSocketLike, compressFrom?: number) {
    super(protocol);
    this.socket = socket;
    this.#compressFrom = compressFrom;
    socket.on("message", this.#onMessage);
    socket.on("close", this.#onSocketClose);
    socket.on("error", this.#onSocketError);
  }

  override get writable(): boolean {
    return this.#writable;
  }

  override onRequest(): void {
    throw new Error("a websocket takes no further requests");
  }

  override send(packets: readonly Packet[]): void {
    this.#writable = false;
    const last = packets.length - 1;
    for (let i = 0; i <= last; i++) {
      const packet = packets[i];
      if (packet === undefined) continue;
      const message = this.encoding.encodeMessage(packet);
      const done = i === last ? this.#onSent : undefined;
      if (this.#compressFrom === undefined) this.socket.send(message, done);
      else this.socket.send(message, { compress: this.#compresses(packet, message) }, done);
    }
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
    this.onPacket(this.encoding.decodeMessage(isBinary ? data : data.toString("utf8")));
  };

  readonly #onSocketClose = (): void => {
    this.onClose();
  };

  readonly #onSocketError = (error: Error): void => {
    this.onError("websocket error", error);
  };

  protected override doClose(done: () => void): void {
    this.socket.close(this.closeCode);
    done();
  }
}
