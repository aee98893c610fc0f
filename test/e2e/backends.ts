import { startNats, type NatsProcess } from "../helpers/nats";
import { startRedis, type RedisServer } from "../helpers/redis";

/** Servers of a test file's own. */
export interface Backends {
  readonly redis: RedisServer;
  readonly nats: NatsProcess;
  /** As clusters are told of them. */
  readonly urls: { readonly redisUrl: string; readonly natsUrl: string };
  stop(): Promise<void>;
}

export async function startBackends(): Promise<Backends> {
  const redis = await startRedis();
  try {
    const nats = await startNats();
    return {
      redis,
      nats,
      urls: { redisUrl: redis.url, natsUrl: nats.url },
      stop: async () => {
        await nats.stop();
        await redis.stop();
      },
    };
  } catch (error) {
    await redis.stop();
    throw error;
  }
}
