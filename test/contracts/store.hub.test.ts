import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { HubClient } from "../../src/hub/client";
import { HubPrimary } from "../../src/hub/primary";
import { HubStore } from "../../src/store/hub/hub-store";
import { CONTRACT_LIMITS, storeContract } from "./store";

storeContract("hub", async () => {
  let ahead = 0;
  const primary = new HubPrimary({
    // The records' time can be moved on; the sockets' cannot.
    clock: { ...runtimeClock, now: () => runtimeClock.now() + ahead },
    limits: CONTRACT_LIMITS,
  });
  const address = await primary.listen();
  const clients: HubClient[] = [];
  const another = async () => {
    const client = await HubClient.connect({ ...address, clock: runtimeClock, tick: new Tick(runtimeClock) });
    clients.push(client);
    return new HubStore(client, CONTRACT_LIMITS);
  };
  return {
    store: await another(),
    another,
    advance: (ms) => {
      ahead += ms;
      return Promise.resolve();
    },
    stop: async () => {
      await Promise.all(clients.map((client) => client.close()));
      await primary.close();
    },
  };
});
