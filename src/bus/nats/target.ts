import type { ConnectionOptions, NatsConnection } from "nats";

/** Where NATS is: a URL (several, separated by commas), the client's options, or a connection that is ready. */
export type NatsTarget = string | ConnectionOptions | NatsConnection;

export function isConnection(target: NatsTarget): target is NatsConnection {
  return typeof target === "object" && "publish" in target && "subscribe" in target;
}

/**
 * The client's defaults suit a client that can wait: it gives up after ten attempts and takes four minutes to notice a
 * dead connection. A node of a cluster never gives up, and notices within seconds.
 */
const DEFAULTS: ConnectionOptions = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 200,
  reconnectJitter: 200,
  reconnectJitterTLS: 400,
  pingInterval: 1000,
  maxPingOut: 2,
  timeout: 5000,
};

/** The client ignores credentials in a URL, and takes digits of a password for the port: they are moved into options here. */
export function connectionOptions(target: string | ConnectionOptions, name: string): ConnectionOptions {
  const given = typeof target === "string" ? { servers: target } : target;
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
  return options;
}

/** The servers as a message may name them: without credentials. */
export function describe(options: ConnectionOptions): string {
  const servers = [options.servers ?? []].flat();
  return servers.length > 0 ? servers.join(", ") : `127.0.0.1:${options.port ?? 4222}`;
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
