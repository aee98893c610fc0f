import { HubBus } from "../../src/bus/hub/hub-bus";
import type { Bus } from "../../src/bus/port";
import { HubClient } from "../../src/hub/client";
import { HubPrimary } from "../../src/hub/primary";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { busContract } from "./bus";
import { CONTRACT_LIMITS } from "./store";

busContract("hub", async () => {
  const primary = new HubPrimary({ clock: runtimeClock, limits: CONTRACT_LIMITS });
  const address = await primary.listen();
  const clients = new Map<Bus, HubClient>();
  const node = async () => {
    const client = await HubClient.connect({ ...address, clock: runtimeClock, tick: new Tick(runtimeClock) });
    const bus = new HubBus(client);
    clients.set(bus, client);
    return bus;
  };
  const late = await node();
  await clients.get(late)?.close();
  return {
    node,
    // The kernel closes the sockets of a dead process, and says no more to the other end than this does.
    kill: (bus) => clients.get(bus)?.channel.destroy(),
    unreachable: { bus: () => late, says: /connection to the primary is closed: connect a new hub client/ },
    stop: async () => {
      await Promise.all([...clients.values()].map((client) => client.close()));
      await primary.close();
    },
  };
});
