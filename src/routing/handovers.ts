import type { Frame } from "../bus/frame";
import { RequestKind } from "../session/answers";
import type { OwnedSession } from "../session/owned-session";
import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import { Departure, type DepartingNode } from "./departure";
import type { Gateways } from "./gateways";
import type { Held } from "./held";
import type { Holder } from "./holder";
import { handover, leaving, MessageKind, release } from "./messages";
import type { TakenNotices } from "./taken-notices";
import type { Takeovers } from "./takeovers";

/** What handovers need of their node. */
export interface HandoverNode {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly sessions: ReadonlyMap<string, OwnedSession>;
  readonly others: readonly NodeId[];
  readonly busConnected: boolean;
  /** Reads anew which other nodes there are; waits for it so many milliseconds at most, and tells whether the store did. */
  lookAround(withinMs: number): Promise<boolean>;
  send(node: NodeId, frame: Frame): void;
}

export interface HandoverParts {
  readonly holder: Holder;
  readonly gateways: Gateways;
  readonly takeovers: Takeovers;
  readonly notices: TakenNotices;
  /** Whether sessions go on at another node. */
  readonly handsOver: boolean;
}

/** Sessions that change hands because their node leaves: the side of the node that does, and of those that stay. */
export class Handovers implements DepartingNode {
  readonly #node: HandoverNode;
  readonly #parts: HandoverParts;
  /** Nodes that said that they leave. */
  readonly #leavers = new Set<NodeId>();
  #departure: Promise<void> | undefined;

  constructor(node: HandoverNode, parts: HandoverParts) {
    this.#node = node;
    this.#parts = parts;
  }

  /** How many nodes have said that they leave, and are there still. */
  get leavers(): number {
    return this.#leavers.size;
  }

  /** Whether this node leaves. */
  get leaving(): boolean {
    return this.#departure !== undefined;
  }

  /**
   * Gives up all that is here, within `timeout` milliseconds. `handedOver` is called when connections can be sent to other
   * nodes: this one's polling sessions are theirs. Resolves when nothing is left, or the time is over.
   */
  leave(timeout: number, handedOver: () => void): Promise<void> {
    this.#departure ??= this.#depart(timeout, handedOver);
    return this.#departure;
  }

  async #depart(timeout: number, handedOver: () => void): Promise<void> {
    const departure = new Departure(this, timeout, handedOver);
    // The others are read with each renewal of the lease: one that left before it knew of any closed all its sessions at once.
    await this.#node.lookAround(timeout / 4);
    for (const other of this.#node.others) this.#node.send(other, leaving());
    await departure.run();
  }

  onFrame(from: NodeId, frame: Frame): void {
    switch (frame.kind) {
      case MessageKind.Leaving:
        this.#leavers.add(from);
        return;
      case MessageKind.Release:
        this.#node.sessions.get(frame.sid)?.releasePoll(frame.t, from);
        return;
      case MessageKind.Handover:
        // Not answered where it is refused: it is offered to another one soon.
        if (this.leaving || this.#node.sessions.has(frame.sid)) return;
        void this.#parts.takeovers.claim(frame.sid, from, frame.n);
    }
  }

  /** Whether the node said that it leaves. */
  isLeaving(node: NodeId): boolean {
    return this.#leavers.has(node);
  }

  /** The node is dead, or begins anew. */
  forget(node: NodeId): void {
    this.#leavers.delete(node);
  }

  // ---- DepartingNode ----

  get clock(): Clock {
    return this.#node.clock;
  }

  get sessions(): ReadonlyMap<string, OwnedSession> {
    return this.#node.sessions;
  }

  get handsOver(): boolean {
    return this.#parts.handsOver;
  }

  get heirs(): NodeId[] {
    return this.#node.others.filter((node) => !this.#leavers.has(node));
  }

  get busConnected(): boolean {
    return this.#node.busConnected;
  }

  get waiting(): Held[] {
    return this.#parts.holder.waiting;
  }

  get claimCount(): number {
    return this.#parts.takeovers.size;
  }

  get noticeCount(): number {
    return this.#parts.notices.newCount;
  }

  get gatewayCount(): number {
    return this.#parts.gateways.size;
  }

  offer(heir: NodeId, session: OwnedSession): void {
    this.#node.send(heir, handover(session.sid, session.turn));
  }

  release(held: Held): void {
    if (held.kind !== RequestKind.Get || held.askedAt === undefined) return;
    if (held.askedAt === this.#node.id) this.#node.sessions.get(held.sid)?.releasePoll(held.t, held.askedAt);
    else this.#node.send(held.askedAt, release(held.sid, held.t));
  }

  closeGateways(count: number): void {
    this.#parts.gateways.closeSome(count);
  }
}
