import { seeded } from "../../src/time/virtual-clock";
import type { ClientPlan, Fault, Rates, Schedule } from "./schedule";

const CLIENTS = 3;
const MESSAGES = 6;
const PUSHES = 8;
/** Faults begin behind this time, in virtual milliseconds, and within one of these: while clients have much to say, or later too. */
const FROM = 500;
const WITHIN = [8000, 8000, 20_000] as const;

/** What a profile draws from. */
class Draw {
  readonly random: () => number;
  readonly #within: number;

  constructor(seed: number) {
    this.random = seeded(seed ^ 0x5eed);
    this.#within = this.one(...WITHIN);
  }

  one<Value>(...list: readonly [Value, ...Value[]]): Value {
    return list[Math.floor(this.random() * list.length)] ?? list[0];
  }

  between(least: number, most: number): number {
    return least + this.random() * (most - least);
  }

  times(count: number, make: () => Fault): Fault[] {
    return Array.from({ length: count }, make);
  }

  get at(): number {
    return FROM + this.random() * this.#within;
  }

  kills(count: number): Fault[] {
    return this.times(count, () => ({ kind: "kill", at: this.at, who: this.random(), back: this.random() * 3000 }));
  }

  drains(count: number): Fault[] {
    return this.times(count, () => ({ kind: "drain", at: this.at, who: this.random(), back: this.random() * 3000 }));
  }

  suspects(count: number): Fault[] {
    return this.times(count, () => ({ kind: "suspect", at: this.at, who: this.random(), whom: this.random() }));
  }

  /** Around a lease, and around what detection and the grace of a poll add to it. */
  pauses(count: number): Fault[] {
    return this.times(count, () => {
      const lasts = this.one(this.between(50, 1500), this.between(1500, 4500), this.between(4500, 9000));
      return { kind: "pause", at: this.at, who: this.random(), lasts };
    });
  }

  storeAways(count: number): Fault[] {
    return this.times(count, () => {
      const lasts = this.one(this.between(20, 1000), this.between(1000, 6000), this.between(6000, 13_000));
      const who = this.one(-1, this.random());
      return { kind: "storeAway", at: this.at, who, lasts, hangs: this.random() < 0.5 };
    });
  }

  busTroubles(count: number): Fault[] {
    return this.times(count, () => {
      const { at } = this;
      const kind = this.one("busSlow", "busCut", "busSilent");
      if (kind === "busSlow") return { kind, at, lasts: this.between(200, 4000), by: this.between(50, 600) };
      return { kind, at, who: this.random(), lasts: this.one(this.between(50, 1500), this.between(1500, 9000)) };
    });
  }

  silences(count: number): Fault[] {
    return this.times(count, () => ({
      kind: "busSilent",
      at: this.at,
      who: this.random(),
      lasts: this.between(500, 12_000),
    }));
  }

  rates(): Rates {
    return {
      loss: this.one(0, 0.01, 0.03),
      resend: this.one(0, 0.05, 0.2),
      late: this.one(0, 0.3),
      retry: this.one(0, 0.2, 0.5),
      breaks: this.one(0, 0, 0.1),
    };
  }

  clients(upgrades: number): ClientPlan[] {
    return Array.from({ length: CLIENTS }, () => {
      const connectsAt = this.random() * 300 + 50;
      return this.random() < upgrades ? { connectsAt, upgradesAt: this.random() * 6000 } : { connectsAt };
    });
  }
}

interface Drawn {
  readonly upgrades: number;
  readonly rates: Rates;
  readonly faults: readonly Fault[];
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
  }),
  /** Much of what sets two nodes against each other. */
  rivals: (draw) => ({
    upgrades: 0,
    rates: { loss: 0.03, resend: 0.2, late: 0.3, retry: 0.7, breaks: 0 },
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
  /** Nothing can be promised where owners change while the store loses data: no other fault here makes them. */
  "store lost": (draw) => {
    const faults = draw.times(draw.one(1, 2), () =>
      draw.one<Fault>(
        { kind: "storeLost", at: 1000 + draw.at },
        { kind: "storeOlder", at: 1000 + draw.at, by: draw.one(draw.between(1, 20), draw.between(20, 1500)) },
      ),
    );
    return { upgrades: draw.one(0, 0.5, 1), rates: { ...draw.rates(), late: 0 }, faults };
  },
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
    ],
  }),
  /** Upgrades, and websockets, while messages are lost and nodes come and go. */
  websockets: (draw) => ({
    upgrades: 1,
    rates: { ...draw.rates(), loss: draw.one(0, 0.03, 0.1) },
    faults: draw.one(draw.kills(1), draw.suspects(6), draw.pauses(1), draw.busTroubles(1), draw.drains(1)),
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
      ...draw.busTroubles(draw.one(0, 1)),
    ],
  }),
};

export const PROFILE_NAMES: readonly string[] = Object.keys(PROFILES);

/** The history of a seed: of the given profile, or of the one whose turn it is, so that each meets each. */
export function scheduleOf(seed: number, profile = PROFILE_NAMES[seed % PROFILE_NAMES.length] ?? ""): Schedule {
  const make = PROFILES[profile];
  if (make === undefined)
    throw new Error(`there is no profile ${JSON.stringify(profile)}; there are ${PROFILE_NAMES.join(", ")}`);
  const draw = new Draw(seed);
  const { upgrades, rates, faults } = make(draw);
  const clients = draw.clients(upgrades);
  const inOrder = [...faults].sort((a, b) => a.at - b.at);
  return { seed, profile, clients, messages: MESSAGES, pushes: PUSHES, rates, faults: inOrder };
}
