import { AsyncLocalStorage } from "node:async_hooks";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";

/** Told of each connection that the process begins. */
const CHANNEL = "net.client.socket";

/**
 * A dial that can be given up. The client leaves the socket to a server that takes the connection and says nothing, also
 * when its own time-out is over: it would keep the process alive for as long as that server likes.
 */
export class Dial<Connection> {
  readonly result: Promise<Connection>;
  readonly #context = new AsyncLocalStorage<true>();
  readonly #sockets = new Set<Socket>();
  #givenUp = false;

  constructor(dial: () => Promise<Connection>) {
    subscribe(CHANNEL, this.#onSocket);
    this.result = this.#context.run(true, dial).finally(() => {
      unsubscribe(CHANNEL, this.#onSocket);
      // Whoever follows contexts makes every promise of the process dearer.
      this.#context.disable();
    });
  }

  /** Ends the connections that it began, and those that it still begins. */
  giveUp(): void {
    this.#givenUp = true;
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  readonly #onSocket = (message: unknown): void => {
    if (this.#context.getStore() !== true) return;
    const { socket } = message as { readonly socket: Socket };
    if (!this.#givenUp) this.#sockets.add(socket);
    // It is told of before it connects, which would undo a destroy.
    else queueMicrotask(() => socket.destroy());
  };
}
