import type { IncomingMessage } from "node:http";
import type { PerMessageDeflateOptions } from "ws";
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
  /** Transports that clients may use. Default `["polling", "websocket"]`. */
  transports?: readonly TransportName[];
  /** Whether a session may go over from polling to websocket. Default true. */
  allowUpgrades?: boolean;
  /** How long a client may take to complete an upgrade. Default 10000. */
  upgradeTimeout?: number;
  /** Compression of websocket messages: options of the package `ws`, `true` for its defaults. Default false. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /** A first message, sent with the handshake's answer. */
  initialPacket?: RawData;
}

export interface AttachOptions {
  /** Path of the engine's requests. Default "/engine.io". */
  path?: string;
  /** Whether the path ends in a slash. Default true. */
  addTrailingSlash?: boolean;
  /** Whether websocket requests outside of the path that nobody takes are closed. Default true. */
  destroyUpgrade?: boolean;
  /** After so many milliseconds. Default 1000. */
  destroyUpgradeTimeout?: number;
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
  readonly allowUpgrades: boolean;
  readonly upgradeTimeout: number;
  readonly perMessageDeflate: boolean | PerMessageDeflateOptions;
  readonly initialPacket: RawData | undefined;
}

const SUPPORTED: readonly TransportName[] = ["polling", "websocket"];

export function resolveOptions(options: EngineOptions): ResolvedOptions {
  const transports = options.transports ?? SUPPORTED;
  if (!isList(transports) || transports.length === 0 || transports.some((name) => !SUPPORTED.includes(name))) {
    throw new OptionError("transports", transports, `a list of ${SUPPORTED.map((name) => `"${name}"`).join(", ")}`);
  }
  return {
    pingTimeout: positive("pingTimeout", options.pingTimeout ?? 20_000),
    pingInterval: positive("pingInterval", options.pingInterval ?? 25_000),
    maxHttpBufferSize: positive("maxHttpBufferSize", options.maxHttpBufferSize ?? 1e6),
    allowRequest: options.allowRequest,
    transports,
    allowUpgrades: options.allowUpgrades ?? true,
    upgradeTimeout: positive("upgradeTimeout", options.upgradeTimeout ?? 10_000),
    perMessageDeflate: options.perMessageDeflate ?? false,
    initialPacket: options.initialPacket,
  };
}

/** The path that requests must start with. */
export function resolvePath(options: AttachOptions): string {
  const path = options.path ?? "/engine.io";
  if (typeof path !== "string" || !path.startsWith("/"))
    throw new OptionError("path", path, `a path such as "/engine.io"`);
  const bare = path.replace(/\/$/, "");
  return options.addTrailingSlash === false ? bare : `${bare}/`;
}

/** Callers without types can give anything. */
function isList(value: unknown): boolean {
  return Array.isArray(value);
}
