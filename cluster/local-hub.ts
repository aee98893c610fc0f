import { resolveTuning } from "../src/cluster-options";
import { hubEnvironment } from "../src/hub/environment";
import { HubPrimary } from "../src/hub/primary";
import type { Clock } from "../src/time/clock";
import { storeLimits } from "../src/wiring";
import type { Config } from "./config";
import type { Log } from "./log";
import type { LocalHub } from "./primary";

/** The hub for workers that have no Redis and no NATS; `undefined` where they have both. */
export function localHub(config: Config, clock: Clock, log: Log): LocalHub | undefined {
  if (config.redis !== undefined) return undefined;
  const { pingInterval, pingTimeout } = config;
  const limits = storeLimits(resolveTuning({}, pingInterval, pingTimeout), pingInterval, pingTimeout);
  const hub = new HubPrimary({
    clock,
    limits,
    onError: (error) => {
      log.error("hub", { error: error.message });
    },
  });
  return {
    listen: async () => hubEnvironment(await hub.listen()),
    close: () => hub.close(),
  };
}
