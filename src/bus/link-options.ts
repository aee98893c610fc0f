import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import type { Tick } from "../time/tick";
import type { Frame } from "./frame";
import type { Rejection } from "./message";
import type { Bus } from "./port";

export interface LinkHandler {
  /** The incarnation is the one under which it was sent. */
  onFrame(from: NodeId, frame: Frame, incarnation: number): void;
  /** Anything held over the link with this peer may be lost, in either direction: ask again. */
  onLoss(peer: NodeId): void;
  /**
   * The peer's lease had ended, and it has taken it again. What is said over the link with it goes on without a gap; but what it was
   * asked meanwhile it did not do, and what it asked was not done for it.
   */
  onRetaken?(peer: NodeId): void;
  onNoResponder(peer: NodeId): void;
  /** This node's connection to the bus broke and is back. Before the losses are told. */
  onReconnected?(): void;
  /** What was held back since `isCongested` said so may be said now; or after a loss, of which `onLoss` told before, or never arrive. */
  onUncongested?(peer: NodeId): void;
  /** The peer lives, and this is its incarnation. */
  onBeat?(peer: NodeId, incarnation: number): void;
  /** Whether the store does not answer this node, or did not within the last beats: other nodes are told so with each beat. */
  isStoreless?(): boolean;
  /** Nobody was heard for some beats, and now somebody is. */
  onHearingAgain?(): void;
  /** A message was dropped: told of the first for each reason. All are counted. */
  onRejected?(why: Rejection): void;
}

export interface LinksOptions {
  readonly bus: Bus;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly handler: LinkHandler;
  /** Shared by all nodes: messages carry an HMAC by the first, and those that have one by none of them are dropped. */
  readonly secrets?: readonly string[];
  /** Milliseconds between beats. */
  readonly beatInterval?: number;
  /** The longest frame, sent or received. */
  readonly maxFrameBytes?: number;
  /** Bytes that may be under way to each peer before `isCongested` says so. */
  readonly windowBytes?: number | undefined;
}
