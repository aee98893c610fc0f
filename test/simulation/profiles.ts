import { Draw } from "./draw";
import type { Beating, ClientPlan, Fault, Rates, Schedule } from "./schedule";

/** What a history has where its profile says nothing else. The heartbeat is as the package has it. */
const USUAL = {
  messages: 6,
  pace: 1500,
  pushes: 8,
  sends: 3,
  heartbeat: { pingInterval: 25_000, pingTimeout: 20_000 },
  takeover: "adopt",
  ownersStay: false,
  endsWithDeath: false,
} as const;

interface Drawn {
  readonly upgrades: number;
  readonly rates: Rates;
  readonly faults: readonly Fault[];
  /** How many sessions the application closes; one in ten where nothing is said. */
  readonly closes?: number;
  readonly sends?: number;
  readonly pushes?: number;
  readonly messages?: number;
  readonly pace?: number;
  readonly heartbeat?: Beating;
  readonly poisons?: number;
  readonly ownersStay?: boolean;
  readonly endsWithDeath?: boolean;
  readonly takeover?: "close";
  /** Only one client goes over to a websocket: what is lost for it would close those of the others. */
  readonly oneUpgrades?: boolean;
  /** Each client goes over to a websocket a moment before a node ends. */
  readonly upgradesAtFaults?: boolean;
  /** Who goes over does so about the time of the first fault. */
  readonly upgradesAboutFault?: boolean;
}

/** By name: what goes wrong in the histories of each. A seed has one of them; see docs/protocol.md. */
const PROFILES: Readonly<Record<string, (draw: Draw) => Drawn>> = {
  /** Some of what was always there: deaths, departures, losses, and suspicions. */
  deaths: (draw) => ({
    upgrades: draw.one(0, 0.5, 1),
    rates: draw.rates(),
    faults: [
      ...draw.kills(draw.one(0, 1, 2)),
      ...draw.drains(draw.one(0, 0, 1, 2)),
      ...draw.suspects(draw.one(0, 0, 2, 6)),
    ],
    endsWithDeath: true,
  }),
  /** Much of what sets two nodes against each other. */
  rivals: (draw) => ({
    upgrades: 0,
    rates: { loss: 0.03, resend: 0.2, late: 0.3, retry: 0.7, breaks: 0, relays: 0 },
    faults: [...draw.one(draw.kills(1), draw.drains(1)), ...draw.suspects(10)],
  }),
  pauses: (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: draw.rates(),
    faults: [...draw.pauses(draw.one(1, 2, 4)), ...draw.kills(draw.one(0, 0, 1)), ...draw.suspects(draw.one(0, 0, 3))],
  }),
  "store away": (draw) => ({
    upgrades: draw.one(0, 0.5),
    rates: draw.rates(),
    faults: [
      ...draw.storeAways(draw.one(1, 2, 3)),
      ...draw.kills(draw.one(0, 0, 1)),
      ...draw.suspects(draw.one(0, 0, 2)),
    ],
  }),
  /** The store takes its time to answer, as one does of a busy process: a claim was made long before its node knows. */
  "store slow": (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: { ...draw.rates(), loss: draw.one(0, 0, 0.01) },
    faults: [...draw.deathsBehindSlowness(draw.one(1, 1, 2)), ...draw.drains(draw.one(0, 0, 1))],
    pace: 300,
    messages: 20,
  }),
  /** A machine that is full: every process stands still again and again, for a moment. */
  busy: (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: { ...draw.rates(), loss: draw.one(0, 0, 0.01) },
    faults: [
      ...draw.stutters(draw.one(10, 30, 60)),
      ...draw.kills(draw.one(1, 2, 3)),
      ...draw.drains(draw.one(0, 0, 1)),
      ...draw.storeSlows(draw.one(0, 1)),
    ],
    pace: 300,
    messages: 20,
  }),
  /** Nothing can be promised where owners change while the store loses data: no other fault here makes them. */
  "store lost": (draw) => {
    const faults = draw.times(draw.one(1, 2), () =>
      draw.one<Fault>(
        { kind: "storeLost", at: 1000 + draw.at },
        { kind: "storeOlder", at: 1000 + draw.at, by: draw.one(draw.between(1, 20), draw.between(20, 1500)) },
      ),
    );
    return { upgrades: draw.one(0, 1, 1), rates: { ...draw.rates(), late: 0 }, faults };
  },
  /** The store is away for a while, comes back empty or older, and what else does not change owners goes wrong about then. */
  "store back": (draw) => ({
    upgrades: draw.one(0, 0.5, 1),
    rates: { ...draw.rates(), late: 0 },
    faults: draw.storeBacks(),
    ownersStay: true,
    upgradesAboutFault: draw.random() < 0.7,
    messages: 20,
    pace: draw.one(300, 1500),
    sends: 8,
  }),
  bus: (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: draw.rates(),
    faults: [...draw.busTroubles(draw.one(1, 2, 4)), ...draw.kills(draw.one(0, 0, 1))],
  }),
  /** Owners that do not hear that they are none any more. */
  stale: (draw) => ({
    upgrades: draw.one(0, 0, 0.3),
    rates: draw.rates(),
    faults: [
      ...draw.suspects(draw.one(4, 8)),
      ...draw.silences(draw.one(1, 2)),
      ...draw.kills(draw.one(1, 2)),
      ...draw.pauses(draw.one(0, 1)),
      ...draw.storeSlows(draw.one(0, 1)),
    ],
  }),
  /** Upgrades, and websockets, while messages are lost and nodes come and go. */
  websockets: (draw) => ({
    upgrades: 1,
    rates: { ...draw.rates(), loss: draw.one(0, 0.03, 0.1) },
    faults: draw.one(draw.kills(1), draw.suspects(6), draw.pauses(1), draw.busTroubles(1), draw.drains(1)),
  }),
  /** What other nodes send, and sessions that are closed, while owners change and the store makes them wait. */
  sends: (draw) => ({
    upgrades: draw.one(0, 0, 0.3),
    rates: { ...draw.rates(), loss: draw.one(0.02, 0.1), late: 0 },
    faults: [...draw.deathsBehindHangs(3), ...draw.suspects(draw.one(0, 4)), ...draw.drains(draw.one(0, 0, 1))],
    closes: 0.4,
    sends: 20,
    pushes: 2,
  }),
  /** Pings often: they, and their answers, are under way whatever happens. */
  heartbeats: (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: draw.rates(),
    faults: draw.one(
      draw.storeAways(2),
      [...draw.storeSlows(3), ...draw.kills(1)],
      [...draw.kills(1), ...draw.suspects(4)],
      draw.pauses(1),
      [...draw.silences(1), ...draw.suspects(3)],
    ),
    pushes: 2,
    heartbeat: { pingInterval: draw.between(1000, 3000), pingTimeout: draw.between(7000, 9000) },
  }),
  /** One node is cut off, and nothing else fails. */
  alone: (draw) => ({
    upgrades: draw.one(0, 0.5, 1),
    rates: { loss: 0, resend: draw.one(0, 0.1), late: draw.one(0, 0.3), retry: draw.one(0, 0.2), breaks: 0, relays: 0 },
    faults: draw.cutOffs(),
    pushes: 20,
  }),
  /** Nodes leave, and nothing else fails: nobody is to notice. */
  departures: (draw) => ({
    upgrades: draw.one(0, 0, 0.5),
    rates: { loss: 0, resend: draw.one(0, 0.1), late: 0, retry: draw.one(0, 0.3), breaks: 0, relays: 0 },
    faults: [...draw.drains(draw.one(1, 2, 3)), ...draw.storeSlows(draw.one(0, 1, 2))],
    messages: 60,
    pace: 200,
  }),
  /** Nodes end just when clients go over to their websockets. */
  "going over": (draw) => ({
    upgrades: 1,
    rates: { ...draw.rates(), loss: draw.one(0, 0, 0.01) },
    faults: [...draw.kills(draw.one(1, 1, 2)), ...draw.drains(draw.one(0, 1)), ...draw.storeSlows(draw.one(0, 0, 1))],
    upgradesAtFaults: true,
    closes: 0,
  }),
  /** Upgrades while what gateways and owners say to each other is lost, and nothing else fails: no websocket closes of it. */
  upgrades: (draw) => ({
    upgrades: 1,
    rates: { ...draw.rates(), loss: 0, relays: draw.one(0.2, 0.4) },
    faults: [],
    oneUpgrades: true,
    messages: 60,
    pace: 100,
    closes: 0,
    sends: 12,
    pushes: 20,
  }),
  /** Messages that end whatever process handles them. */
  poison: (draw) => ({
    upgrades: 0,
    rates: draw.rates(),
    faults: draw.one([], draw.suspects(2)),
    closes: 0,
    poisons: 0.4,
  }),
  /** Sessions of dead owners are closed, not adopted. */
  unadopted: (draw) => ({
    upgrades: draw.one(0, 0.3),
    rates: draw.rates(),
    faults: [...draw.kills(draw.one(1, 2)), ...draw.drains(draw.one(0, 1)), ...draw.suspects(draw.one(0, 2))],
    takeover: "close",
  }),
  /** A little of everything at once. */
  all: (draw) => ({
    upgrades: draw.one(0, 0.3),
    rates: draw.rates(),
    faults: [
      ...draw.kills(draw.one(0, 1)),
      ...draw.drains(draw.one(0, 0, 1)),
      ...draw.suspects(draw.one(0, 2)),
      ...draw.pauses(draw.one(0, 1)),
      ...draw.storeAways(draw.one(0, 1)),
      ...draw.storeSlows(draw.one(0, 1)),
      ...draw.busTroubles(draw.one(0, 1)),
    ],
  }),
};

export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** Those that take turns; each second turn of "store lost" is another one's, which has the same fault with much around it. */
const TURNS = PROFILE_NAMES.filter((name) => name !== "store back");

function profileOf(seed: number): string {
  const name = TURNS[seed % TURNS.length] ?? "";
  return name === "store lost" && Math.floor(seed / TURNS.length) % 2 === 1 ? "store back" : name;
}

/** The history of a seed: of the given profile, or of the one whose turn it is, so that each meets each. */
export function scheduleOf(seed: number, profile = profileOf(seed)): Schedule {
  const make = PROFILES[profile];
  if (make === undefined)
    throw new Error(`there is no profile ${JSON.stringify(profile)}; there are ${PROFILE_NAMES.join(", ")}`);
  const draw = new Draw(seed);
  const { upgrades, rates, faults, closes = 0.1, poisons = 0, ...made } = make(draw);
  const { oneUpgrades, upgradesAtFaults, upgradesAboutFault, ...drawn } = made;
  let all = draw.clients(upgrades, closes, poisons);
  if (oneUpgrades === true) all = all.map((plan, i) => (i === 0 ? plan : withoutUpgrade(plan)));
  if (upgradesAtFaults === true) all = all.map((plan) => ({ ...plan, upgradesAt: draw.justBefore(plan, faults) }));
  if (upgradesAboutFault === true)
    all = all.map((plan) => (plan.upgradesAt === undefined ? plan : { ...plan, upgradesAt: draw.about(plan, faults) }));
  return {
    ...USUAL,
    ...drawn,
    seed,
    profile,
    clients: all,
    rates,
    faults: [...faults].sort((a, b) => a.at - b.at),
  };
}

function withoutUpgrade({ upgradesAt: _, ...plan }: ClientPlan): ClientPlan {
  return plan;
}
