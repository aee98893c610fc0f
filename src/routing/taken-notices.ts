import type { Frame } from "../bus/frame";
import type { NodeId } from "../store/port";
import type { Clock } from "../time/clock";
import { taken } from "./messages";

export interface NoticeNode {
  readonly clock: Clock;
  send(node: NodeId, frame: Frame): void;
}

interface Notice {
  readonly sid: string;
  readonly turn: number;
  readonly at: number;
}

/** How long a notice may be said again, in milliseconds: by then every ping of the old owner has been refused. */
const REMEMBERED = 60_000;

/** What was lost is known by the second beat that speaks of it: so many milliseconds. */
const HEARD_OR_SAID_AGAIN = 1200;

/**
 * Tells old owners that their sessions were claimed (O6), and tells them again when something was lost on the way to them.
 * A node that was wrongly taken for dead is told in just the moment in which messages are lost: of nodes that lost NATS
 * together, one had a session's poll parked for 20 s, until its ping, while another one owned it.
 */
export class TakenNotices {
  readonly #node: NoticeNode;
  readonly #notices = new Map<NodeId, Notice[]>();

  constructor(node: NoticeNode) {
    this.#node = node;
  }

  get size(): number {
    let size = 0;
    for (const notices of this.#notices.values()) size += notices.length;
    return size;
  }

  /** How many may be lost, and have not been said again yet: who ends now takes them along. */
  get newCount(): number {
    const since = this.#node.clock.now() - HEARD_OR_SAID_AGAIN;
    let count = 0;
    for (const notices of this.#notices.values()) for (const { at } of notices) if (at >= since) count++;
    return count;
  }

  tell(owner: NodeId, sid: string, turn: number): void {
    const { clock } = this.#node;
    const notices = this.#recent(owner);
    notices.push({ sid, turn, at: clock.now() });
    this.#notices.set(owner, notices);
    this.#node.send(owner, taken(sid, turn));
  }

  /** Something was lost on the way to or from the node: so it lives. */
  onLoss(owner: NodeId): void {
    const notices = this.#recent(owner);
    if (notices.length === 0) this.#notices.delete(owner);
    for (const { sid, turn } of notices) this.#node.send(owner, taken(sid, turn));
  }

  /** Frees what is too old to be said. */
  sweep(): void {
    for (const owner of this.#notices.keys()) {
      const notices = this.#recent(owner);
      if (notices.length === 0) this.#notices.delete(owner);
      else this.#notices.set(owner, notices);
    }
  }

  #recent(owner: NodeId): Notice[] {
    const notices = this.#notices.get(owner) ?? [];
    const since = this.#node.clock.now() - REMEMBERED;
    return notices[0] !== undefined && notices[0].at < since ? notices.filter(({ at }) => at >= since) : notices;
  }
}
