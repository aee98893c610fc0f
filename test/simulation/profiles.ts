import { seeded } from "../../src/time/virtual-clock";
import type { Faults } from "./world";

/** The faults of a history: some seeds have few, some many, and some only of one kind, so that each meets each. */
export function faultsOf(seed: number): Faults {
  // Every third history has much of what sets two nodes against each other.
  if (seed % 3 === 0)
    return {
      kills: seed % 2,
      drains: 1 - (seed % 2),
      loss: 0.03,
      resend: 0.2,
      retry: 0.7,
      suspects: 10,
      upgrades: 0,
      storeLosses: 0,
    };
  const random = seeded(seed ^ 0x5eed);
  const one = (list: readonly number[]): number => list[Math.floor(random() * list.length)] ?? 0;
  // Where owners change in the moment in which the store loses data, nothing can be promised.
  const storeLosses = seed % 5 === 4 ? 1 + (seed % 2) : 0;
  const faults = {
    kills: one([0, 1, 2]),
    loss: one([0, 0.01, 0.03]),
    resend: one([0, 0.05, 0.2]),
    retry: one([0, 0.2, 0.5]),
    suspects: one([0, 0, 2, 6]),
    upgrades: one([0, 0.5, 1]),
    drains: one([0, 0, 1, 2]),
    storeLosses,
  };
  return storeLosses === 0 ? faults : { ...faults, kills: 0, drains: 0, suspects: 0 };
}
