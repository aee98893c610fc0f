import type { MemoryBus } from "../../src/bus/memory/memory-bus";
import type { ClusterNode } from "../../src/routing/cluster-node";
import type { NodeEngine } from "../../src/routing/node-options";
import { ClusterHost } from "../../src/server/cluster-host";
import { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { Counters } from "../../src/telemetry/counters";
import { Tick } from "../../src/time/tick";
import type { VirtualProcess } from "../../src/time/virtual-clock";
import { bufferLimit, wireNode } from "../../src/wiring";
import { SimBus } from "./sim-bus";
import { SimStore } from "./sim-store";
import type { World } from "./world";

/** A node of the simulated cluster: the real engine over simulated store, bus and connections. */
export class SimNode {
  readonly id: string;
  readonly host: ClusterHost;
  readonly process: VirtualProcess;
  readonly bus: MemoryBus;
  readonly store: SimStore;
  readonly engine: Engine;
  alive = true;
  /** Whether it takes new connections. */
  listens = true;
  ready = false;
  /** When it began to leave. */
  leavesSince: number | undefined;
  /** Called when it dies: what was connected to it notices. */
  readonly onDeath = new Set<() => void>();
  /** Called when it begins to stand still. */
  readonly onPause = new Set<() => void>();

  constructor(world: World, id: string) {
    this.id = id;
    this.process = world.time.process();
    this.bus = world.medium.bus();
    const { resend, late } = world.schedule.rates;
    const { records, time, tuning } = world;
    const { process } = this;
    this.store = new SimStore({ records, time, process, resend, late, awayAfter: tuning.storeAwayAfter });
    const parts = {
      id,
      clock: process,
      tick: new Tick(process),
      store: this.store,
      bus: new SimBus(this.bus, process),
      tuning,
      ...windowOf(id),
      counters: new Counters(),
      events: {
        onNodeJoined: nothing,
        onNodeDead: nothing,
        onTakeover: (sid: string, from: string) => {
          world.takenOver(this, sid, from);
        },
      },
    };
    const options = { ...world.schedule.heartbeat, ...WITHOUT_HTTP };
    this.engine = new Engine(options, process, (engine) => {
      const make = (host: NodeEngine) => Promise.resolve(wireNode(parts, host, engine.opts));
      return new ClusterHost(engine, { clock: process, nodeId: id, bufferLimit: bufferLimit(tuning), make });
    });
    this.engine.generateId = () => world.nextSid();
    this.engine.on("connection", (socket: Socket) => {
      world.application.onConnection(this, socket);
    });
    this.host = hostOf(this.engine);
    void this.engine.ready().then(() => {
      this.ready = true;
    });
  }

  /** The cluster's node within; there while the process is in service. */
  get node(): ClusterNode | undefined {
    return this.host.node;
  }

  kill(): void {
    this.alive = false;
    this.store.dead = true;
    this.process.kill();
    for (const notice of [...this.onDeath]) notice();
    this.onDeath.clear();
    this.onPause.clear();
  }

  pause(): void {
    this.process.pause();
    for (const notice of [...this.onPause]) notice();
  }
}

/** With every other node all that can wait does while the last word said to another is not known to be with it. */
function windowOf(id: string): { readonly linkWindow?: number } {
  return Number(id.slice(1)) % 2 === 1 ? { linkWindow: 1 } : {};
}

/** Takes the place of the server of websockets, which nobody asks here: looking for its module with each node took a while. */
class NoWebSocketServer {
  close(): void {
    // There is nothing to close.
  }
}

/** No request of a history comes by HTTP: what answers those would be made for each node all the same. */
const WITHOUT_HTTP = { wsEngine: NoWebSocketServer, httpCompression: false } as const;

function nothing(): void {
  // Of no interest here.
}

function hostOf(engine: Engine): ClusterHost {
  const host = engine.host;
  if (host instanceof ClusterHost) return host;
  throw new Error("the simulated engine is not in a cluster");
}
