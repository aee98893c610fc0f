import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Told of each connection that the process begins. */
const CHANNEL = "net.client.socket";

/**
 * A dial, and the sockets that it made. The client leaves a socket to a server that takes the connection and says nothing, also
 * when its own time-out is over: it would keep the process alive for as long as that server likes.
 */
export class Dial<Connection> {
  readonly result: Promise<Connection>;
  readonly #context = new AsyncLocalStorage<true>();
  readonly #sockets: Socket[] = [];
  #ended = false;

  constructor(dial: () => Promise<Connection>) {
    subscribe(CHANNEL, this.#onSocket);
    this.result = this.#context
      .run(true, dial)
      .then((connection) => {
        // It tries one server after the other: those before the last one answered nothing.
        for (const socket of this.#sockets.splice(0, this.#sockets.length - 1)) socket.destroy();
        return connection;
      })
      .finally(() => {
        unsubscribe(CHANNEL, this.#onSocket);
        // Whoever follows contexts makes every promise of the process dearer.
        this.#context.disable();
      });
  }

  /** Ends the connections that it made, also the one that it resolved with, and those that it still makes. */
  end(): void {
    this.#ended = true;
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  readonly #onSocket = (message: unknown): void => {
    if (this.#context.getStore() !== true) return;
    const { socket } = message as { readonly socket: Socket };
    if (!this.#ended) this.#sockets.push(socket);
    // It is told of before it connects, which would undo a destroy.
    else queueMicrotask(() => socket.destroy());
  };
}
