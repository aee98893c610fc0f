import type { Transport } from "../transports/transport";
import type { Journal } from "./journal";
import type { Socket } from "./socket";

/**
 * The journal whose answer is there on return: what is sent leaves inside the call, if the transport can take it. No
 * turn object, no store, no extra tick.
 */
export class DirectJournal implements Journal {
  readonly #socket: Socket;
  readonly #transport: Transport;
  /** What listeners and callbacks send meanwhile goes out behind it: one inside the other they would fill the stack. */
  #sending = false;

  constructor(socket: Socket, transport: Transport) {
    this.#socket = socket;
    this.#transport = transport;
    transport.on("packet", this.#onPacket);
    transport.on("ready", this.#onReady);
    transport.on("drain", this.#onDrain);
    transport.on("error", this.#onError);
    transport.once("close", this.#onTransportClose);
  }

  flush(): void {
    const socket = this.#socket;
    while (this.#maySend) {
      const packets = socket.takeBuffer();
      // A listener of "flush" that sends has sent all of it.
      if (packets.length === 0) return;
      this.#sending = true;
      try {
        this.#transport.send(packets);
        socket.drained();
      } catch (error) {
        // A listener's. What it had sent before is not to wait for whatever is sent next.
        this.#sending = false;
        this.flush();
        throw error;
      }
      this.#sending = false;
    }
  }

  /** Asks the transport last: one that is asked, and cannot, says when it can, and nothing may be due by then. */
  get #maySend(): boolean {
    const socket = this.#socket;
    if (this.#sending || socket.readyState === "closed" || socket.writeBuffer.length === 0) return false;
    // A listener may have left the transport for another.
    return socket.journal === this && this.#transport.writable;
  }

  close(discard: boolean): void {
    if (discard || this.#socket.writeBuffer.length === 0) this.#socket.closeTransport(discard);
    else this.#socket.once("drain", this.#closeTransport);
  }

  closeTransport(discard: boolean): void {
    if (discard) this.#transport.discard();
    this.#transport.close(this.#onForcedClose);
  }

  ended(): void {
    this.#socket.clearTransport();
  }

  goOver(transport: Transport): void {
    this.#socket.useJournal(new DirectJournal(this.#socket, transport));
  }

  /** Leaves the transport, which closes. */
  leave(): void {
    this.#socket.removeListener("drain", this.#closeTransport);
    const transport = this.#transport;
    transport.removeListener("packet", this.#onPacket);
    transport.removeListener("ready", this.#onReady);
    transport.removeListener("drain", this.#onDrain);
    transport.removeListener("close", this.#onTransportClose);
    transport.removeListener("error", this.#onError);
    // What the connection still says is nobody's business, but an "error" without a listener would throw.
    transport.on("error", ignore);
    // No later poll can reach it: a close that finds none parked must not wait for one.
    transport.discard();
    transport.close();
  }

  timedOut(): void {
    this.#socket.onClose("ping timeout");
  }

  /** A callback may have sent more before it closed, which goes out behind what it was called for. */
  readonly #closeTransport = (): void => {
    if (this.#socket.writeBuffer.length > 0) this.#socket.once("drain", this.#closeTransport);
    else this.#socket.closeTransport();
  };

  readonly #onForcedClose = (): void => {
    this.#socket.onClose("forced close");
  };

  readonly #onPacket = (packet: Parameters<Socket["onPacket"]>[0]): void => {
    this.#socket.onPacket(packet);
  };

  readonly #onReady = (): void => {
    this.#socket.flush();
  };

  readonly #onDrain = (): void => {
    this.#socket.onDrain();
  };

  readonly #onError = (error: Error): void => {
    this.#socket.onError(error);
  };

  readonly #onTransportClose = (): void => {
    this.#socket.onClose("transport close");
  };
}

function ignore(): void {
  // The session has ended.
}
