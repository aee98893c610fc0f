import {
  credsAuthenticator,
  nkeyAuthenticator,
  type Authenticator,
  type ConnectionOptions,
  type NatsConnection,
} from "nats";

/** Options of the client, and what a file of credentials has in it: a JWT and its seed, or the seed of an nkey alone. */
export type NatsConnectionOptions = ConnectionOptions & { readonly credentials?: string };

/** Where NATS is: a URL (several, separated by commas), the client's options, or a connection that is ready. */
export type NatsTarget = string | NatsConnectionOptions | NatsConnection;

export function isConnection(target: NatsTarget): target is NatsConnection {
  return typeof target === "object" && "publish" in target && "subscribe" in target;
}

/** A user's seed. */
const SEED = /^SU[A-Z2-7]{56}$/;
const CREDENTIALS = /-{3,}BEGIN NATS USER JWT-{3,}[\s\S]+-{3,}BEGIN USER NKEY SEED-{3,}/;

/**
 * The client's defaults suit a client that can wait: it takes four minutes to notice a dead connection. A node of a cluster
 * notices within seconds.
 */
const DEFAULTS: ConnectionOptions = {
  reconnectTimeWait: 200,
  reconnectJitter: 200,
  reconnectJitterTLS: 400,
  pingInterval: 1000,
  maxPingOut: 2,
  timeout: 5000,
};

/** The client ignores credentials in a URL, and takes digits of a password for the port: they are moved into options here. */
export function connectionOptions(target: string | NatsConnectionOptions, name: string): ConnectionOptions {
  const { credentials, ...given } = typeof target === "string" ? { servers: target, credentials: undefined } : target;
  const options: ConnectionOptions = { ...DEFAULTS, name, ...given, noEcho: false };
  const servers = [given.servers ?? []].flat().flatMap((list) => list.split(","));
  const urls = servers.filter((server) => server.trim() !== "").map(parse);
  if (urls.length > 0) options.servers = urls.map(({ host }) => host);
  if (options.tls === undefined && urls.some(({ protocol }) => protocol === "tls:")) options.tls = {};
  const known = urls.find(({ username }) => username !== "");
  if (known !== undefined && options.user === undefined && options.token === undefined) {
    const user = decodeURIComponent(known.username);
    if (known.password === "") options.token = user;
    else Object.assign(options, { user, pass: decodeURIComponent(known.password) });
  }
  if (credentials !== undefined) options.authenticator = authenticator(credentials);
  return options;
}

/**
 * For a dial, after which the client is not to connect anew by itself: with `servers` all that it is to try, those among them
 * that it has learned of, unless it is to ignore them.
 * `failures`: how many dials have failed in a row. Each begins with another server: a dial's time can be over before all had their
 * turn, and two that are silent would keep a client that does not shuffle from a third for ever.
 */
export function dialOptions(
  options: ConnectionOptions,
  learned: readonly string[],
  failures = 0,
): ConnectionOptions & { readonly servers: string[] } {
  const { port, ...others } = options;
  const more = options.ignoreClusterUpdates === true ? [] : learned;
  const given = [options.servers ?? []].flat();
  // Beside servers the client refuses a port, which means one on this machine.
  const servers = [...(given.length > 0 ? given : [here(port)]), ...more];
  const first = failures % servers.length;
  const turned = [...servers.slice(first), ...servers.slice(0, first)];
  // A node never gives up, and dials by itself.
  const once = { reconnect: false, waitOnFirstConnect: false };
  return { ...(given.length > 0 ? options : others), ...once, servers: turned };
}

/** How long to wait between two tries, in milliseconds; `random` is from 0 to 1. */
export function tryPause(options: ConnectionOptions, random: number): number {
  const { reconnectTimeWait = 0, reconnectJitter = 0, reconnectJitterTLS = reconnectJitter } = options;
  const jitter = options.tls === undefined || options.tls === null ? reconnectJitter : reconnectJitterTLS;
  return options.reconnectDelayHandler?.() ?? reconnectTimeWait + random * jitter;
}

function here(port = 4222): string {
  return `127.0.0.1:${port}`;
}

/** The client finds out that credentials are none only when it connects, and says a code then. */
function authenticator(credentials: string): Authenticator {
  const text = credentials.trim();
  const bytes = new TextEncoder().encode(text);
  if (SEED.test(text)) return nkeyAuthenticator(bytes);
  if (CREDENTIALS.test(text)) return credsAuthenticator(new TextEncoder().encode(`${text}\n`));
  throw new Error(
    "the credentials for NATS cannot be read: they are what `nsc generate creds` writes, " +
      "or the seed of an nkey, which starts with SU",
  );
}

/** The servers as a message may name them: without credentials. */
export function describe(options: ConnectionOptions): string {
  const servers = [options.servers ?? []].flat();
  return servers.length > 0 ? servers.join(", ") : here(options.port);
}

/**
 * The servers that are not on this machine, as a message may name them. What cannot be read is not among them: who
 * connects to it says so.
 */
export function serversElsewhere(target: NatsTarget): string[] {
  const servers = isConnection(target)
    ? [target.getServer()]
    : [typeof target === "string" ? target : (target.servers ?? [])].flat();
  return servers
    .flatMap((list) => list.split(","))
    .flatMap((server) => {
      try {
        const { host, hostname } = parse(server);
        return isLoopback(hostname) ? [] : [host];
      } catch {
        return [];
      }
    });
}

function isLoopback(hostname: string): boolean {
  const name = hostname.toLowerCase().replace(/^\[|\]$/g, "");
  return /^(localhost|.*\.localhost|::1|127(\.\d{1,3}){3}|::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4})$/.test(name);
}

function parse(server: string): URL {
  const text = server.trim();
  try {
    const url = new URL(text.includes("://") ? text : `nats://${text}`);
    if (url.hostname !== "" && ["nats:", "tls:"].includes(url.protocol)) return url;
  } catch {
    // The runtime's error would show the whole text, password included.
  }
  throw new Error("the NATS URL cannot be read: it must look like nats://user:password@host:4222 (or tls://…)");
}
