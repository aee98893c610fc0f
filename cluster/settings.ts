import { addresses, listOf, matching, oneOf, secrets, url, whole, yesOrNo } from "./setting-parsers";

/** One setting of the command: everything that the command line, the environment, `--help` and the docs know of it. */
export interface Setting<T> {
  /** The environment variable. */
  readonly variable: string;
  /** The option, in commander's notation. Absent for what does not belong on a command line. */
  readonly flag?: string;
  readonly about: string;
  /** What may be given, as it is told to somebody who gave something else. */
  readonly allowed: string;
  readonly fallback: T;
  /** How the default reads, where its value does not say it. */
  readonly fallbackShown?: string;
  /** `undefined` when the text is not allowed. */
  readonly parse: (text: string) => T | undefined;
  /** Whether the value must not be shown. */
  readonly secret?: true;
}

export const BALANCERS = ["front", "round-robin", "sticky"] as const;
export type Balancer = (typeof BALANCERS)[number];

export const LOG_FORMATS = ["plain", "json"] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const TRANSPORTS = ["polling", "websocket"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export const TAKEOVERS = ["adopt", "close"] as const;
export type Takeover = (typeof TAKEOVERS)[number];

/** How many, or their addresses, networks and names, with commas between. */
export type TrustedProxies = number | string;

/** Port of health and metrics where none is set and it is free. */
export const HEALTH_PORT = 9464;

// A timer that is set to more than this fires at once.
const LONGEST = 2 ** 31 - 1;

function setting<T>(spec: Setting<T>): Setting<T> {
  return spec;
}

/** The one table of settings. */
export const SETTINGS = {
  workers: setting({
    variable: "WORKERS",
    flag: "--workers <n>",
    about: "worker processes; with 1 the process itself is the node, as in a container",
    allowed: "a whole number from 1 to 256",
    fallback: 3,
    parse: whole(1, 256),
  }),
  port: setting({
    variable: "PORT",
    flag: "--port <port>",
    about: "port to listen on; 0 takes a free one",
    allowed: "a whole number from 0 to 65535",
    fallback: 3000,
    parse: whole(0, 65_535),
  }),
  host: setting<string | undefined>({
    variable: "HOST",
    flag: "--host <host>",
    about: "address to listen on",
    allowed: "an IP address or a host name",
    fallback: undefined,
    fallbackShown: "all addresses",
    parse: matching(/^[A-Za-z0-9_.:%-]+$/),
  }),
  healthPort: setting<number | "off" | undefined>({
    variable: "HEALTH_PORT",
    flag: "--health-port <port>",
    about: "port of /healthz, /readyz and /metrics, at the address of --host; 0 takes a free one",
    allowed: "a whole number from 0 to 65535, or off",
    fallback: undefined,
    fallbackShown: `${String(HEALTH_PORT)}, or none where that is taken`,
    parse: (text: string) => (text === "off" ? text : whole(0, 65_535)(text)),
  }),
  redis: setting<string | undefined>({
    variable: "REDIS_URL",
    flag: "--redis <url>",
    about: "Redis that keeps the session records; together with --nats",
    allowed: "a URL that starts with redis:// or rediss://",
    fallback: undefined,
    fallbackShown: "records in the memory of the primary process",
    parse: url("redis:", "rediss:"),
  }),
  nats: setting<string | undefined>({
    variable: "NATS_URL",
    flag: "--nats <url>",
    about: "NATS that connects the nodes; together with --redis",
    allowed: "a URL that starts with nats:// or tls://",
    fallback: undefined,
    fallbackShown: "frames pass through the primary process",
    parse: url("nats:", "tls:"),
  }),
  redisTlsCa: setting<string | undefined>({
    variable: "REDIS_TLS_CA",
    flag: "--redis-tls-ca <file>",
    about: "certificates (PEM) that Redis' own must be signed by, with a rediss:// URL",
    allowed: "the path of a file",
    fallback: undefined,
    fallbackShown: "those that Node trusts",
    parse: matching(/\S/),
  }),
  natsTlsCa: setting<string | undefined>({
    variable: "NATS_TLS_CA",
    flag: "--nats-tls-ca <file>",
    about: "certificates (PEM) that NATS' own must be signed by, with a tls:// URL",
    allowed: "the path of a file",
    fallback: undefined,
    fallbackShown: "those that Node trusts",
    parse: matching(/\S/),
  }),
  natsCreds: setting<string | undefined>({
    variable: "NATS_CREDS",
    flag: "--nats-creds <file>",
    about: "credentials for NATS: a .creds file, or one with the seed of an nkey; else those of the URL",
    allowed: "the path of a file",
    fallback: undefined,
    fallbackShown: "none",
    parse: matching(/\S/),
  }),
  app: setting<string | undefined>({
    variable: "APP",
    flag: "--app <module>",
    about:
      "module whose default export is (engine, httpServer, { path, worker, log }) => void: a path, or a package's name",
    allowed: "a path or the name of a package",
    fallback: undefined,
    fallbackShown: "the demo page",
    parse: matching(/\S/),
  }),
  path: setting({
    variable: "ENGINE_PATH",
    flag: "--path <path>",
    about: "path of the engine's requests",
    allowed: "a path such as /engine.io, without query",
    fallback: "/engine.io",
    parse: (text: string) => (/^\/[^\s?#]+$/.test(text) ? text.replace(/\/+$/, "") || undefined : undefined),
  }),
  balancer: setting<Balancer>({
    variable: "BALANCER",
    flag: "--balancer <kind>",
    about:
      "with several workers, what spreads requests: front (by request, sends a request again when its worker dies), " +
      "round-robin (by connection: cheaper, but a request on a dying worker is lost) " +
      "or sticky (to the worker that has the session, while it lives; a request on a dying worker is " +
      "lost, and since a client always has one there, that worker's clients connect anew)",
    allowed: BALANCERS.join(", "),
    fallback: "front",
    parse: oneOf(BALANCERS),
  }),
  keepAliveTimeout: setting({
    variable: "KEEP_ALIVE_TIMEOUT",
    flag: "--keep-alive-timeout <ms>",
    about: "how long idle connections are kept; longer than a balancer in front keeps them",
    allowed: "a whole number of milliseconds from 1 to 2147483647",
    fallback: 65_000,
    parse: whole(1, LONGEST),
  }),
  balancerIdleTimeout: setting({
    variable: "BALANCER_IDLE_TIMEOUT",
    flag: "--balancer-idle-timeout <ms>",
    about: "how long a balancer in front keeps idle connections to this server; 0 where there is none that does",
    allowed: "a whole number of milliseconds from 0 to 2147483647",
    fallback: 60_000,
    parse: whole(0, LONGEST),
  }),
  bodyLimit: setting({
    variable: "BODY_LIMIT",
    flag: "--body-limit <bytes>",
    about: "the largest request body that the front takes; it must hold a body to send it again",
    allowed: "a whole number of bytes from 0 to 1000000000",
    fallback: 10_000_000,
    parse: whole(0, 1_000_000_000),
  }),
  maxHttpBufferSize: setting({
    variable: "MAX_HTTP_BUFFER_SIZE",
    flag: "--max-http-buffer-size <bytes>",
    about: "the largest POST, and the largest message on a websocket; with a front, --body-limit holds too",
    allowed: "a whole number of bytes from 1 to 1000000000",
    fallback: 1_000_000,
    parse: whole(1, 1_000_000_000),
  }),
  maxSessions: setting({
    variable: "MAX_SESSIONS",
    flag: "--max-sessions <n>",
    about: "sessions of one worker at most; beyond, new ones are answered 503",
    allowed: "a whole number from 1 to 1000000000",
    fallback: 1_000_000,
    parse: whole(1, 1_000_000_000),
  }),
  maxSessionsPerAddress: setting<number | undefined>({
    variable: "MAX_SESSIONS_PER_ADDRESS",
    flag: "--max-sessions-per-address <n>",
    about: "sessions of one client address at one worker at most; beyond, new ones are answered 429; see --trust-proxy",
    allowed: "a whole number from 1 to 1000000000",
    fallback: undefined,
    fallbackShown: "any number",
    parse: whole(1, 1_000_000_000),
  }),
  trustProxy: setting<TrustedProxies>({
    variable: "TRUST_PROXY",
    flag: "--trust-proxy <proxies>",
    about:
      "proxies in front of this command whose X-Forwarded-For is believed: how many, or their addresses and networks, " +
      "loopback, linklocal, uniquelocal",
    allowed: "a whole number from 0 to 32, or addresses and networks with commas between",
    fallback: 0,
    parse: (text: string) => whole(0, 32)(text) ?? addresses(text),
  }),
  maxRequests: setting({
    variable: "MAX_REQUESTS",
    flag: "--max-requests <n>",
    about: "HTTP requests under way at one worker at most, polls that wait included; beyond, they are answered 503",
    allowed: "a whole number from 1 to 1000000000",
    fallback: 200_000,
    parse: whole(1, 1_000_000_000),
  }),
  bodyTimeout: setting({
    variable: "BODY_TIMEOUT",
    flag: "--body-timeout <ms>",
    about: "how long the body of a POST may take to arrive at a worker",
    allowed: "a whole number of milliseconds from 1 to 2147483647",
    fallback: 120_000,
    parse: whole(1, LONGEST),
  }),
  transports: setting<readonly Transport[]>({
    variable: "TRANSPORTS",
    flag: "--transports <list>",
    about: "transports that clients may use",
    allowed: `one or more of ${TRANSPORTS.join(",")}, with commas between`,
    fallback: TRANSPORTS,
    parse: listOf(TRANSPORTS),
  }),
  upgradeTimeout: setting({
    variable: "UPGRADE_TIMEOUT",
    flag: "--upgrade-timeout <ms>",
    about: "how long a client may take to go over from polling to websocket",
    allowed: "a whole number of milliseconds from 1 to 2147483647",
    fallback: 10_000,
    parse: whole(1, LONGEST),
  }),
  perMessageDeflate: setting({
    variable: "PER_MESSAGE_DEFLATE",
    flag: "--per-message-deflate [1|0]",
    about: "whether websocket messages are compressed; without a value, they are",
    allowed: "1 or 0",
    fallback: false,
    fallbackShown: "0",
    parse: yesOrNo,
  }),
  prefix: setting({
    variable: "PREFIX",
    flag: "--prefix <text>",
    about: "what keys in Redis and subjects in NATS start with: one for each cluster",
    allowed: "1 to 64 letters, digits, _ or -",
    fallback: "eioc",
    parse: matching(/^[A-Za-z0-9_-]{1,64}$/),
  }),
  // Not an option: everybody on the machine can read a command line.
  secret: setting<readonly string[] | "off" | undefined>({
    variable: "CLUSTER_SECRET",
    about:
      "signs what nodes send each other: the same at all of them, and needed unless NATS is on this machine; " +
      "of several, with commas between, the first signs and each is good; off: nothing is signed",
    allowed: "16 characters or more, several of such with commas between, or off",
    fallback: undefined,
    fallbackShown: "none",
    parse: secrets(16),
    secret: true,
  }),
  // No option either: who reads it could have the balancer take nodes for dead.
  doctorSecret: setting<string | undefined>({
    variable: "DOCTOR_SECRET",
    about: "lets `engine.io-cluster doctor` that has the same see which node answers, and break requests of its own",
    allowed: "16 characters or more",
    fallback: undefined,
    fallbackShown: "nobody is answered",
    parse: matching(/^.{16,}$/s),
    secret: true,
  }),
  pingInterval: setting({
    variable: "PING_INTERVAL",
    flag: "--ping-interval <ms>",
    about: "time between two pings",
    allowed: "a whole number of milliseconds from 1 to 2147483647",
    fallback: 25_000,
    parse: whole(1, LONGEST),
  }),
  pingTimeout: setting({
    variable: "PING_TIMEOUT",
    flag: "--ping-timeout <ms>",
    about: "how long the answer to a ping may take",
    allowed: "a whole number of milliseconds from 1 to 2147483647",
    fallback: 20_000,
    parse: whole(1, LONGEST),
  }),
  leaseTtl: setting({
    variable: "LEASE_TTL",
    flag: "--lease-ttl <ms>",
    about: "after how long a worker that is not heard of counts as dead; the same on all nodes",
    allowed: "a whole number of milliseconds from 1000 to 3600000",
    fallback: 5000,
    parse: whole(1000, 3_600_000),
  }),
  pollGrace: setting({
    variable: "POLL_GRACE",
    flag: "--poll-grace <ms>",
    about: "how long a session waits for a broken poll to come back by another way",
    // Three beats: a poll that another node took over may need that long to be asked for again.
    allowed: "a whole number of milliseconds from 1500 to 3600000",
    fallback: 2000,
    parse: whole(1500, 3_600_000),
  }),
  linger: setting({
    variable: "LINGER",
    flag: "--linger <ms>",
    about: "how long the record of a closed session stays",
    allowed: "a whole number of milliseconds from 1 to 86400000",
    fallback: 30_000,
    parse: whole(1, 86_400_000),
  }),
  takeover: setting<Takeover>({
    variable: "TAKEOVER",
    flag: "--takeover <kind>",
    about:
      "what becomes of a polling session whose worker died: adopt (another worker goes on with it) " +
      "or close (its client connects anew, which plain Socket.IO needs)",
    allowed: TAKEOVERS.join(" or "),
    fallback: "adopt",
    parse: oneOf(TAKEOVERS),
  }),
  drainTimeout: setting({
    variable: "DRAIN_TIMEOUT",
    flag: "--drain-timeout <ms>",
    about: "how long a worker may take to give its sessions away after SIGTERM",
    allowed: "a whole number of milliseconds from 0 to 3600000",
    fallback: 20_000,
    parse: whole(0, 3_600_000),
  }),
  logFormat: setting<LogFormat | undefined>({
    variable: "LOG_FORMAT",
    flag: "--log-format <format>",
    about: "plain lines, or one JSON object a line",
    allowed: LOG_FORMATS.join(" or "),
    fallback: undefined,
    fallbackShown: "json where NODE_ENV is production, else plain",
    parse: oneOf(LOG_FORMATS),
  }),
  logLevel: setting<LogLevel>({
    variable: "LOG_LEVEL",
    flag: "--log-level <level>",
    about: "the least important lines that are written",
    allowed: LOG_LEVELS.join(", "),
    fallback: "info",
    parse: oneOf(LOG_LEVELS),
  }),
  demoKill: setting({
    variable: "DEMO_KILL",
    about: "whether visitors of the demo page may kill workers",
    allowed: "0 or 1",
    fallback: true,
    fallbackShown: "1",
    parse: yesOrNo,
  }),
} as const;

export type SettingName = keyof typeof SETTINGS;

/** `--ping-interval <ms>` is `--ping-interval`. */
export function flagName(spec: Pick<Setting<unknown>, "flag">): string | undefined {
  return spec.flag?.split(" ")[0];
}

/** How a default reads in `--help` and in the docs. */
export function fallbackText(spec: Setting<unknown>): string {
  return spec.fallbackShown ?? String(spec.fallback);
}
