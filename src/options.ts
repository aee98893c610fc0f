import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { ZlibOptions } from "node:zlib";
import type { SerializeOptions } from "cookie";
import type { CorsOptions, CorsOptionsDelegate } from "cors";
import type { PerMessageDeflateOptions } from "ws";
import type { RawData } from "./protocol/packet";
import type { TransportName } from "./protocol/names";
import type { ClusterOptions } from "./cluster-options";
import { resolveLimits, type LimitOptions, type ResolvedLimits, type TrustProxy } from "./limit-options";
import { OptionError, positive, size } from "./option-error";

/** Decides whether a handshake may go on: `decide(null, true)`, or `decide("why not", false)` for a 403. */
export type AllowRequest = (
  request: IncomingMessage,
  decide: (message: string | null | undefined, allowed: boolean) => void,
) => void;

/** A session as it was opened: the same at every node of a cluster, and frozen. */
export interface AuthorizedSession {
  readonly id: string;
  /** Its handshake: the first request, whichever transport it came by. */
  readonly handshake: {
    readonly url: string;
    readonly method: string;
    readonly headers: Readonly<IncomingHttpHeaders>;
    readonly query: Readonly<Record<string, string>>;
    /** Of the connection, which may be a proxy's; empty where it was not known. */
    readonly address: string;
    /** Whether the connection was TLS'. */
    readonly encrypted: boolean;
  };
}

/**
 * Decides whether a request may go on that names a session which is there: nothing but `true`, or a promise of it, lets it in.
 * Else, and where it throws, the request is answered 403, and the session lives.
 */
export type AuthorizeRequest = (request: IncomingMessage, session: AuthorizedSession) => boolean | Promise<boolean>;

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
  /** The largest body of a POST, in bytes; a larger one is answered 413 and the session lives. Infinity is no limit but the runtime's, 512 MiB. Default 1e6. */
  maxHttpBufferSize?: number;
  /** Called for each handshake; see `AllowRequest`. */
  allowRequest?: AllowRequest;
  /**
   * Called for each request of a session that was opened before: polls, POSTs, and requests for a websocket. Whoever has a
   * session's id can speak as its client; this is where the request's cookie, say, can be held against the handshake's. It
   * runs at the node that the request reaches. Default: none, and the id is enough.
   */
  authorizeRequest?: AuthorizeRequest;
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
  /**
   * What completes the handshakes of websockets: the name of a module, what that module exports, or its server's
   * constructor, which is one like that of the package `ws`. Default "ws".
   */
  wsEngine?: unknown;
  /**
   * 3: where the versions of engine.io differ this is engine.io 3.0.0, for programs that are written against it: its
   * defaults, every origin let in, and what docs/api.md names besides. Default: as engine.io 6.
   */
  compat?: 3;
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
  /** What this process may hold at once. */
  limits?: LimitOptions;
  /** Whom to believe the address of a client, for `limits.sessionsPerAddress`. Default false. */
  trustProxy?: TrustProxy;
  /**
   * In a cluster: the header in which the balancer names a request of a client that does not name it itself by `t`, as the stock client
   * does and those of other languages do not. The balancer gives each request another name, and all attempts at one the same: by that a repeated one is
   * handled once. False: nobody is asked. Default "x-eio-request-id".
   */
  requestIdHeader?: string | false;
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

/** Options after defaults, with what else was given. Those that are read with each request can be changed. */
export interface ResolvedOptions extends AttachOptions {
  pingTimeout: number;
  pingInterval: number;
  maxHttpBufferSize: number;
  allowRequest: AllowRequest | undefined;
  authorizeRequest: AuthorizeRequest | undefined;
  transports: TransportName[];
  allowEIO3: boolean;
  allowUpgrades: boolean;
  upgradeTimeout: number;
  perMessageDeflate: false | PerMessageDeflateOptions;
  initialPacket: RawData | undefined;
  wsEngine: unknown;
  compat: 3 | undefined;
  cors: boolean | CorsOptions | CorsOptionsDelegate;
  cookie: ResolvedCookie | false;
  httpCompression: ResolvedCompression | false;
  limits: ResolvedLimits;
  trustProxy: TrustProxy;
  /** In lower case. */
  requestIdHeader: string | false;
}

export interface ResolvedCookie extends SerializeOptions {
  readonly name: string;
}

export interface ResolvedCompression extends ZlibOptions {
  readonly threshold: number;
}

/** The header of `requestIdHeader`, where nothing is said of it. */
export const REQUEST_ID_HEADER = "x-eio-request-id";

/** In bytes: below, compression gains nothing. */
const DEFAULT_THRESHOLD = 1024;

const SUPPORTED: readonly TransportName[] = ["polling", "websocket"];

/** Defaults that differ between engine.io 6 and 3.0.0. */
const DEFAULTS = { pingTimeout: 20_000, maxHttpBufferSize: 1e6, perMessageDeflate: false, cookie: false } as const;
const DEFAULTS_3 = { pingTimeout: 60_000, maxHttpBufferSize: 1e8, perMessageDeflate: true, cookie: true } as const;

export function resolveOptions(options: EngineOptions): ResolvedOptions {
  const transports = options.transports ?? SUPPORTED;
  if (!isList(transports) || transports.length === 0 || transports.some((name) => !SUPPORTED.includes(name))) {
    throw new OptionError("transports", transports, `a list of ${SUPPORTED.map((name) => `"${name}"`).join(", ")}`);
  }
  const compat: unknown = options.compat;
  if (compat !== undefined && compat !== 3) throw new OptionError("compat", compat, "3, or nothing");
  const defaults = compat === 3 ? DEFAULTS_3 : DEFAULTS;
  const maxHttpBufferSize = size("maxHttpBufferSize", options.maxHttpBufferSize ?? defaults.maxHttpBufferSize);
  return {
    ...options,
    pingTimeout: positive("pingTimeout", options.pingTimeout ?? defaults.pingTimeout),
    pingInterval: positive("pingInterval", options.pingInterval ?? 25_000),
    maxHttpBufferSize,
    allowRequest: options.allowRequest,
    authorizeRequest: checkAuthorize(options.authorizeRequest),
    transports: [...transports],
    allowEIO3: options.allowEIO3 ?? true,
    allowUpgrades: options.allowUpgrades ?? true,
    upgradeTimeout: positive("upgradeTimeout", options.upgradeTimeout ?? 10_000),
    perMessageDeflate: resolveDeflate(options.perMessageDeflate ?? defaults.perMessageDeflate),
    initialPacket: options.initialPacket,
    cors: checkCors(options.cors ?? false),
    cookie: resolveCookie({ ...options, cookie: options.cookie ?? defaults.cookie }),
    httpCompression: resolveCompression(options.httpCompression ?? true),
    limits: resolveLimits(options.limits ?? {}, maxHttpBufferSize),
    trustProxy: options.trustProxy ?? false,
    requestIdHeader: resolveHeader(options.requestIdHeader ?? REQUEST_ID_HEADER),
    wsEngine: options.wsEngine ?? "ws",
    compat,
  };
}

export function resolveDeflate(deflate: boolean | PerMessageDeflateOptions): false | PerMessageDeflateOptions {
  if (deflate === false) return false;
  return { threshold: DEFAULT_THRESHOLD, ...(deflate === true ? {} : deflate) };
}

/** One that is not called would let everybody in. */
function checkAuthorize(authorize: AuthorizeRequest | undefined): AuthorizeRequest | undefined {
  const given: unknown = authorize;
  if (given === undefined || typeof given === "function") return authorize;
  throw new OptionError("authorizeRequest", given, "a function (request, session) => boolean, or a promise of one");
}

function checkCors(cors: ResolvedOptions["cors"]): ResolvedOptions["cors"] {
  if (typeof cors === "boolean" || typeof cors === "function" || isObject(cors)) return cors;
  throw new OptionError("cors", cors, "true, false, or options of the package cors");
}

export function resolveCookie(options: EngineOptions): ResolvedCookie | false {
  const cookie: unknown = options.cookie ?? false;
  // An empty name has always meant none.
  if (cookie === false || cookie === "") return false;
  if (cookie !== true && typeof cookie !== "string" && !isObject(cookie))
    throw new OptionError("cookie", cookie, "true, false, a name, or an object of options");
  const { cookiePath = "/", cookieHttpOnly = true } = options;
  const attributes = cookiePath === false ? { httpOnly: false } : { path: cookiePath, httpOnly: cookieHttpOnly };
  const given = cookie === true ? {} : typeof cookie === "string" ? { name: cookie } : (cookie as CookieOptions);
  // engine.io 3.0.0 did not know of SameSite.
  return { name: "io", ...(options.compat === 3 ? {} : { sameSite: "lax" }), ...attributes, ...given };
}

export function resolveCompression(compression: unknown): ResolvedCompression | false {
  if (compression === false) return false;
  if (compression === true) return { threshold: DEFAULT_THRESHOLD };
  if (!isObject(compression))
    throw new OptionError("httpCompression", compression, "true, false, or an object of options");
  const { threshold = DEFAULT_THRESHOLD, ...rest } = compression as HttpCompressionOptions;
  if (typeof threshold !== "number" || !(threshold >= 0))
    throw new OptionError("httpCompression.threshold", threshold, "a number of bytes, 0 or more");
  return { ...rest, threshold };
}

/** As Node names headers. */
function resolveHeader(name: unknown): string | false {
  if (name === false) return false;
  // RFC 9110, 5.6.2: a token.
  if (typeof name === "string" && /^[\w!#$%&'*+.^`|~-]+$/.test(name)) return name.toLowerCase();
  throw new OptionError("requestIdHeader", name, "the name of a header, or false");
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
