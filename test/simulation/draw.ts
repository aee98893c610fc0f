import { seeded } from "../../src/time/virtual-clock";
import { endOf, type ClientPlan, type Fault, type Rates } from "./schedule";

const CLIENTS = 3;
/** Faults begin behind this time, in virtual milliseconds, and within one of these: while clients have much to say, or later too. */
const FROM = 500;
const WITHIN = [8000, 8000, 20_000] as const;

/** A process that stands still for no longer is never taken for dead, in milliseconds. */
export const MOMENT = 500;

/** What a profile draws from. */
export class Draw {
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

  stutters(count: number): Fault[] {
    return this.times(count, () => ({
      kind: "pause",
      at: this.at,
      who: this.random(),
      lasts: this.between(10, MOMENT),
    }));
  }

  storeAways(count: number): Fault[] {
    return this.times(count, () => {
      const lasts = this.one(this.between(20, 1000), this.between(1000, 6000), this.between(6000, 13_000));
      const who = this.one(-1, this.random());
      return { kind: "storeAway", at: this.at, who, lasts, hangs: this.random() < 0.5 };
    });
  }

  storeSlows(count: number): Fault[] {
    return this.times(count, () => this.#storeSlow(this.at, this.between(200, 6000)));
  }

  #storeSlow(at: number, lasts: number): Fault {
    const by = this.one(this.between(20, 200), this.between(100, 500));
    return { kind: "storeSlow", at, who: this.one(-1, this.random()), lasts, by };
  }

  /** The store answers late, and a node dies meanwhile: its sessions are claimed long before their new owners know. */
  deathsBehindSlowness(count: number): Fault[] {
    return Array.from({ length: count }, (): Fault[] => {
      const { at } = this;
      const lasts = this.between(1000, 6000);
      return [
        this.#storeSlow(at, lasts),
        { kind: "kill", at: at + this.random() * lasts, who: this.random(), back: this.random() * 3000 },
      ];
    }).flat();
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
      relays: 0,
    };
  }

  /**
   * `upgrades`, `closes`, `poisons`: how many of them go over to a websocket, how many sessions the application closes, and how
   * many send what no process survives.
   */
  clients(upgrades: number, closes: number, poisons: number): ClientPlan[] {
    return Array.from({ length: CLIENTS }, () => {
      const connectsAt = this.random() * 300 + 50;
      const upgrade = this.random() < upgrades ? { upgradesAt: this.random() * 6000 } : {};
      if (this.random() < poisons) return { connectsAt, poison: 1 + Math.floor(this.random() * 3) };
      if (this.random() >= closes) return { connectsAt, ...upgrade };
      const at = connectsAt + 500 + this.random() * this.#within;
      return { connectsAt, ...upgrade, closes: { at, from: this.one("owner", "anywhere") } };
    });
  }

  /** When the client, which counts from its handshake, is to try to go over, for a node to end meanwhile. */
  justBefore({ connectsAt }: ClientPlan, faults: readonly Fault[]): number {
    const [first = this.at, ...rest] = faults
      .filter(({ kind }) => kind === "kill" || kind === "drain")
      .map(({ at }) => at);
    return Math.max(0, this.one(first, ...rest) - connectsAt - this.between(0, 60));
  }

  /** The store stands still for all, and a node dies meanwhile: what it let out before its commits is noticed. */
  deathsBehindHangs(count: number): Fault[] {
    return Array.from({ length: count }, (): Fault[] => {
      const { at } = this;
      const lasts = this.between(100, 1000);
      const dies = at + this.random() * lasts;
      return [
        { kind: "storeAway", at, who: -1, lasts, hangs: true },
        { kind: "kill", at: dies, who: this.random(), back: this.random() * 2000 },
      ];
    }).flat();
  }

  /**
   * The store is away for all, for a moment or for longer than a lease, and comes back empty or older; and much that takes nobody
   * for dead happens about then. A node that dies does so when what was lost is written again.
   */
  storeBacks(): Fault[] {
    const at = 1000 + this.at;
    const lasts = this.one(this.between(20, 1000), this.between(1000, 5000), this.between(5000, 13_000));
    const losesOnReturn = this.one(Infinity, Infinity, this.between(1, 20), this.between(20, 5000));
    const about = (): number => Math.max(FROM, at + this.between(-1500, lasts + 1500));
    const others = Array.from({ length: this.one(0, 1, 2, 4) }, () => this.#passing(about()));
    const deaths = this.kills(this.one(0, 0, 1)).map((kill) => ({
      ...kill,
      at: at + lasts + this.between(10_000, 15_000),
    }));
    return [{ kind: "storeAway", at, who: -1, lasts, hangs: this.random() < 0.3, losesOnReturn }, ...others, ...deaths];
  }

  /** What is over before anybody is taken for dead of it. */
  #passing(at: number): Fault {
    switch (this.one("pause", "pause", "busSlow", "storeSlow", "busSilent")) {
      case "pause":
        return { kind: "pause", at, who: this.random(), lasts: this.between(10, 2500) };
      case "busSlow":
        return { kind: "busSlow", at, lasts: this.between(200, 4000), by: this.between(50, 600) };
      case "storeSlow":
        return this.#storeSlow(at, this.between(200, 4000));
      case "busSilent":
        return { kind: "busSilent", at, who: this.random(), lasts: this.between(50, 2000) };
    }
  }

  /** When the client, which counts from its handshake, is to try to go over, for it to happen about the time of the first fault. */
  about({ connectsAt }: ClientPlan, [first]: readonly Fault[]): number {
    const at = first === undefined ? this.at : this.between(first.at - 500, endOf(first) + 1500);
    return Math.max(0, at - connectsAt);
  }

  /** One node is cut off, from the bus or from the store, for longer than its lease and what others then take to notice. */
  cutOffs(): Fault[] {
    const { at } = this;
    const who = this.random();
    const lasts = this.between(8000, 40_000);
    return [
      this.one<Fault>(
        { kind: "busCut", at, who, lasts },
        { kind: "storeAway", at, who, lasts, hangs: this.random() < 0.5 },
      ),
    ];
  }
}
