import { resolveTuning, type ResolvedTuning } from "../../src/cluster-options";
import { MemoryMedium } from "../../src/bus/memory/memory-bus";
import type { NodeId } from "../../src/store/port";
import { VirtualTime } from "../../src/time/virtual-clock";
import { storeLimits } from "../../src/wiring";
import { Application } from "./application";
import type { SimClient } from "./client";
import { MOMENT } from "./draw";
import { Excuses } from "./excuses";
import type { Fault, Schedule } from "./schedule";
import { RelayLosses } from "./relay-losses";
import { Sends } from "./sends";
import { SimNode } from "./sim-node";
import { SimRecords } from "./sim-records";
import { StoreFaults } from "./store-faults";
import { Strikes } from "./strikes";

/** What the responses that are written last may take, in milliseconds. */
const LAST_RESPONSES = 10;
/** As the package has it, in milliseconds. */
const DRAIN_TIMEOUT = 10_000;
/** Longest way of a message of the bus, in virtual milliseconds. */
const BUS_DELAY = 3;
const NODES = 3;

/** While it lasts, a node, or every one, cannot do what it should. */
interface Trouble {
  readonly kind: Fault["kind"];
  readonly who: SimNode | undefined;
  readonly from: number;
  readonly until: number;
}

/** A simulated cluster, and what goes wrong in it. */
export class World {
  readonly schedule: Schedule;
  readonly time: VirtualTime;
  readonly medium: MemoryMedium;
  readonly records: SimRecords;
  readonly tuning: ResolvedTuning;
  readonly application: Application;
  readonly sends: Sends;
  readonly excuses: Excuses;
  readonly nodes: SimNode[] = [];
  readonly clients = new Map<string, SimClient>();
  readonly violations: string[] = [];
  readonly #logged: { readonly at: number; readonly text: string }[] = [];
  readonly troubles: Trouble[] = [];
  readonly strikes: Strikes;
  readonly #store: StoreFaults;
  readonly #silent = new Map<NodeId, number>();
  /** How many nodes ended of what a session's client said. */
  poisonings = 0;
  readonly #poisoned = new Map<string, number>();
  #slowBy = 0;
  #sids = 0;
  #nodeIds = 0;
  #ts = 0;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
    this.time = new VirtualTime(schedule.seed);
    const { time } = this;
    this.strikes = new Strikes(() => time.now);
    // The medium is nobody's process: what is on its way arrives though its sender is dead.
    this.medium = new MemoryMedium(time.process());
    const losses = new RelayLosses(schedule.rates.relays, time.random);
    this.medium.intercept = (from, to, message) => {
      if (losses.loses(from, to, message)) return "drop";
      if (this.#silent.has(from) || this.#silent.has(to) || time.random() < schedule.rates.loss) return "drop";
      return time.random() * (BUS_DELAY + this.#slowBy);
    };
    const { pingInterval, pingTimeout } = schedule.heartbeat;
    this.tuning = resolveTuning({ takeover: schedule.takeover }, pingInterval, pingTimeout);
    const limits = storeLimits(this.tuning, pingInterval, pingTimeout);
    this.records = new SimRecords(
      () => time.now,
      limits,
      this.storeGoesBack,
      (text) => {
        this.violate(text);
      },
    );
    this.application = new Application(this);
    this.sends = new Sends(this);
    this.excuses = new Excuses(this);
    this.#store = new StoreFaults(this);
    this.records.onClaimed = (sid, record) => {
      this.excuses.claimed(sid, record);
    };
    for (let i = 0; i < NODES; i++) this.addNode();
    for (const fault of schedule.faults) {
      time.schedule(fault.at, () => {
        this.#fail(fault);
      });
    }
  }

  addNode(): void {
    const node = new SimNode(this, `n${String(++this.#nodeIds)}`);
    this.nodes.push(node);
    this.#store.onStarted(node);
  }

  nextSid(): string {
    return `s${String(++this.#sids)}`;
  }

  nextT(): string {
    return `t${String(++this.#ts)}`;
  }

  log(text: string): void {
    this.#logged.push({ at: this.time.now, text });
  }

  /** What was logged, in lines with their times; made when it is asked for, which is of one history in thousands. */
  get trace(): string[] {
    return this.#logged.map(({ at, text }) => `${at.toFixed(1)} ${text}`);
  }

  violate(text: string): void {
    this.log(`VIOLATION ${text}`);
    this.violations.push(text);
  }

  /** Nodes leave, and nothing else goes wrong: nobody is to notice. */
  get onlyDepartures(): boolean {
    const { faults, rates, clients } = this.schedule;
    const harmless = clients.every(({ poison }) => poison === undefined);
    return harmless && rates.loss === 0 && faults.every(({ kind }) => kind === "drain" || kind === "storeSlow");
  }

  /** Nodes that live are heard, and are never taken for dead: their sessions are nobody else's. */
  get noneIsTakenForDead(): boolean {
    const { faults, rates, ownersStay } = this.schedule;
    return ownersStay || (rates.loss === 0 && faults.every((fault) => SURE.has(fault.kind) || isMoment(fault)));
  }

  takenOver(node: SimNode, sid: string, from: NodeId): void {
    if (from === node.id || !this.noneIsTakenForDead) return;
    const owner = this.nodes.find(({ id }) => id === from);
    if (owner?.alive === true && owner.leavesSince === undefined)
      this.violate(`${node.id} takes over ${sid} from ${from}, which lives`);
  }

  /** Whether the session's client may be told that it is closed: by the application, or since its owner died and none adopts. */
  mayClose(sid: string): boolean {
    return this.sends.isClosing(sid) || this.schedule.takeover === "close";
  }

  get storeGoesBack(): boolean {
    return this.schedule.faults.some((fault) => fault.kind === "storeOlder" || losesALittle(fault));
  }

  /** The node that is cut off, while it is, where nothing else goes wrong, and since when. */
  get cutOff(): Trouble | undefined {
    const [trouble] = this.troubles;
    return this.oneIsCutOff && trouble !== undefined && trouble.until > this.time.now ? trouble : undefined;
  }

  /** One node is cut off, from store or bus, and nothing else goes wrong: it is to keep nothing (I1 to I4). */
  get oneIsCutOff(): boolean {
    const { faults, rates } = this.schedule;
    const [first] = faults;
    if (first === undefined || faults.length > 1 || rates.loss > 0) return false;
    return first.kind === "busCut" || (first.kind === "storeAway" && first.who >= 0);
  }

  get living(): SimNode[] {
    return this.nodes.filter((node) => node.alive && node.ready && node.listens);
  }

  pick(except?: SimNode): SimNode | undefined {
    return this.choose(this.time.random(), except);
  }

  /** The node that `who`, in [0, 1), picks among those that live. */
  choose(who: number, except?: SimNode): SimNode | undefined {
    const able = this.living.filter((node) => node !== except);
    return able[Math.floor(who * able.length)];
  }

  // ---- what goes wrong ----

  #fail(fault: Fault): void {
    switch (fault.kind) {
      case "kill":
      case "drain":
        this.#end(fault.kind, fault.who, fault.back);
        return;
      case "suspect":
        this.#suspect(fault.who, fault.whom);
        return;
      case "storeLost":
        this.#store.lose(Infinity);
        return;
      case "storeOlder":
        this.#store.lose(fault.by);
        return;
      case "storeAway":
        this.#store.away(fault);
        return;
      case "storeSlow":
        this.#store.slow(fault);
        return;
      case "busSlow":
        this.log("the bus is slow");
        this.#slowBy += fault.by;
        this.during("busSlow", undefined, fault.lasts, () => {
          this.#slowBy -= fault.by;
        });
        return;
      case "pause":
      case "busCut":
      case "busSilent": {
        const node = this.choose(fault.who);
        if (node !== undefined) this.#trouble(fault.kind, node, fault.lasts);
      }
    }
  }

  /** It is over `lasts` milliseconds from now on. */
  during(kind: Fault["kind"], who: SimNode | undefined, lasts: number, over: () => void): void {
    const { now } = this.time;
    this.troubles.push({ kind, who, from: now, until: now + lasts });
    this.strikes.hit(kind, who?.id, lasts);
    this.time.schedule(lasts, over);
  }

  #trouble(kind: "pause" | "busCut" | "busSilent", node: SimNode, lasts: number): void {
    this.log(`${node.id} ${WORDS[kind]} for ${lasts.toFixed(0)} ms`);
    if (kind === "pause") {
      if (node.process.paused) return;
      node.pause();
      this.during(kind, node, lasts, () => {
        if (node.alive) this.log(`${node.id} goes on`);
        node.process.resume();
      });
    } else if (kind === "busCut") {
      if (!node.bus.connected) return;
      this.medium.cut(node.bus);
      this.during(kind, node, lasts, () => {
        this.log(`${node.id} has the bus again`);
        this.medium.heal(node.bus);
      });
    } else {
      const { id } = node;
      this.#silent.set(id, (this.#silent.get(id) ?? 0) + 1);
      this.during(kind, node, lasts, () => {
        this.log(`${id} is heard again`);
        const left = (this.#silent.get(id) ?? 1) - 1;
        if (left === 0) this.#silent.delete(id);
        else this.#silent.set(id, left);
      });
    }
  }

  #end(kind: "kill" | "drain", who: number, back: number): void {
    const node = this.choose(who);
    // One always lives on: there is no promise without a node.
    if (node === undefined || this.living.length < 2) return;
    if (kind === "kill") this.kill(node);
    else this.#drain(node);
    this.time.schedule(back, () => {
      this.addNode();
    });
  }

  kill(node: SimNode): void {
    this.log(`kill ${node.id}`);
    this.strikes.hit("kill", node.id);
    node.kill();
    this.medium.kill(node.bus);
  }

  /** As on SIGTERM: it gives up what it has, takes no new connections once its sessions are others', and ends. */
  #drain(node: SimNode): void {
    node.process.deliver(() => {
      this.log(`${node.id} leaves`);
      this.strikes.hit("drain", node.id);
      node.leavesSince = this.time.now;
      const left = node.host.drain(DRAIN_TIMEOUT, () => {
        this.log(`${node.id} has handed over`);
        node.listens = false;
      });
      void left.then(() => {
        if (!node.alive) return;
        if (this.onlyDepartures && this.time.now - (node.leavesSince ?? 0) >= DRAIN_TIMEOUT)
          this.violate(`${node.id} has something left when its time to leave is over`);
        // What it has answered is written first.
        this.time.schedule(LAST_RESPONSES, () => {
          if (node.alive) this.kill(node);
        });
      });
    });
  }

  /** What a client said ends the process that handles it, and another one is started. */
  poison(node: SimNode, sid: string): void {
    const ended = (this.#poisoned.get(sid) ?? 0) + 1;
    this.#poisoned.set(sid, ended);
    this.poisonings++;
    if (ended > 2) this.violate(`${sid} ends a third node with the same request`);
    this.kill(node);
    this.time.schedule(100, () => {
      this.addNode();
    });
  }

  /** One node finds nobody at another one, twice, though that one lives. */
  #suspect(who: number, whom: number): void {
    const believer = this.choose(who);
    const victim = this.choose(whom, believer);
    if (believer === undefined || victim === undefined) return;
    this.log(`${believer.id} takes ${victim.id} for dead`);
    this.strikes.hit("suspect", believer.id);
    this.strikes.hit("suspect", victim.id);
    const finds = (): void => {
      believer.process.deliver(() => believer.node?.onNoResponder(victim.id));
    };
    finds();
    this.time.schedule(130, finds);
  }
}

/** Faults behind which a node is dead, or leaves, or is heard. */
const SURE: ReadonlySet<Fault["kind"]> = new Set(["kill", "drain", "storeSlow"]);

function losesALittle(fault: Fault): boolean {
  return fault.kind === "storeAway" && fault.losesOnReturn !== undefined && fault.losesOnReturn < Infinity;
}

function isMoment(fault: Fault): boolean {
  return fault.kind === "pause" && fault.lasts <= MOMENT;
}

const WORDS = { pause: "stands still", busCut: "loses the bus", busSilent: "is not heard" };
