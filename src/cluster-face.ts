import { EventEmitter } from "node:events";
import type { ClusterNode } from "./routing/cluster-node";
import type { NodeEvents } from "./routing/node-options";
import type { PacketOptions, RawData } from "./protocol/packet";
import type { Vitals } from "./routing/vitals";
import type { Counters } from "./telemetry/counters";
import { Load } from "./telemetry/load";
import type { Latency } from "./telemetry/latency";

/** What one node can say of itself, in numbers that only grow, but for those up to `sends`. */
export interface ClusterStats {
  readonly node: string;
  /** Sessions that this node owns. */
  readonly sessions: number;
  /** Requests that wait here. */
  readonly held: number;
  /** HTTP requests that are under way here: those that wait, and those whose bodies are read. */
  readonly requests: number;
  /** Bytes of the bodies that are read, or held, here. */
  readonly bodyBytes: number;
  /** Messages by `send` and `close` from here that were not answered. */
  readonly sends: number;
  /** How often each of the limits was met, and how often `authorizeRequest` let nobody in. */
  readonly refused: Readonly<Record<string, number>>;
  /** Operations asked of the store, and the calls they travelled in. */
  readonly store: Readonly<Record<string, number>>;
  /** Messages and frames to other nodes. */
  readonly links: Readonly<Record<string, number>>;
  readonly counts: Readonly<Record<string, number>>;
  /** How much of each kind this node keeps: sessions that ended and may be asked for (`linger`) included. */
  readonly sizes: Readonly<Record<string, number>>;
  /** How much it keeps of other nodes: of those that live, and for a while of those that are gone. */
  readonly known: Readonly<Record<string, number>>;
}

/** Whether requests should come to this node, and what speaks for or against it. */
export interface ClusterHealth {
  /** All of it: the node has joined, holds its lease, reaches store and bus, and does not leave. */
  readonly ready: boolean;
  readonly joined: boolean;
  readonly lease: boolean;
  /** Redis, or the primary process: whether it answered the last renewal of the lease. */
  readonly store: boolean;
  /** The connection to NATS, or to the primary process. */
  readonly bus: boolean;
  readonly leaving: boolean;
}

/** What a node's adapters tell of themselves. */
export interface AdapterStats {
  readonly store: Readonly<Record<string, number>>;
  /** How long the store takes to answer; undefined where that is not measured. */
  readonly storeLatency: Latency | undefined;
  /** Milliseconds to the bus's server and back, measured when it is called. */
  readonly busRoundTrip: () => Promise<number> | undefined;
  /** `dropped`: messages that were not sent, since the bus does not keep up. */
  readonly bus: { readonly dropped: number };
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
  #load = new Load();
  #adapters: AdapterStats | undefined;

  constructor(nodeId: string, counters: Counters) {
    super();
    this.nodeId = nodeId;
    this.counters = counters;
  }

  /** @internal */
  use(node: ClusterNode, adapters: AdapterStats): void {
    this.#node = node;
    this.#adapters = adapters;
  }

  /** @internal What its engine holds. */
  useLoad(load: Load): void {
    this.#load = load;
  }

  /**
   * Sends a message to a session, whichever node owns it. `true`: its owner took it, once; `false`: there is no such session. Sends
   * from one node to one session keep their order. Rejects where no owner could be found in time; whether the message was taken
   * is not known then. Rejects at once where too many wait already (`maxWaitingSends`, `maxWaitingSendSize`).
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
      requests: this.#load.requests,
      bodyBytes: this.#load.bodyBytes,
      sends: this.#node?.sends.waiting ?? 0,
      store: { ...this.#adapters?.store },
      links: { ...this.#node?.linkStats },
      refused: {
        ...this.#load.refused,
        sends: this.#node?.sends.refused ?? 0,
        unauthorized: this.#load.unauthorized,
      },
      counts: this.counters.read(),
      sizes: { ...this.#node?.sizes },
      known: { ...this.#node?.known },
    };
  }

  /** Costs nothing but reading: nobody is asked. */
  health(): ClusterHealth {
    const vitals = this.#node?.vitals;
    const joined = this.#hasJoined;
    const lease = vitals?.leaseHeld ?? false;
    const store = vitals?.storeAnswers ?? false;
    const bus = vitals?.busConnected ?? false;
    const leaving = vitals?.leaving ?? false;
    return { ready: joined && lease && store && bus && !leaving, joined, lease, store, bus, leaving };
  }

  /** @internal For the metrics. */
  get vitals(): Vitals | undefined {
    return this.#node?.vitals;
  }

  /** @internal */
  get adapters(): AdapterStats | undefined {
    return this.#adapters;
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
