import type { Found, NodeId, SessionStore } from "../store/port";
import type { Clock, Timer } from "../time/clock";
import { inBulk } from "./bulk";

/** What a sweep needs of its node. */
export interface SweepNode {
  readonly id: NodeId;
  readonly clock: Clock;
  /** The nodes that live, but for this one. */
  readonly others: readonly NodeId[];
  /** Whether the node's lease has ended, and it has not taken another one since. */
  leaseEnded(node: NodeId): boolean;
  /** Claims a session of a dead node. */
  claim(sid: string, found: Found): Promise<{ readonly kind: string }>;
}

/** A dead node's sessions are left to those who ask for them first, for so many milliseconds. */
const SWEEP_AFTER = 1000;
/** The second time all nodes look at all that is left: some other one may have died over its share. */
const SWEEP_AGAIN = 10_000;

/**
 * Takes over the sessions of dead nodes that nobody asks for: their clients may never come back, and then the application
 * must be told all the same, by a ping that nobody answers.
 *
 * The nodes that live share the dead one's index between them by the sessions' ids. The index is a hint: what is claimed is
 * decided by the record, and two that want the same session hurt nobody.
 */
export class Sweeps {
  readonly #node: SweepNode;
  readonly #store: SessionStore;
  readonly #timers = new Map<NodeId, Timer>();
  #stopped = false;

  constructor(node: SweepNode, store: SessionStore) {
    this.#node = node;
    this.#store = store;
  }

  /** The node's lease has ended. */
  onLeaseEnded(dead: NodeId): void {
    this.#later(dead, SWEEP_AFTER * (1 + this.#node.clock.random()), 1);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.stop();
    this.#timers.clear();
  }

  #later(dead: NodeId, ms: number, round: number): void {
    if (this.#stopped) return;
    this.#timers.get(dead)?.stop();
    const timer = this.#node.clock.afterUnref(ms, () => {
      if (this.#timers.get(dead) === timer) this.#timers.delete(dead);
      void this.#sweep(dead, round).then(() => {
        if (round === 1) this.#later(dead, SWEEP_AGAIN, 2);
      });
    });
    this.#timers.set(dead, timer);
  }

  async #sweep(dead: NodeId, round: number): Promise<void> {
    const nodes = [...this.#node.others, this.#node.id].sort();
    const share = nodes.indexOf(this.#node.id);
    let cursor = "0";
    do {
      const slice = await this.#store.indexSlice(dead, cursor);
      // The second round comes anyway, and after it the records expire.
      if (slice.kind === "away" || this.#gone(dead)) return;
      cursor = slice.cursor;
      const mine = slice.sids.filter((sid) => round > 1 || hash(sid) % nodes.length === share);
      for await (const some of inBulk(this.#node.clock, mine)) {
        await this.#take(dead, some);
        if (this.#gone(dead)) return;
      }
    } while (cursor !== "0");
  }

  async #take(dead: NodeId, sids: readonly string[]): Promise<void> {
    const done: string[] = [];
    await Promise.all(
      sids.map(async (sid) => {
        const found = await this.#store.look(sid);
        if (found.kind === "away" || this.#gone(dead)) return;
        // A websocket may go on at a node that is cut off; its record ends by its time.
        const open = found.kind === "found" && found.transport === "websocket" && found.phase === "open";
        const claims = found.kind === "found" && this.#isLeft(found.owner, dead) && !open;
        if (!claims || (await this.#node.claim(sid, found)).kind !== "away") done.push(sid);
      }),
    );
    if (done.length > 0 && !this.#stopped) this.#store.index(dead, [], done);
  }

  /** Whether the owner is the dead node, or has claimed from it and ended before the session was in its own index. */
  #isLeft(owner: NodeId, dead: NodeId): boolean {
    return owner === dead || this.#node.leaseEnded(owner);
  }

  /** The sweep is over: this node stops, or the one that was dead is back under its old name. */
  #gone(dead: NodeId): boolean {
    return this.#stopped || !this.#node.leaseEnded(dead);
  }
}

/** FNV-1a. */
function hash(sid: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < sid.length; i++) value = Math.imul(value ^ sid.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
