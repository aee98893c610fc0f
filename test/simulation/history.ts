import { SimClient } from "./client";
import { endOf, type Schedule } from "./schedule";
import { runMicrotasks } from "./microtasks";
import { World } from "./world";

export interface Outcome {
  readonly schedule: Schedule;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly events: number;
  /** Sessions that were adopted by another node. */
  readonly recovered: number;
  readonly sessions: number;
  /** Sessions that went over to a websocket, and those that lost it or were dropped for what cannot be promised. */
  readonly upgraded: number;
  readonly ended: number;
  readonly unavailables: number;
}

/** Virtual milliseconds of a history: long enough for a lease to end and a ping to come after a takeover. */
const LONGEST = 120_000;
/** Behind the last fault, virtual milliseconds. */
const QUIET = 3000;
const SHORTEST = 12_000;
/** Behind the last fault all that others have to know of it is known, in virtual milliseconds; and what is sent then comes within. */
const SETTLED = 10_000;
const PROBED_WITHIN = 8000;
/** How often the nodes' tables are looked at, and how long they are given to be empty when all is over: two sweeps and `linger`. */
const LOOKED_AT = 500;
const EMPTY_AFTER = 70_000;
/** Virtual milliseconds. Owners give up a poll after `pollGrace`; a websocket, when they know that its gateway is dead, or a message lost. */
const ENDED_AFTER = 10_000;
/** Virtual milliseconds: a lease, and what it takes to know that others hold theirs. */
const LET_GO_WITHIN = 10_000;
/** Virtual milliseconds: longer than the way of a connection's end to the holder, and on to the owner. */
const TOLD_WITHIN = 20;
/** What one node may keep of anything at once, with three clients. */
const MOST_KEPT = 12;

/** One history: a cluster, clients with echoes and pushes, and the faults of its schedule. */
export function runHistory(schedule: Schedule): Outcome {
  return new History(schedule).run();
}

class History {
  readonly #world: World;
  readonly #clients: readonly SimClient[];
  readonly #quietAt: number;
  readonly #settledAt: number;
  #events = 0;
  #lookAt = 0;

  constructor(schedule: Schedule) {
    this.#world = new World(schedule);
    this.#clients = schedule.clients.map((plan) => new SimClient(this.#world, plan));
    const last = Math.max(0, ...schedule.faults.map(endOf));
    this.#quietAt = Math.max(SHORTEST, last + QUIET);
    this.#settledAt = last + SETTLED;
  }

  run(): Outcome {
    const world = this.#world;
    const { schedule } = world;
    this.#runUntil(LONGEST, () => this.#finished());
    this.#check();
    this.#probe();
    const ended = this.#clients.filter((client) => client.ended).length;
    if (world.violations.length === 0) this.#close();
    return {
      schedule,
      violations: world.violations,
      get trace() {
        return world.trace;
      },
      events: this.#events,
      recovered: world.application.recovered,
      sessions: this.#clients.filter((client) => client.sid !== "").length,
      upgraded: this.#clients.filter((client) => client.upgraded).length,
      ended,
      unavailables: world.excuses.unavailables,
    };
  }

  #runUntil(end: number, done: () => boolean): void {
    const { time, violations } = this.#world;
    while (time.now < end && violations.length === 0 && !done()) {
      if (!time.step()) return;
      this.#events++;
      runMicrotasks();
      if (time.now >= this.#lookAt) this.#look();
    }
  }

  #finished(): boolean {
    return (
      this.#world.time.now > this.#quietAt &&
      // What is missing takes longest to find out: only once all are done, since this is asked behind every event.
      this.#clients.every((client) => client.sid === "" || client.done) &&
      this.#clients.every((client) => client.sid === "" || this.#missing(client).length === 0)
    );
  }

  /** What is in the record of the session, or the application was told is on its way, and the client does not have. */
  #missing(client: SimClient): string[] {
    if (client.mayMiss) return [];
    const { application, records, sends } = this.#world;
    const pushed = [...application.confirmed(client.sid)].map((number) => `p${String(number)}`);
    const owed = new Set([...records.recorded(client.sid), ...sends.taken(client.sid), ...pushed]);
    return [...owed].filter((text) => !client.got.has(text));
  }

  #check(): void {
    const world = this.#world;
    if (world.violations.length > 0) return;
    for (const client of this.#clients) {
      // What a websocket had not delivered when it was closed is lost with it, as everywhere.
      if (client.sid === "" || client.ended) continue;
      if (!client.done) {
        const counts = `sent ${String(client.sent)}, ok ${String(client.acknowledged)}, echoes ${String(client.echoes)}`;
        world.violate(`${client.sid} hangs: ${counts}`);
      }
      const lost = this.#missing(client);
      if (lost.length > 0) world.violate(`${client.sid}: ${lost.join(", ")} were recorded and never came`);
      if (world.schedule.rates.relays > 0 && client.failedToUpgrade)
        world.violate(`${client.sid} did not go over to its websocket, though only a few messages were lost`);
    }
  }

  /** All has been well for a while: what is sent now, from whatever node, comes soon, with no ping to help. */
  #probe(): void {
    const world = this.#world;
    if (world.violations.length > 0) return;
    const { time } = world;
    this.#runUntil(Math.max(time.now, this.#settledAt), () => false);
    this.#checkRefused();
    const sent = this.#clients
      .filter((client) => client.sid !== "" && !client.over)
      .flatMap((client) => {
        const node = world.pick();
        return node === undefined ? [] : [{ client, text: world.sends.send(node, client.sid) }];
      });
    const missing = (): typeof sent => sent.filter(({ client, text }) => !client.over && !client.got.has(text));
    this.#runUntil(time.now + PROBED_WITHIN, () => missing().length === 0);
    if (world.violations.length > 0) return;
    for (const { client, text } of missing()) world.violate(`${client.sid}: ${text} did not come, though all was well`);
  }

  /** Not sooner: whose websocket lost its owner a moment ago lives still, and its session has ended. */
  #checkRefused(): void {
    const world = this.#world;
    if (world.violations.length > 0) return;
    for (const { sid, over } of this.#clients) {
      const refused = [...world.sends.refused(sid)];
      if (over || refused.length === 0 || world.mayClose(sid)) continue;
      world.violate(`${sid} lives, and senders were told that there is no such session: ${refused.join(", ")}`);
    }
  }

  /** No table of a node grows beyond what there is to keep. */
  #look(): void {
    const world = this.#world;
    this.#lookAt = world.time.now + LOOKED_AT;
    this.#lookAtCutOff();
    for (const { id, alive, node } of world.nodes) {
      if (!alive || node === undefined) continue;
      const { sizes } = node;
      // Object.entries makes eleven arrays, and this is done a thousand times in a history.
      for (const name in sizes) {
        const size = sizes[name] ?? 0;
        if (size > MOST_KEPT) world.violate(`${id} keeps ${String(size)} ${name}`);
      }
    }
  }

  /** I3: what waits at a node that alone is cut off is let go, for another one to have. */
  #lookAtCutOff(): void {
    const world = this.#world;
    const { now } = world.time;
    const { who: node, from = now } = world.cutOff ?? {};
    if (node === undefined) return;
    for (const request of this.#clients.flatMap(({ requests }) => requests)) {
      const since = Math.max(from, request.waitsSince(node) ?? now);
      if (now - since > LET_GO_WITHIN) world.violate(`${request.t} waits at ${node.id}, which alone is cut off`);
    }
  }

  /** All clients leave and all sessions are closed: nothing may be left of them, in a while. */
  #close(): void {
    const world = this.#world;
    world.log("all is closed");
    this.#leave();
    if (world.violations.length > 0) return;
    for (const { alive, host } of world.nodes) {
      if (!alive) continue;
      for (const socket of Object.values(host.clients)) socket.close(true);
    }
    this.#runUntil(world.time.now + EMPTY_AFTER, () => false);
    if (world.violations.length > 0) return;
    for (const { sid, upgraded } of this.#clients) {
      const found = world.records.look(sid);
      // The record of a dead owner's websocket ends by its time, and one that was closed before the store went back.
      if (!upgraded && !world.storeGoesBack && found.kind === "found" && found.phase !== "closed")
        world.violate(`${sid} goes on, and its client is gone for long`);
    }
    for (const { id, alive, node, host } of world.nodes) {
      if (!alive || node === undefined) continue;
      for (const [name, size] of Object.entries(node.sizes))
        if (size > 0) world.violate(`${id} has ${String(size)} ${name} left when all is over`);
      const sockets = Object.keys(host.clients).length;
      if (sockets > 0) world.violate(`${id} has ${String(sockets)} sockets left when all is over`);
    }
    this.#stop();
  }

  /** The clients are gone without a word: where nothing is lost, the owners hear of the polls that broke, and give them up. */
  #leave(): void {
    const world = this.#world;
    const isParked = ({ sid }: SimClient): boolean => {
      const owner = world.nodes.find(({ alive, node }) => alive && node?.session(sid)?.over === false);
      return owner?.node?.session(sid)?.hasPoll === true;
    };
    let polling = this.#clients.filter((client) => !client.over && client.poll?.nodes.length === 1 && isParked(client));
    for (const client of this.#clients) client.leave();
    // A poll that was answered a moment ago, or while its owner was told, is parked nowhere; then it takes a ping.
    this.#runUntil(world.time.now + TOLD_WITHIN, () => false);
    polling = polling.filter(isParked);
    if (world.schedule.endsWithDeath) {
      const node = world.pick();
      if (node !== undefined && world.living.length > 1) world.kill(node);
    }
    // Whatever became of a websocket, its session does not outlive it.
    this.#runUntil(world.time.now + ENDED_AFTER, () => false);
    for (const { sid, upgraded } of this.#clients) {
      const owner = world.nodes.find(({ alive, node }) => alive && node?.session(sid)?.over === false);
      if (upgraded && owner?.node?.session(sid)?.direct === true)
        world.violate(`${sid} goes on at ${owner.id}, and its websocket is closed`);
    }
    // A holder that is dead, or was taken for it, or whose owner moved, may say nothing: then it takes a ping too.
    const { rates, faults } = world.schedule;
    if (world.schedule.endsWithDeath) return;
    const moves = (fault: (typeof faults)[number]): boolean =>
      fault.kind === "storeAway" ? fault.lasts > world.tuning.leaseTtl / 2 : !fault.kind.startsWith("store");
    if (rates.loss > 0 || faults.some(moves)) return;
    for (const { sid } of polling) {
      const found = world.records.look(sid);
      if (found.kind === "found" && found.phase !== "closed")
        world.violate(`${sid} is not given up, and its client is gone`);
    }
  }

  /** The nodes are closed: no timer may be left. */
  #stop(): void {
    const world = this.#world;
    const nodes = world.nodes.filter(({ alive }) => alive);
    for (const { engine } of nodes) engine.close();
    this.#runUntil(world.time.now + 5000, () => nodes.every(({ process }) => process.pending === 0));
    for (const { id, process } of nodes)
      if (process.pending > 0) world.violate(`${id} is closed and has ${String(process.pending)} timers left`);
  }
}
