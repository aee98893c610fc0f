import { EventEmitter } from "node:events";
import type { WebSocketLike } from "../../src/transports/websocket";
import type { SimNode } from "./sim-node";
import type { World } from "./world";

/** The client's end of a simulated websocket. */
export interface WebSocketEnd {
  onMessage(text: string): void;
  onClose(): void;
}

/**
 * A websocket between a client and a node: what one end sends arrives at the other later, in order, until
 * either closes or the node dies.
 */
export class SimWebSocket extends EventEmitter implements WebSocketLike {
  readonly #world: World;
  readonly #node: SimNode;
  readonly #client: WebSocketEnd;
  #toClient = 0;
  #toNode = 0;
  #clientOpen = true;
  #nodeOpen = true;

  constructor(world: World, node: SimNode, client: WebSocketEnd) {
    super();
    this.#world = world;
    this.#node = node;
    this.#client = client;
    node.onDeath.add(this.#onNodeDeath);
  }

  /** The client notices after a while. */
  readonly #onNodeDeath = (): void => {
    if (this.#clientOpen && this.#nodeOpen && this.#world.onlyDepartures)
      this.#world.violate(`a websocket breaks with ${this.#node.id}, which left`);
    this.#world.time.schedule(this.#world.time.random() * 20, () => {
      this.#closeClient();
    });
  };

  #closeClient(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#node.onDeath.delete(this.#onNodeDeath);
    this.#client.onClose();
  }

  #arriveAtClient(what: () => void): void {
    const { time } = this.#world;
    this.#toClient = Math.max(this.#toClient, time.now + time.random() * 2);
    time.schedule(this.#toClient - time.now, () => {
      if (this.#clientOpen) what();
    });
  }

  #arriveAtNode(what: () => void): void {
    const { time } = this.#world;
    this.#toNode = Math.max(this.#toNode, time.now + time.random() * 2);
    time.schedule(this.#toNode - time.now, () => {
      this.#node.process.deliver(() => {
        if (this.#nodeOpen) what();
      });
    });
  }

  // The client's end.

  say(text: string): void {
    this.#arriveAtNode(() => {
      this.emit("message", Buffer.from(text), false);
    });
  }

  leave(): void {
    this.#clientOpen = false;
    this.#arriveAtNode(() => {
      this.#nodeOpen = false;
      this.emit("close");
    });
  }

  // The node's end.

  send(data: string | Uint8Array, ...rest: unknown[]): void {
    const text = typeof data === "string" ? data : Buffer.from(data).toString();
    if (!this.#nodeOpen) return;
    this.#arriveAtClient(() => {
      this.#client.onMessage(text);
    });
    const sent = rest.at(-1);
    if (typeof sent === "function") this.#node.process.after(this.#world.time.random(), sent as () => void);
  }

  close(): void {
    if (!this.#nodeOpen) return;
    this.#nodeOpen = false;
    this.#arriveAtClient(() => {
      this.#closeClient();
    });
    this.#node.process.after(2, () => {
      this.emit("close");
    });
  }

  pause(): void {
    // The simulated clients never send enough for it to matter.
  }

  resume(): void {
    // As above.
  }
}
