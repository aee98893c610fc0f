import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { resolveTuning } from "../../src/cluster-options";
import { MemoryMedium, type MemoryBus } from "../../src/bus/memory/memory-bus";
import type { ClusterNode } from "../../src/routing/cluster-node";
import type { Held, WaitingConnection } from "../../src/routing/held";
import { ClusterHost } from "../../src/server/cluster-host";
import { Engine } from "../../src/server/engine";
import { postKey } from "../../src/server/post-key";
import { RequestKind, type Answer } from "../../src/session/answers";
import { TWO_ENDED } from "../../src/session/owned-session";
import { ALL_RULES, type OwnerRules } from "../../src/session/owner-node";
import type { Socket } from "../../src/session/socket";
import { Records } from "../../src/store/memory";
import { Counters } from "../../src/telemetry/counters";
import { Tick } from "../../src/time/tick";
import { VirtualTime, type VirtualProcess } from "../../src/time/virtual-clock";
import type { EngineRequest } from "../../src/transports/request";
import { bufferLimit, storeLimits, wireNode } from "../../src/wiring";
import { SlowStore } from "./slow-store";

export const PING_INTERVAL = 25_000;
export const PING_TIMEOUT = 20_000;

export interface Faults {
  /** Nodes killed in a history. */
  readonly kills: number;
  /** Nodes that leave, as on SIGTERM. */
  readonly drains: number;
  /** How often the store loses all that it holds. */
  readonly storeLosses: number;
  /** Chance that a bus message is lost. */
  readonly loss: number;
  /** Chance that a script runs twice. */
  readonly resend: number;
  /** How often a node takes a living one for dead, and claims from it. */
  readonly suspects: number;
  /** Share of the clients that go over to a websocket. */
  readonly upgrades: number;
  /** Chance that the balancer sends a request to a second node while the first still has it. */
  readonly retry: number;
}

export interface WorldOptions {
  readonly seed: number;
  readonly faults: Faults;
  readonly rules?: Partial<OwnerRules>;
  readonly nodes?: number;
}

/** A node of the simulated cluster: the real engine over simulated store, bus and connections. */
export class SimNode {
  readonly id: string;
  readonly host: ClusterHost;
  readonly process: VirtualProcess;
  readonly bus: MemoryBus;
  readonly store: SlowStore;
  alive = true;
  /** Whether it takes new connections. */
  listens = true;
  /** The cluster's node within; there while the process is in service. */
  get node(): ClusterNode | undefined {
    return this.host.node;
  }
  ready = false;

  constructor(world: World, id: string) {
    this.id = id;
    this.process = world.time.process();
    this.bus = world.medium.bus();
    this.store = new SlowStore(() => world.records, world.time, this.process, {
      resend: world.options.faults.resend,
      delay: 3,
      generation: () => world.generation,
    });
    const tick = new Tick(this.process);
    const tuning = resolveTuning({}, PING_INTERVAL, PING_TIMEOUT);
    const engine = new Engine({ pingInterval: PING_INTERVAL, pingTimeout: PING_TIMEOUT }, this.process, (engine) => {
      const parts = {
        id,
        clock: this.process,
        tick,
        store: this.store,
        bus: this.bus,
        tuning,
        counters: new Counters(),
        events: NO_EVENTS,
        rules: { ...ALL_RULES, ...world.options.rules },
      };
      return new ClusterHost(engine, {
        clock: this.process,
        nodeId: id,
        bufferLimit: bufferLimit(tuning),
        make: (host) => Promise.resolve(wireNode(parts, host, engine.opts)),
      });
    });
    engine.generateId = () => world.nextSid();
    engine.on("connection", (socket: Socket) => {
      world.onConnection(this, socket);
    });
    this.host = hostOf(engine);
    void engine.ready().then(() => {
      this.ready = true;
    });
  }
}

/** As the package has it, in milliseconds. */
const DRAIN_TIMEOUT = 10_000;

const NO_EVENTS = { onNodeJoined: nothing, onNodeDead: nothing, onTakeover: nothing };

/** One attempt of the balancer at one node. */
interface Attempt {
  readonly node: SimNode;
  readonly connection: WaitingConnection;
  over: boolean;
  held?: Held | undefined;
}

/** Packets 1…n pushed by the application, and which of them it was told are on their way. */
interface Pushes {
  next: number;
  readonly confirmed: Set<number>;
}

export class World {
  readonly options: WorldOptions;
  readonly time: VirtualTime;
  readonly medium: MemoryMedium;
  records: Records;
  generation = 1;
  readonly nodes: SimNode[] = [];
  readonly pushes = new Map<string, Pushes>();
  readonly violations: string[] = [];
  readonly trace: string[] = [];
  readonly recovered = new Map<string, number>();
  /** Sessions that were closed since a POST of theirs was in hand when two owners ended. */
  readonly suspected = new Set<string>();
  #sids = 0;
  #nodeIds = 0;
  #ts = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.time = new VirtualTime(options.seed);
    const { time } = this;
    // The medium is nobody's process: what is on its way arrives though its sender is dead.
    this.medium = new MemoryMedium(time.process());
    this.medium.intercept = () => (time.random() < options.faults.loss ? "drop" : time.random() * 3);
    this.records = this.#emptyRecords();
    for (let i = 0; i < (options.nodes ?? 3); i++) this.addNode();
  }

  #emptyRecords(): Records {
    return new Records({
      now: () => this.time.now,
      limits: storeLimits(resolveTuning({}, PING_INTERVAL, PING_TIMEOUT), PING_INTERVAL, PING_TIMEOUT),
    });
  }

  /** The store is restarted, and has lost all; its nodes notice when they have a connection again. */
  loseStore(): void {
    this.log("the store loses all");
    this.records = this.#emptyRecords();
    this.generation++;
    for (const node of this.living) {
      node.process.after(this.time.random() * 20, () => {
        node.store.returned();
      });
    }
  }

  addNode(): void {
    this.nodes.push(new SimNode(this, `n${String(++this.#nodeIds)}`));
  }

  nextSid(): string {
    return `s${String(++this.#sids)}`;
  }

  nextT(): string {
    return `t${String(++this.#ts)}`;
  }

  log(text: string): void {
    this.trace.push(`${this.time.now.toFixed(1)} ${text}`);
  }

  violate(text: string): void {
    this.log(`VIOLATION ${text}`);
    this.violations.push(text);
  }

  /** The application: echoes, and pushes numbered messages. */
  onConnection(node: SimNode, socket: Socket): void {
    this.log(`${node.id} connection ${socket.id}${socket.recovered ? " recovered" : ""}`);
    if (socket.recovered) this.recovered.set(socket.id, (this.recovered.get(socket.id) ?? 0) + 1);
    socket.on("message", (text: string) => {
      this.log(`${node.id} handles ${socket.id} ${text}`);
      socket.send(`e${text}`);
    });
    socket.on("close", (reason: string, description?: Error) => {
      this.log(`${node.id} close ${socket.id} ${reason}`);
      if (description?.message === TWO_ENDED && this.options.faults.kills + this.options.faults.drains > 1)
        this.suspected.add(socket.id);
    });
    const pushes = this.pushes.get(socket.id) ?? { next: 1, confirmed: new Set<number>() };
    this.pushes.set(socket.id, pushes);
    const push = (): void => {
      if (socket.readyState !== "open" || pushes.next > 8) return;
      const number = pushes.next++;
      socket.send(`p${String(number)}`, () => {
        pushes.confirmed.add(number);
      });
      node.process.after(this.time.random() * 2000, push);
    };
    node.process.after(this.time.random() * 2000, push);
  }

  kill(node: SimNode): void {
    this.log(`kill ${node.id}`);
    node.alive = false;
    node.process.kill();
    this.medium.kill(node.bus);
  }

  /** As on SIGTERM: it gives up what it has, takes no new connections once its sessions are others', and ends. */
  drain(node: SimNode): void {
    this.log(`${node.id} leaves`);
    const left = node.host.drain(DRAIN_TIMEOUT, () => {
      this.log(`${node.id} has handed over`);
      node.listens = false;
    });
    void left.then(() => {
      if (node.alive) this.kill(node);
    });
  }

  /** One node finds nobody at another one, twice, though that one lives. */
  suspect(): void {
    const believer = this.pick();
    const victim = this.pick(believer);
    if (believer === undefined || victim === undefined) return;
    this.log(`${believer.id} takes ${victim.id} for dead`);
    believer.node?.onNoResponder(victim.id);
    this.time.schedule(130, () => {
      if (believer.alive) believer.node?.onNoResponder(victim.id);
    });
  }

  /** Whether anything can fail in this history that may end a websocket. */
  get faulty(): boolean {
    const { kills, drains, loss, suspects } = this.options.faults;
    return kills > 0 || drains > 0 || loss > 0 || suspects > 0;
  }

  get living(): SimNode[] {
    return this.nodes.filter((node) => node.alive && node.ready && node.listens);
  }

  pick(except?: SimNode): SimNode | undefined {
    const able = this.living.filter((node) => node !== except);
    return able[Math.floor(this.time.random() * able.length)];
  }

  /**
   * The balancer: the client's request goes to some node, and to another one when that one dies under it or, now and
   * then, for no good reason while the first still works on it. The first answer counts.
   */
  request(kind: RequestKind, sid: string, t: string, body: string, done: (answer: Answer) => void): void {
    const attempts: Attempt[] = [];
    let over = false;
    const attempt = (except?: SimNode): void => {
      if (over) return;
      const node = this.pick(except);
      if (node === undefined) {
        this.time.schedule(50, attempt);
        return;
      }
      const mine: Attempt = {
        node,
        over: false,
        connection: { answer: (answer) => arrived(mine, answer), abandon: nothing },
      };
      attempts.push(mine);
      this.time.schedule(this.time.random() * 2, () => {
        if (node.alive && !over)
          mine.held = node.node?.hold(
            { kind, sid, t: kind === RequestKind.Post ? postKey(t, body) : t, body, revision: 4 },
            mine.connection,
          );
      });
      this.#watch(mine, () => over, attempt);
    };
    const arrived = (mine: Attempt, answer: Answer): void => {
      if (mine.over || !mine.node.alive) return;
      mine.over = true;
      this.time.schedule(this.time.random() * 2, () => {
        // The node may have died with the answer still in its socket's buffer; the watch sends the request again then.
        if (over || !mine.node.alive) return;
        over = true;
        for (const other of attempts) if (other !== mine) this.#leave(other);
        done(answer);
      });
    };
    attempt();
    if (this.time.random() < this.options.faults.retry) {
      this.time.schedule(this.time.random() * 50, () => {
        const first = attempts[0];
        if (over || first === undefined) return;
        this.log(`balancer retries ${t}`);
        attempt(first.node);
        // nginx breaks the first connection when it moves on.
        if (this.time.random() < 0.5) this.#leave(first);
      });
    }
  }

  #leave(attempt: Attempt): void {
    attempt.over = true;
    if (attempt.node.alive && attempt.held !== undefined) attempt.node.node?.release(attempt.held, attempt.connection);
  }

  /** Sends the request again when its node dies. */
  #watch(attempt: Attempt, over: () => boolean, again: () => void): void {
    const look = (): void => {
      if (over()) return;
      if (attempt.node.alive) this.time.schedule(20, look);
      else again();
    };
    this.time.schedule(20, look);
  }
}

function nothing(): void {
  // Of no interest here.
}

function hostOf(engine: Engine): ClusterHost {
  const host = engine.host;
  if (host instanceof ClusterHost) return host;
  throw new Error("the simulated engine is not in a cluster");
}

export function fakeRequest(): EngineRequest {
  return Object.assign(new IncomingMessage(new NetSocket()), {
    _query: Object.create(null) as Record<string, string>,
    res: null,
  });
}
