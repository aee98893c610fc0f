import { startHub, type Hub } from "../src/index";
import { clusterTimes, type Config } from "./config";
import type { Log } from "./log";
import type { LocalHub } from "./primary";

/** The hub for workers that have no Redis and no NATS; `undefined` where they have both. */
export function localHub(config: Config, log: Log): LocalHub | undefined {
  if (config.redis !== undefined) return undefined;
  const { pingInterval, pingTimeout } = config;
  let hub: Hub | undefined;
  return {
    listen: async () => {
      hub = await startHub({
        pingInterval,
        pingTimeout,
        ...clusterTimes(config),
        onError: (error) => {
          log.error("hub", { error: error.message });
        },
      });
      return { ...hub.environment };
    },
    close: async () => {
      await hub?.close();
    },
  };
}
