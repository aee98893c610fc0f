import type { Cluster, Redis } from "ioredis";
import { storeError } from "./errors";

const OLDEST: readonly [number, number] = [6, 2];

/** Rejects when a server would not keep sessions as they must be kept, with what to set. */
export async function inspectServer(client: Redis | Cluster, onError: (error: Error) => void): Promise<void> {
  inspectOptions(client);
  if (!client.isCluster) {
    await inspectNode(client as Redis, false, onError);
    return;
  }
  // Any command makes the client find the nodes.
  await (client as Cluster).call("ping");
  await Promise.all((client as Cluster).nodes("master").map((node) => inspectNode(node, true, onError)));
}

/** Options of an application's own client with which the store could not work: it would find out one by one, with sessions lost. */
function inspectOptions(client: Redis | Cluster): void {
  const { stringNumbers, autoResendUnfulfilledCommands } = client.isCluster
    ? ((client as Cluster).options.redisOptions ?? {})
    : (client as Redis).options;
  if (stringNumbers === true)
    throw new Error("The Redis client that was given reads numbers as text: give the store one without stringNumbers.");
  if (autoResendUnfulfilledCommands === false)
    throw new Error(
      "The Redis client that was given leaves commands without an answer when their connection breaks: give the store one " +
        "without autoResendUnfulfilledCommands: false.",
    );
}

async function inspectNode(node: Redis, clustered: boolean, onError: (error: Error) => void): Promise<void> {
  const name = `Redis at ${node.options.path ?? `${node.options.host ?? "?"}:${node.options.port ?? "?"}`}`;
  const info = await infoOf(node, name, onError);
  if (info === undefined) return;
  const version = fieldOf(info, "redis_version");
  if (version !== undefined && !recent(version)) {
    throw new Error(`${name} is version ${version}: use ${OLDEST.join(".")} or a later one.`);
  }
  if (!clustered && fieldOf(info, "cluster_enabled") === "1") {
    throw new Error(
      `${name} is a node of a Redis Cluster: give the option \`redis\` a Cluster instance of ioredis, not one node's address.`,
    );
  }
  const policy = fieldOf(info, "maxmemory_policy") ?? (await policyOf(node));
  if (policy === undefined) {
    onError(
      new Error(
        `${name} does not say its maxmemory-policy: make sure that it is noeviction, else it may evict living sessions.`,
      ),
    );
  } else if (policy !== "noeviction") {
    throw new Error(
      `${name} has the maxmemory-policy ${policy}, which evicts living sessions when memory runs short: set it to ` +
        "noeviction (CONFIG SET maxmemory-policy noeviction, and the same in redis.conf or at your provider), " +
        "or give the sessions a Redis of their own.",
    );
  }
}

async function infoOf(node: Redis, name: string, onError: (error: Error) => void): Promise<string | undefined> {
  try {
    return String(await node.call("info"));
  } catch (error) {
    if (error instanceof Error && /\bNOPERM\b|unknown command/i.test(error.message)) {
      onError(storeError(`${name} does not let its version and its maxmemory-policy be checked`, error));
      return undefined;
    }
    if (error instanceof Error && /\bNOAUTH\b|\bWRONGPASS\b/.test(error.message)) {
      throw storeError(`${name} refused the connection`, error);
    }
    throw error;
  }
}

async function policyOf(node: Redis): Promise<string | undefined> {
  try {
    const reply = await node.call("config", "get", "maxmemory-policy");
    return Array.isArray(reply) ? String(reply[1]) : undefined;
  } catch {
    // Managed servers often do not permit it.
    return undefined;
  }
}

function fieldOf(info: string, field: string): string | undefined {
  return new RegExp(`^${field}:(.*?)\\r?$`, "m").exec(info)?.[1];
}

function recent(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > OLDEST[0] || (major === OLDEST[0] && minor >= OLDEST[1]);
}
