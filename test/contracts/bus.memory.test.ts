import { MemoryMedium, type Intercept, type MemoryBus } from "../../src/bus/memory/memory-bus";
import { runtimeClock } from "../../src/time/runtime-clock";
import { busContract, type BusMedium } from "./bus";

function memory(intercept?: Intercept): Promise<BusMedium<MemoryBus>> {
  const medium = new MemoryMedium(runtimeClock);
  medium.intercept = intercept;
  return Promise.resolve({
    node: () => medium.bus(),
    kill: (bus) => medium.kill(bus),
    outage: { cut: (bus) => medium.cut(bus), heal: (bus) => medium.heal(bus) },
    stop: () => Promise.resolve(),
  });
}

busContract("memory", () => memory());

let count = 0;
busContract("memory, slow and uneven", () => memory(() => (count++ * 7) % 4));
