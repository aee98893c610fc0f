import { EventEmitter } from "node:events";
import type { ClusterNode, NodeEvents } from "./routing/cluster-node";
import type { PacketOptions, RawData } from "./protocol/packet";
import type { Counters } from "./telemetry/counters";

/** What one node can say of itself, in numbers that only grow, but for `sessions` and `held`. */
export interface ClusterStats {
  readonly node: string;
  /** Sessions that this node owns. */
  readonly sessions: number;
  /** Requests that wait here. */
  readonly held: number;
  /** Operations asked of the store, and the calls they travelled in. */
  readonly store: Readonly<Record<string, number>>;
  /** Messages and frames to other nodes. */
  readonly links: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** How much of each kind this node keeps: sessions that ended and may be asked for (`linger`) included. */
  readonly sizes: Readonly<Record<string, number>>;
}

/**
 * A node's view of its cluster.
 *
 * Events: `node:join(node)`, `node:leave(node)`, `takeover({sid, from})`, and `error(Error)`: trouble with Redis or
 * NATS that needs a human, a warning of the process where nobody listens.
 */
export class ClusterFace extends EventEmitter implements NodeEvents {
  /** Names this start of this process. */
  readonly nodeId: string;
  /** @internal */
  readonly counters: Counters;
  #node: ClusterNode | undefined;
  #hasJoined = false;
  #storeStats: Readonly<Record<string, number>> = {};

  constructor(nodeId: string, counters: Counters) {
    super();
    this.nodeId = nodeId;
    this.counters = counters;
  }

  /** @internal */
  use(node: ClusterNode, storeStats: Readonly<Record<string, number>>): void {
    this.#node = node;
    this.#storeStats = storeStats;
  }

  /**
   * Sends a message to a session, whichever node owns it. `true`: its owner took it, once; `false`: there is no such session. Sends
   * from one node to one session keep their order. Rejects where no owner could be found in time; whether the message was taken
   * is not known then.
   */
  send(sid: string, data: RawData, options?: PacketOptions): Promise<boolean> {
    return this.#joined("send").sends.send(sid, data, options);
  }

  /** Closes a session, whichever node owns it, behind what was sent to it. `false`: there is no such session. */
  close(sid: string): Promise<boolean> {
    return this.#joined("close").sends.close(sid);
  }

  /** Sessions in the whole cluster, as its nodes' indexes have them: a moment old, and never exact while sessions come and go. */
  count(): Promise<number> {
    return this.#joined("count").countSessions();
  }

  /** @internal From here on the node can be asked. */
  onJoined(): void {
    this.#hasJoined = true;
  }

  #joined(what: string): ClusterNode {
    if (this.#node === undefined || !this.#hasJoined)
      throw new Error(`cluster.${what} works when the node has joined: await engine.ready() first`);
    return this.#node;
  }

  /** Ids of the other nodes that hold a lease. */
  get nodes(): readonly string[] {
    return this.#node?.others ?? [];
  }

  stats(): ClusterStats {
    let sessions = 0;
    for (const session of this.#node?.sessions.values() ?? []) if (!session.over) sessions++;
    return {
      node: this.nodeId,
      sessions,
      held: this.#node?.held ?? 0,
      store: { ...this.#storeStats },
      links: { ...this.#node?.linkStats },
      counts: this.counters.read(),
      sizes: { ...this.#node?.sizes },
    };
  }

  onNodeJoined(node: string): void {
    this.emit("node:join", node);
  }

  onNodeDead(node: string): void {
    this.emit("node:leave", node);
  }

  onTakeover(sid: string, from: string): void {
    this.emit("takeover", { sid, from });
  }

  /** @internal */
  onTrouble(error: Error): void {
    if (this.listenerCount("error") > 0) this.emit("error", error);
    else process.emitWarning(error);
  }
}
