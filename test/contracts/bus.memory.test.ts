import { MemoryMedium, type MemoryBus } from "../../src/bus/memory/memory-bus";
import { runtimeClock } from "../../src/time/runtime-clock";
import { busContract } from "./bus";

busContract("memory", () => {
  const medium = new MemoryMedium(runtimeClock);
  return Promise.resolve({
    node: () => medium.bus(),
    kill: (bus) => medium.kill(bus as MemoryBus),
    outage: { cut: (bus) => medium.cut(bus as MemoryBus), heal: (bus) => medium.heal(bus as MemoryBus) },
    stop: () => Promise.resolve(),
  });
});

busContract("memory, slow and uneven", () => {
  const medium = new MemoryMedium(runtimeClock);
  let count = 0;
  medium.intercept = () => (count++ * 7) % 4;
  return Promise.resolve({
    node: () => medium.bus(),
    kill: (bus) => medium.kill(bus as MemoryBus),
    stop: () => Promise.resolve(),
  });
});
