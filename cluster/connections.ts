import { readFileSync } from "node:fs";
import type { ClusterOptions } from "../src/index";
import type { Config } from "./config";
import { flagName, SETTINGS, type Setting } from "./settings";
import { EXIT_USAGE, FatalError } from "./fatal";

type Connections = Pick<Extract<ClusterOptions, { redis: unknown }>, "redis" | "nats">;

/** Where Redis and NATS are, with what the files say that go with them; `undefined` where there are none. */
export function connectionsOf(config: Config): Connections | undefined {
  const { redis, nats, redisTlsCa, natsTlsCa, natsCreds } = config;
  if (redis === undefined || nats === undefined) return undefined;
  return {
    redis: redisTlsCa === undefined ? redis : { url: redis, tls: { ca: read(SETTINGS.redisTlsCa, redisTlsCa) } },
    nats: {
      servers: nats,
      ...(natsTlsCa === undefined ? {} : { tls: { ca: read(SETTINGS.natsTlsCa, natsTlsCa) } }),
      ...(natsCreds === undefined ? {} : { credentials: read(SETTINGS.natsCreds, natsCreds) }),
    },
  };
}

function read(setting: Setting<unknown>, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new FatalError(
      `the file of ${flagName(setting) ?? ""} (${setting.variable}) cannot be read: ${why}`,
      EXIT_USAGE,
      {
        cause: error,
      },
    );
  }
}
