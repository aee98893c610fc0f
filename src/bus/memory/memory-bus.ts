import type { NodeId } from "../../store/port";
import type { Clock } from "../../time/clock";
import type { Bus, BusListener } from "../port";
import { rethrow } from "../rethrow";

/** What becomes of a message on its way: it takes so many milliseconds, or is lost. Nothing said: as fast as it goes. */
export type Intercept = (from: NodeId, to: NodeId, message: Uint8Array) => number | "drop" | undefined;

interface Delivery {
  readonly from: MemoryBus;
  readonly to: NodeId;
  readonly message: Uint8Array;
  readonly broadcast: boolean;
}

/** The messages on their way from one node to one other. */
interface Way {
  readonly deliveries: Delivery[];
  /** When the last of them arrives. */
  arrives: number;
}

export interface MemoryMediumOptions {
  readonly maxMessageBytes?: number;
}

/**
 * Joins nodes within one process. No kinder than a real medium: messages arrive later, never within `send`, they can be
 * lost and late, and a node can be cut off or killed with messages under way.
 */
export class MemoryMedium {
  /** May be set and changed at any time; also asked for each receiver of a broadcast. */
  intercept: Intercept | undefined;
  readonly maxMessageBytes: number;
  readonly #clock: Clock;
  readonly #members = new Map<NodeId, MemoryBus>();
  readonly #ways = new Map<NodeId, Map<NodeId, Way>>();
  /** Ways with a message that takes no time, one entry for each, in the order sent. */
  #soon: Way[] = [];
  #due = false;

  constructor(clock: Clock, options: MemoryMediumOptions = {}) {
    this.#clock = clock;
    this.maxMessageBytes = options.maxMessageBytes ?? 1024 * 1024;
  }

  /** A new bus, not joined yet. */
  bus(): MemoryBus {
    return new MemoryBus(this);
  }

  /** As if its process had died: what it sent may still be on the way, nothing reaches it, and who sends to it is told so. */
  kill(bus: MemoryBus): void {
    bus.detach();
    this.remove(bus);
  }

  /** Breaks a node's connection to the medium. */
  cut(bus: MemoryBus): void {
    if (bus.node !== undefined && this.#members.get(bus.node) === bus) bus.setConnected(false);
  }

  /** And mends it. */
  heal(bus: MemoryBus): void {
    if (bus.node !== undefined && this.#members.get(bus.node) === bus && !bus.connected) bus.setConnected(true);
  }

  add(node: NodeId, bus: MemoryBus): void {
    if (this.#members.has(node)) throw new Error(`node ${node} has joined already`);
    this.#members.set(node, bus);
  }

  remove(bus: MemoryBus): void {
    const { node } = bus;
    if (node === undefined || this.#members.get(node) !== bus) return;
    this.#members.delete(node);
    for (const [from, ways] of this.#ways) {
      if (from === node) this.#ways.delete(from);
      else ways.delete(node);
    }
  }

  send(from: MemoryBus, node: NodeId, to: NodeId, message: Uint8Array, broadcast: boolean): void {
    const delay = this.intercept?.(node, to, message) ?? 0;
    if (delay === "drop") return;
    const way = this.#way(node, to);
    const now = this.#clock.now();
    const arrives = Math.max(now + delay, way.arrives);
    const waiting = way.deliveries.length > 0 && way.arrives > now;
    way.arrives = arrives;
    way.deliveries.push({ from, to, message, broadcast });
    if (delay <= 0 && !waiting) this.#deliverSoon(way);
    // Whichever timer runs first delivers whatever is first: so nothing overtakes, though timers may.
    else this.#clock.after(arrives - now, () => this.#deliverNext(way));
  }

  broadcast(from: MemoryBus, node: NodeId, message: Uint8Array): void {
    for (const to of [...this.#members.keys()]) if (to !== node) this.send(from, node, to, message, true);
  }

  #way(from: NodeId, to: NodeId): Way {
    let ways = this.#ways.get(from);
    if (ways === undefined) this.#ways.set(from, (ways = new Map<NodeId, Way>()));
    let way = ways.get(to);
    if (way === undefined) ways.set(to, (way = { deliveries: [], arrives: 0 }));
    return way;
  }

  #deliverSoon(way: Way): void {
    this.#soon.push(way);
    if (this.#due) return;
    this.#due = true;
    this.#clock.defer(this.#deliverAll);
  }

  readonly #deliverAll = (): void => {
    // Only what is here now: two nodes that answer each other must not keep the event loop for themselves.
    const ways = this.#soon;
    this.#soon = [];
    this.#due = false;
    for (const way of ways) this.#deliverNext(way);
  };

  #deliverNext(way: Way): void {
    const delivery = way.deliveries.shift();
    if (delivery === undefined) return;
    const { from, to, message, broadcast } = delivery;
    const receiver = this.#members.get(to);
    if (receiver?.connected === true) receiver.receive(message);
    else if (!broadcast && from.connected) from.noResponder(to);
  }
}

/** A node's place on a `MemoryMedium`. */
export class MemoryBus implements Bus {
  node: NodeId | undefined;
  readonly #medium: MemoryMedium;
  #listener: BusListener | undefined;
  #connected = false;

  constructor(medium: MemoryMedium) {
    this.#medium = medium;
  }

  get maxMessageBytes(): number {
    return this.#medium.maxMessageBytes;
  }

  get connected(): boolean {
    return this.#connected;
  }

  async join(node: NodeId, listener: BusListener): Promise<void> {
    if (this.node !== undefined) throw new Error("this bus has joined already");
    this.#medium.add(node, this);
    this.node = node;
    this.#listener = listener;
    this.#connected = true;
  }

  send(to: NodeId, message: Uint8Array): void {
    this.#check(message);
    if (this.node !== undefined && this.#connected) this.#medium.send(this, this.node, to, message, false);
  }

  broadcast(message: Uint8Array): void {
    this.#check(message);
    if (this.node !== undefined && this.#connected) this.#medium.broadcast(this, this.node, message);
  }

  leave(): Promise<void> {
    this.#medium.remove(this);
    this.detach();
    return Promise.resolve();
  }

  // For the medium only.

  detach(): void {
    this.#connected = false;
    this.#listener = undefined;
  }

  setConnected(connected: boolean): void {
    this.#connected = connected;
    if (connected) this.#listener?.onReconnected();
  }

  receive(message: Uint8Array): void {
    try {
      this.#listener?.onMessage(message);
    } catch (error) {
      rethrow(error);
    }
  }

  noResponder(to: NodeId): void {
    try {
      this.#listener?.onNoResponder(to);
    } catch (error) {
      rethrow(error);
    }
  }

  #check(message: Uint8Array): void {
    if (message.byteLength > this.maxMessageBytes)
      throw new RangeError(`a message of ${message.byteLength} bytes, where ${this.maxMessageBytes} are the limit`);
  }
}
