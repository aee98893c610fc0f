import { HubClient } from "../../../src/hub/client";
import { hubFromEnvironment } from "../../../src/hub/environment";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Tick } from "../../../src/time/tick";
import { Ear, LIMITS } from "./hub-kit";
import { HubBus } from "../../../src/bus/hub/hub-bus";
import { HubStore } from "../../../src/store/hub/hub-store";

/** A worker of the process tests: joins the hub that its environment names, and says over IPC what happens to it. */
async function main(): Promise<void> {
  const address = hubFromEnvironment(process.env);
  if (address === undefined) throw new Error("no hub in the environment");
  const client = await HubClient.connect({
    ...address,
    clock: runtimeClock,
    tick: new Tick(runtimeClock),
    onLost: () => process.send?.("lost", () => process.disconnect()),
  });
  const node = process.env["NODE_NAME"] ?? "";
  const store = new HubStore(client, LIMITS);
  const bus = new HubBus(client);
  await bus.join(node, new Ear());
  await store.lease(node, 1);
  const mode = process.argv[2];
  if (mode === "close" || mode === "close the parts") {
    await store.release(node);
    await bus.leave();
    if (mode === "close") await client.close();
    else await store.close();
    // Nothing of the client may keep this process alive now.
    process.send?.("closed", () => process.disconnect());
  } else process.send?.("ready");
}

void main();
