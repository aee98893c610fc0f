import type { LivingNode, NodeId } from "../port";

export interface LeasesRead {
  readonly kind: "ok";
  readonly nodes: readonly LivingNode[];
}

interface Lease {
  incarnation: number;
  expires: number;
}

/** Which nodes may own sessions. */
export class Leases {
  readonly #now: () => number;
  readonly #ttl: number;
  readonly #leases = new Map<NodeId, Lease>();

  constructor(now: () => number, ttl: number) {
    this.#now = now;
    this.#ttl = ttl;
  }

  /** Gives the lease back, and reads those of others. */
  leave(node: NodeId, incarnation: number): LeasesRead {
    if (this.#leases.get(node)?.incarnation === incarnation) this.#leases.delete(node);
    const now = this.#now();
    const nodes: LivingNode[] = [];
    for (const [id, lease] of this.#leases)
      if (id !== node && lease.expires > now) nodes.push({ node: id, incarnation: lease.incarnation });
    return { kind: "ok", nodes };
  }

  take(node: NodeId, incarnation: number): LeasesRead {
    const now = this.#now();
    const nodes: LivingNode[] = [];
    for (const [id, lease] of this.#leases) if (lease.expires <= now) this.#leases.delete(id);
    const mine = this.#leases.get(node);
    // A call that was under way for long must not put back an incarnation that its node has left behind.
    if (mine === undefined || mine.incarnation <= incarnation) {
      this.#leases.set(node, { incarnation, expires: now + this.#ttl });
    }
    for (const [id, lease] of this.#leases) nodes.push({ node: id, incarnation: lease.incarnation });
    return { kind: "ok", nodes };
  }

  release(node: NodeId): void {
    this.#leases.delete(node);
  }
}
