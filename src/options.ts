import type { IncomingMessage } from "node:http";
import type { RawData } from "./protocol/packet";
import type { TransportName } from "./protocol/names";
import type { ClusterOptions } from "./cluster-options";
import { OptionError, positive } from "./option-error";

/** Decides whether a handshake may go on: `decide(null, true)`, or `decide("why not", false)` for a 403. */
export type AllowRequest = (
  request: IncomingMessage,
  decide: (message: string | null | undefined, allowed: boolean) => void,
) => void;

/** Options of the engine. Times are in milliseconds, sizes in bytes. */
export interface EngineOptions {
  /** How long the answer to a ping may take. Default 20000. */
  pingTimeout?: number;
  /** Time between two pings. Default 25000. */
  pingInterval?: number;
  /** The largest body of a POST; a larger one is answered 413 and the session lives. Default 1e6. */
  maxHttpBufferSize?: number;
  /** Called for each handshake; see `AllowRequest`. */
  allowRequest?: AllowRequest;
  /** Transports that clients may use. */
  transports?: readonly TransportName[];
  /** A first message, sent with the handshake's answer. */
  initialPacket?: RawData;
}

export interface AttachOptions {
  /** Path of the engine's requests. Default "/engine.io". */
  path?: string;
  /** Whether the path ends in a slash. Default true. */
  addTrailingSlash?: boolean;
}

export interface ServerOptions extends EngineOptions, AttachOptions {
  /** Joins a cluster: with Redis and NATS, or with `"local"` the one of the node:cluster primary. Absent: one process by itself. */
  cluster?: ClusterOptions;
}

/** Options after defaults. */
export interface ResolvedOptions {
  readonly pingTimeout: number;
  readonly pingInterval: number;
  readonly maxHttpBufferSize: number;
  readonly allowRequest: AllowRequest | undefined;
  readonly transports: readonly TransportName[];
  readonly initialPacket: RawData | undefined;
}

const SUPPORTED: readonly TransportName[] = ["polling"];

export function resolveOptions(options: EngineOptions): ResolvedOptions {
  const transports = options.transports ?? SUPPORTED;
  if (!Array.isArray(transports) || transports.length === 0 || transports.some((name) => !SUPPORTED.includes(name))) {
    throw new OptionError("transports", transports, `a list of ${SUPPORTED.map((name) => `"${name}"`).join(", ")}`);
  }
  return {
    pingTimeout: positive("pingTimeout", options.pingTimeout ?? 20_000),
    pingInterval: positive("pingInterval", options.pingInterval ?? 25_000),
    maxHttpBufferSize: positive("maxHttpBufferSize", options.maxHttpBufferSize ?? 1e6),
    allowRequest: options.allowRequest,
    transports,
    initialPacket: options.initialPacket,
  };
}

/** The path that requests must start with. */
export function resolvePath(options: AttachOptions): string {
  const path = options.path ?? "/engine.io";
  if (typeof path !== "string" || !path.startsWith("/")) throw new OptionError("path", path, `a path such as "/engine.io"`);
  const bare = path.replace(/\/$/, "");
  return options.addTrailingSlash === false ? bare : `${bare}/`;
}
