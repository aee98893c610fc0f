import type { Fault } from "./schedule";
import type { SimNode } from "./sim-node";
import type { World } from "./world";

type Absence = Extract<Fault, { kind: "storeAway" }>;
type Slowness = Extract<Fault, { kind: "storeSlow" }>;

/** What goes wrong with the store of a simulated cluster. */
export class StoreFaults {
  readonly #world: World;
  /** How often the store has lost data, and one. */
  #generation = 1;
  #away = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** A node that is started while nobody can reach the store cannot either. */
  onStarted({ store }: SimNode): void {
    if (this.#away > 0) store.break();
  }

  /** The store comes back at once, without what it was told in the last `ms` milliseconds. */
  lose(ms: number): void {
    this.#world.log(ms === Infinity ? "the store loses all" : `the store is as ${ms.toFixed(0)} ms ago`);
    for (const { store } of this.#living) store.break();
    this.#loseData(ms);
    for (const { store } of this.#living) store.heal(this.#generation);
  }

  slow({ who, lasts, by }: Slowness): void {
    const world = this.#world;
    const one = who < 0 ? undefined : world.choose(who);
    world.log(`the store is slow for ${one?.id ?? "all"} for ${lasts.toFixed(0)} ms`);
    const slowed = one === undefined ? this.#living : [one];
    for (const { store } of slowed) store.slowBy += by;
    world.during("storeSlow", one, lasts, () => {
      for (const { store } of slowed) store.slowBy -= by;
    });
  }

  away({ who, lasts, hangs, losesOnReturn }: Absence): void {
    const world = this.#world;
    const one = who < 0 ? undefined : world.choose(who);
    world.log(`the store ${hangs ? "hangs" : "is away"} for ${one?.id ?? "all"} for ${lasts.toFixed(0)} ms`);
    const nodes = one === undefined ? this.#living : [one];
    for (const { store } of nodes) {
      if (hangs) store.stall();
      else store.break();
    }
    if (one === undefined) this.#away++;
    world.during("storeAway", one, lasts, () => {
      world.log(`the store answers ${one?.id ?? "all"} again`);
      if (one === undefined) this.#away--;
      if (losesOnReturn !== undefined) this.#returnWithout(losesOnReturn, lasts);
      // Those that were started meanwhile with the others.
      const back = one === undefined ? this.#living : [one];
      for (const { store } of back) store.heal(this.#generation);
    });
  }

  /** It was another process, or ended behind the time in which it stood still: no connection goes on. */
  #returnWithout(ms: number, lasted: number): void {
    this.#world.log(ms === Infinity ? "and is empty" : `and is as ${ms.toFixed(0)} ms before it went`);
    for (const { store } of this.#living) if (!store.broken) store.break();
    this.#loseData(ms + lasted);
  }

  #loseData(ms: number): void {
    const { records } = this.#world;
    if (ms === Infinity) records.lose();
    else records.goBack(ms);
    this.#generation++;
  }

  get #living(): SimNode[] {
    return this.#world.nodes.filter(({ alive }) => alive);
  }
}
