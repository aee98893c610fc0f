import type { NodeId } from "../store/port";

/**
 * Carries messages between nodes: addressed, and to all. It promises little, and says what it does not:
 * - At most once. A message can be lost, also without any sign; `links.ts` numbers messages and notices.
 * - Between one pair of nodes nothing overtakes: what arrives, arrives in the order sent.
 * - "Nobody listens there" is told, when the medium knows it, by `onNoResponder`; it cannot tell a dead node from one that is cut off.
 * - `send` and `broadcast` never block and never throw for a peer that is away.
 */
export interface Bus {
  /** The longest message that `send` takes, in bytes. Known once `join` has resolved. */
  readonly maxMessageBytes: number;

  /** Whether this node's own connection to the medium is well. */
  readonly connected: boolean;

  /** Resolves when messages to `node` reach `listener`. Rejects with an error that says what to set when they never will. */
  join(node: NodeId, listener: BusListener): Promise<void>;

  /** Sends to one node. The bytes must not be changed afterwards. */
  send(to: NodeId, message: Uint8Array): void;

  /** Sends to every other node. No `onNoResponder`. */
  broadcast(message: Uint8Array): void;

  /** Stops listening, sends what is still to be sent, closes what the bus opened by itself. */
  leave(): Promise<void>;
}

export interface BusListener {
  onMessage(message: Uint8Array): void;
  /** A message to this node found nobody listening. */
  onNoResponder(to: NodeId): void;
  /** This node's connection broke and is back: anything may have been lost meanwhile, in both directions. */
  onReconnected(): void;
}
