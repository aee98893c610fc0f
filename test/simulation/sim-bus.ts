import type { MemoryBus } from "../../src/bus/memory/memory-bus";
import type { Bus, BusListener } from "../../src/bus/port";
import type { NodeId } from "../../src/store/port";
import type { VirtualProcess } from "../../src/time/virtual-clock";

/** A node's place on the bus; what comes waits while its process stands still. */
export class SimBus implements Bus {
  readonly #bus: MemoryBus;
  readonly #process: VirtualProcess;

  constructor(bus: MemoryBus, process: VirtualProcess) {
    this.#bus = bus;
    this.#process = process;
  }

  get maxMessageBytes(): number {
    return this.#bus.maxMessageBytes;
  }

  get connected(): boolean {
    return this.#bus.connected;
  }

  join(node: NodeId, listener: BusListener): Promise<void> {
    const process = this.#process;
    return this.#bus.join(node, {
      onMessage: (message) => {
        // Nearly always: without a function for each message.
        if (process.reads) listener.onMessage(message);
        else this.#deliver(listener, message);
      },
      onNoResponder: (to) => {
        process.deliver(() => {
          listener.onNoResponder(to);
        });
      },
      onReconnected: () => {
        process.deliver(() => {
          listener.onReconnected();
        });
      },
    });
  }

  #deliver(listener: BusListener, message: Uint8Array): void {
    this.#process.deliver(() => {
      listener.onMessage(message);
    });
  }

  send(to: NodeId, message: Uint8Array): void {
    this.#bus.send(to, message);
  }

  broadcast(message: Uint8Array): void {
    this.#bus.broadcast(message);
  }

  leave(): Promise<void> {
    return this.#bus.leave();
  }
}
