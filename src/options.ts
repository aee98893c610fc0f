import type { IncomingMessage, ServerResponse } from "node:http";
import type { ZlibOptions } from "node:zlib";
import type { SerializeOptions } from "cookie";
import type { CorsOptions, CorsOptionsDelegate } from "cors";
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

/**
 * Sees every request before it is checked, as with Express: answers it, or calls `next`, with an error to refuse it. For
 * a websocket's request the response is a stand-in: its headers go out with the 101, its `end` closes the connection.
 */
export type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => unknown;

/** The cookie of a handshake's answer: options of the package `cookie`, and its name. */
export interface CookieOptions extends SerializeOptions {
  /** Default "io". */
  name?: string;
}

/** Compression of the answers to polls: options of zlib besides. */
export interface HttpCompressionOptions extends ZlibOptions {
  /** Smaller answers are not compressed, in bytes. Default 1024. */
  threshold?: number;
}

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
  /** Whether clients that speak protocol 3 are let in. Default true. */
  allowEIO3?: boolean;
  /** Whether a session may go over from polling to websocket. Default true. */
  allowUpgrades?: boolean;
  /** How long a client may take to complete an upgrade. Default 10000. */
  upgradeTimeout?: number;
  /** Compression of websocket messages: options of the package `ws`, `true` for its defaults. Default false. */
  perMessageDeflate?: boolean | PerMessageDeflateOptions;
  /** A first message, sent with the handshake's answer. */
  initialPacket?: RawData;
  /**
   * Cross-origin requests: options of the package `cors`, `true` for its defaults. It comes before all middlewares and
   * answers preflights, whichever node they reach. Default false. (engine.io 3 let every origin in, with credentials:
   * that is `{ origin: true, credentials: true }`.)
   */
  cors?: boolean | CorsOptions | CorsOptionsDelegate;
  /**
   * A cookie with the session's id in the handshake's answer, for balancers that look for one: its options, or its name.
   * `true` is "io" with path "/", HttpOnly and SameSite=Lax. Default false. (engine.io 3: "io".)
   */
  cookie?: boolean | string | CookieOptions;
  /** Path of the cookie; false for none, and then no HttpOnly either. Of engine.io 3; an object in `cookie` goes first. Default "/". */
  cookiePath?: string | false;
  /** Whether scripts cannot read the cookie. Of engine.io 3; an object in `cookie` goes first. Default true. */
  cookieHttpOnly?: boolean;
  /**
   * Compression of the answers to polls, where the client accepts gzip or deflate and a packet was not sent with
   * `compress: false`. `true` or left out: from 1024 bytes on; false: none.
   */
  httpCompression?: boolean | HttpCompressionOptions;
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
  /**
   * Of engine.io 3: answers OPTIONS requests below the path instead of the engine, `this` being the HTTP server; false
   * leaves them to the server's other listeners. By default the engine takes them; see `cors`.
   */
  handlePreflightRequest?: ((request: IncomingMessage, response: ServerResponse) => void) | boolean;
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
  readonly allowEIO3: boolean;
  readonly allowUpgrades: boolean;
  readonly upgradeTimeout: number;
  readonly perMessageDeflate: boolean | PerMessageDeflateOptions;
  readonly initialPacket: RawData | undefined;
  readonly cors: boolean | CorsOptions | CorsOptionsDelegate;
  readonly cookie: ResolvedCookie | false;
  readonly httpCompression: ResolvedCompression | false;
}

export interface ResolvedCookie extends SerializeOptions {
  readonly name: string;
}

export interface ResolvedCompression extends ZlibOptions {
  readonly threshold: number;
}

/** In bytes: below, compression gains nothing. */
const DEFAULT_THRESHOLD = 1024;

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
    allowEIO3: options.allowEIO3 ?? true,
    allowUpgrades: options.allowUpgrades ?? true,
    upgradeTimeout: positive("upgradeTimeout", options.upgradeTimeout ?? 10_000),
    perMessageDeflate: options.perMessageDeflate ?? false,
    initialPacket: options.initialPacket,
    cors: checkCors(options.cors ?? false),
    cookie: resolveCookie(options),
    httpCompression: resolveCompression(options.httpCompression ?? true),
  };
}

function checkCors(cors: ResolvedOptions["cors"]): ResolvedOptions["cors"] {
  if (typeof cors === "boolean" || typeof cors === "function" || isObject(cors)) return cors;
  throw new OptionError("cors", cors, "true, false, or options of the package cors");
}

function resolveCookie(options: EngineOptions): ResolvedCookie | false {
  const cookie: unknown = options.cookie ?? false;
  // An empty name has always meant none.
  if (cookie === false || cookie === "") return false;
  if (cookie !== true && typeof cookie !== "string" && !isObject(cookie))
    throw new OptionError("cookie", cookie, "true, false, a name, or an object of options");
  const { cookiePath = "/", cookieHttpOnly = true } = options;
  const attributes = cookiePath === false ? { httpOnly: false } : { path: cookiePath, httpOnly: cookieHttpOnly };
  const given = cookie === true ? {} : typeof cookie === "string" ? { name: cookie } : (cookie as CookieOptions);
  return { name: "io", sameSite: "lax", ...attributes, ...given };
}

function resolveCompression(compression: unknown): ResolvedCompression | false {
  if (compression === false) return false;
  if (compression === true) return { threshold: DEFAULT_THRESHOLD };
  if (!isObject(compression))
    throw new OptionError("httpCompression", compression, "true, false, or an object of options");
  const { threshold = DEFAULT_THRESHOLD, ...rest } = compression as HttpCompressionOptions;
  if (typeof threshold !== "number" || !(threshold >= 0))
    throw new OptionError("httpCompression.threshold", threshold, "a number of bytes, 0 or more");
  return { ...rest, threshold };
}

/** The path that requests must start with. */
export function resolvePath(options: AttachOptions): string {
  const path = options.path ?? "/engine.io";
  if (typeof path !== "string" || !path.startsWith("/"))
    throw new OptionError("path", path, `a path such as "/engine.io"`);
  const bare = path.replace(/\/$/, "");
  return options.addTrailingSlash === false ? bare : `${bare}/`;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Callers without types can give anything. */
function isList(value: unknown): boolean {
  return Array.isArray(value);
}
