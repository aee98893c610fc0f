import type { Revision } from "../protocol/names";
import type { Packet } from "../protocol/packet";
import { Transport } from "./transport";

/** The way to the node that has the websocket in its hands. */
export interface RelayPipe {
  /**
   * Whether so much is under way to that node, for all its websockets, that nothing more is to be said to it now. Whoever was told so
   * is told when to ask again: `RelayedTransport.resume`.
   */
  readonly congested: boolean;
  /** Numbered and in order; lost only with the whole. */
  send(message: string | Buffer, compress: boolean): void;
  /** The websocket is to be closed, with this code if there is one. */
  close(code?: number): void;
  /** This node does not own the session any more: whoever does may go on. */
  leave(): void;
}

/**
 * A websocket that another node, the gateway, holds. Takes no more while `limit` bytes are not yet with the gateway's
 * runtime, nor while the way to the gateway is full: what waits then waits in the socket's buffer, which has a limit of its own.
 */
export class RelayedTransport extends Transport {
  override readonly canMove = true;
  override readonly asksForRelease: boolean;
  readonly #pipe: RelayPipe;
  readonly #limit: number;
  #sent = 0;
  #written = 0;

  /** `asksForRelease`: whether its gateway does, which one of an older version does not. */
  constructor(protocol: Revision, pipe: RelayPipe, limit: number, asksForRelease = true) {
    super(protocol);
    this.asksForRelease = asksForRelease;
    this.#pipe = pipe;
    this.#limit = limit;
  }

  override get name(): "websocket" {
    return "websocket";
  }

  override get writable(): boolean {
    return this.readyState === "open" && !this.#isFull && !this.#pipe.congested;
  }

  override set writable(_writable: boolean) {
    throw new Error("whether a relayed websocket can be written to is its gateway's to say");
  }

  get #isFull(): boolean {
    return this.#sent - this.#written >= this.#limit;
  }

  override send(packets: readonly Packet[]): void {
    for (const packet of packets) {
      const message = this.encoding.encodeMessage(packet);
      this.#sent += message.length;
      this.#pipe.send(message, packet.options?.compress !== false);
    }
    this.emit("drain");
  }

  /** A message of the client. */
  onMessage(message: string | Uint8Array): void {
    // A copy: the bytes are part of a larger message from the gateway.
    this.onPacket(this.encoding.decodeMessage(typeof message === "string" ? message : Buffer.from(message)));
  }

  /** The gateway's runtime has taken so much, in all. */
  onWritten(total: number): void {
    const waited = this.#isFull;
    this.#written = Math.max(this.#written, total);
    if (waited) this.resume();
  }

  /** Goes on, if nothing else is in its way. */
  resume(): void {
    if (!this.writable) return;
    // As of a websocket in this process's hands: whoever waits for either of them may go on.
    this.emit("drain");
    this.emit("ready");
  }

  override doClose(done: () => void): void {
    this.#pipe.close(this.closeCode);
    done();
    this.onClose();
  }

  override abandon(): void {
    if (this.readyState !== "open") return;
    this.readyState = "closed";
    this.#pipe.leave();
  }
}
