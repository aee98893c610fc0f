import { SimClient } from "./client";
import { World, type WorldOptions } from "./world";

export interface Outcome {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly events: number;
  readonly recovered: number;
  readonly sessions: number;
  /** Sessions that went over to a websocket, and those that lost it. */
  readonly upgraded: number;
  readonly ended: number;
}

const CLIENTS = 3;
const MESSAGES = 6;
/** Virtual milliseconds of a history: long enough for a lease to end and a ping to come after a takeover. */
const LONGEST = 120_000;

/** One history: a cluster, clients with echoes and pushes, and the faults that the seed chooses. */
export async function runHistory(options: WorldOptions): Promise<Outcome> {
  const world = new World(options);
  const { time } = world;
  const clients = Array.from({ length: CLIENTS }, () => {
    const upgrades = time.random() < options.faults.upgrades;
    return new SimClient(world, MESSAGES, upgrades ? time.random() * 6000 : undefined);
  });
  for (const client of clients) {
    time.schedule(time.random() * 300 + 50, () => {
      client.connect();
    });
  }
  for (let i = 0; i < options.faults.kills; i++) {
    time.schedule(500 + time.random() * 8000, () => {
      const victim = world.pick();
      // One always lives on: there is no promise without a node.
      if (victim === undefined || world.living.length < 2) return;
      world.kill(victim);
      time.schedule(time.random() * 3000, () => {
        world.addNode();
      });
    });
  }
  for (let i = 0; i < options.faults.drains; i++) {
    time.schedule(500 + time.random() * 8000, () => {
      const leaver = world.pick();
      if (leaver === undefined || world.living.length < 2) return;
      world.drain(leaver);
      time.schedule(time.random() * 3000, () => {
        world.addNode();
      });
    });
  }
  for (let i = 0; i < options.faults.storeLosses; i++) {
    time.schedule(1000 + time.random() * 8000, () => {
      world.loseStore();
    });
  }
  for (let i = 0; i < options.faults.suspects; i++) {
    time.schedule(500 + time.random() * 8000, () => {
      world.suspect();
    });
  }
  let events = 0;
  while (time.now < LONGEST && world.violations.length === 0 && !finished(world, clients)) {
    if (!time.step()) break;
    events++;
    await settle();
  }
  check(world, clients);
  const recovered = [...world.recovered.values()].reduce((sum, count) => sum + count, 0);
  const sessions = clients.filter((client) => client.sid !== "").length;
  return {
    seed: options.seed,
    violations: world.violations,
    trace: world.trace,
    events,
    recovered,
    sessions,
    upgraded: clients.filter((client) => client.upgraded).length,
    ended: clients.filter((client) => client.ended).length,
  };
}

function finished(world: World, clients: readonly SimClient[]): boolean {
  return (
    world.time.now > 12_000 &&
    clients.every((client) => client.sid === "" || client.ended || (client.done && missing(world, client).length === 0))
  );
}

/** Pushes that the application was told are on their way, and the client does not have. */
function missing(world: World, client: SimClient): number[] {
  const confirmed = world.pushes.get(client.sid)?.confirmed ?? new Set<number>();
  return [...confirmed].filter((number) => !client.pushes.includes(number));
}

function check(world: World, clients: readonly SimClient[]): void {
  if (world.violations.length > 0) return;
  for (const client of clients) {
    // What a websocket had not delivered when it was closed is lost with it, as everywhere.
    if (client.sid === "" || client.ended) continue;
    if (!client.done) {
      const counts = `sent ${String(client.sent)}, ok ${String(client.acknowledged)}, echoes ${String(client.echoes)}`;
      world.violate(`${client.sid} hangs: ${counts}`);
    }
    const lost = missing(world, client);
    if (lost.length > 0) world.violate(`${client.sid}: pushes ${lost.join(", ")} were confirmed and never came`);
  }
}

/** Lets the microtasks of an event run. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
