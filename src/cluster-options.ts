import type { Cluster, Redis, RedisOptions } from "ioredis";
import type { ConnectionOptions, NatsConnection } from "nats";
import { HIDDEN, OptionError, positive } from "./option-error";

/** How a node reaches the others of its cluster. */
export interface ClusterConnection {
  /**
   * URL, options of ioredis (and `url`, which goes before them), or a client that is ready; one that was given is not closed by
   * the engine.
   */
  redis: string | (RedisOptions & { url?: string }) | Redis | Cluster;
  /**
   * URL, options of the client (and `credentials`: what a file of credentials, or of an nkey's seed, has in it), or a
   * connection; one that was given is not closed by the engine. A node dials NATS by itself, for as long as it takes: of the
   * options for that `reconnectTimeWait`, its jitter and `reconnectDelayHandler` count, `maxReconnectAttempts` does not.
   */
  nats: string | (ConnectionOptions & { credentials?: string }) | NatsConnection;
}

/** Milliseconds and counts; what is absent has the default named. */
export interface ClusterTuning {
  /** Keys and subjects start with it: one for each cluster on the same Redis and NATS. Default "eioc". */
  prefix?: string;
  /**
   * Shared by all nodes: what they send each other is signed with it, and refused where it is not. 16 characters or more. Of several
   * the first signs and each is good for what is read, so that a new one can be brought in. `false`: nothing is signed,
   * knowingly; who says nothing is refused where NATS is on another host.
   */
  secret?: string | readonly string[] | false;
  /** Time to live of a node's lease. Default 5000. */
  leaseTtl?: number;
  /** Time between two beats. Default 500. */
  beatInterval?: number;
  /** How long a session waits for a broken poll to come back by another way. Default 2000. */
  pollGrace?: number;
  /** How long a closed session's record stays. Default 30000. */
  linger?: number;
  /** How long an operation waits for a store that is away. Default 10000, or half of `pingTimeout` if that is less. */
  storeAwayAfter?: number;
  /** How long a POST waits at one owner before it is asked again. Default 5000. */
  postDeadline?: number;
  /** How long a request waits for an owner before it is answered 503. Default 15000. */
  giveUpAfter?: number;
  /**
   * What becomes of a polling session whose owner is dead: "adopt" (default): a node that is asked for it goes on with it and emits
   * `connection` with `socket.recovered`; "close": its client is told to reconnect, which an application needs that keeps
   * state of a connection it cannot rebuild, as plain Socket.IO does.
   */
  takeover?: "adopt" | "close";
  /** Packets that wait in one session at most. Default 50000. */
  maxBufferedPackets?: number;
  /** Characters that wait in one session at most, in stored form. Default 10e6, and 20e6 at most. */
  maxBufferedSize?: number;
  /** Messages by `cluster.send` and `cluster.close` from this node that may wait for their answers at once. Default 1e6. */
  maxWaitingSends?: number;
  /** Characters of those, in stored form. Default 256e6. */
  maxWaitingSendSize?: number;
  /**
   * Characters of text and bytes of binary data of one websocket that may be under way between the node that holds it and the
   * session's, each way. Default 1,048,576, and 600,000 at least.
   */
  maxRelayedSize?: number;
}

/** `"local"`: the cluster of the node:cluster primary that this worker belongs to. */
export type ClusterOptions = "local" | (ClusterConnection & ClusterTuning) | ({ local: true } & ClusterTuning);

/** `undefined`: nothing was said of a secret. */
export type ResolvedTuning = Required<Omit<ClusterTuning, "secret">> & {
  readonly secret: readonly string[] | false | undefined;
};

export function resolveTuning(options: ClusterTuning, pingInterval: number, pingTimeout: number): ResolvedTuning {
  const prefix = options.prefix ?? "eioc";
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(prefix)) {
    throw new OptionError("cluster.prefix", prefix, "1 to 64 letters, digits, _ or -");
  }
  const tuning: ResolvedTuning = {
    prefix,
    secret: secretsOf(options.secret),
    leaseTtl: time("leaseTtl", options.leaseTtl, 5000),
    beatInterval: time("beatInterval", options.beatInterval, 500),
    pollGrace: time("pollGrace", options.pollGrace, 2000),
    linger: time("linger", options.linger, 30_000),
    storeAwayAfter: time("storeAwayAfter", options.storeAwayAfter, Math.min(10_000, pingTimeout / 2)),
    postDeadline: time("postDeadline", options.postDeadline, 5000),
    giveUpAfter: time("giveUpAfter", options.giveUpAfter, 15_000),
    takeover: oneOf("takeover", options.takeover ?? "adopt", ["adopt", "close"]),
    maxBufferedPackets: time("maxBufferedPackets", options.maxBufferedPackets, 50_000),
    maxBufferedSize: bufferSize(options.maxBufferedSize),
    maxWaitingSends: time("maxWaitingSends", options.maxWaitingSends, 1e6),
    maxWaitingSendSize: time("maxWaitingSendSize", options.maxWaitingSendSize, 256e6),
    maxRelayedSize: relayedSize(options.maxRelayedSize),
  };
  if (tuning.pollGrace < 3 * tuning.beatInterval) {
    // A poll that another node took over may need that long to be asked for again.
    throw new OptionError(
      "cluster.pollGrace",
      tuning.pollGrace,
      `at least three times beatInterval (${String(tuning.beatInterval)})`,
    );
  }
  if (tuning.storeAwayAfter >= pingInterval + pingTimeout) {
    throw new OptionError("cluster.storeAwayAfter", tuning.storeAwayAfter, "below pingInterval + pingTimeout");
  }
  return tuning;
}

/** A short one could be guessed by whoever has seen one signed message. */
const LEAST_SECRET = 16;

function secretsOf(secret: ClusterTuning["secret"]): ResolvedTuning["secret"] {
  if (secret === undefined || secret === false) return secret;
  const secrets: readonly unknown[] = Array.isArray(secret) ? secret : [secret];
  const good = secrets.filter((each): each is string => typeof each === "string" && each.length >= LEAST_SECRET);
  if (good.length === secrets.length && good.length > 0) return good;
  throw new OptionError(
    "cluster.secret",
    HIDDEN,
    `a text of ${String(LEAST_SECRET)} characters or more, a list of such texts, or false`,
  );
}

function oneOf<Value extends string>(name: string, value: Value, allowed: readonly Value[]): Value {
  if (allowed.includes(value)) return value;
  throw new OptionError(`cluster.${name}`, value, allowed.map((one) => `"${one}"`).join(" or "));
}

/** What one answer can carry from node to node: 64 MiB, and a character takes three bytes at most. */
const LARGEST_BUFFER = 20e6;

function bufferSize(value = 10e6): number {
  if (positive("cluster.maxBufferedSize", value) <= LARGEST_BUFFER) return value;
  throw new OptionError("cluster.maxBufferedSize", value, `a number above 0, ${String(LARGEST_BUFFER)} at most`);
}

/** The other end says how far it is after 256 KiB, or 64 messages, which both count: half of a limit must be more than that. */
const LEAST_RELAYED = 600_000;

function relayedSize(value = 1024 * 1024): number {
  if (positive("cluster.maxRelayedSize", value) >= LEAST_RELAYED) return value;
  throw new OptionError("cluster.maxRelayedSize", value, `a number, ${String(LEAST_RELAYED)} at least`);
}

function time(name: string, value: number | undefined, fallback: number): number {
  return positive(`cluster.${name}`, value ?? fallback);
}
