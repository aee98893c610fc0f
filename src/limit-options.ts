import { OptionError, positive } from "./option-error";

/** What one process may hold at once, whoever asks it to. What is beyond is answered at once, and cheaply. */
export interface LimitOptions {
  /**
   * In a cluster: HTTP requests that are under way at this node, polls that wait included. Beyond: 503. Default 200,000.
   * In one process a session has one poll and one POST, so `sessions` limits these as well.
   */
  requests?: number;
  /** Bytes of POST bodies that are being read, or held until they are answered. Beyond: 503. Default 256 MiB, or four of the largest bodies. */
  bodyBytes?: number;
  /** How long a POST's body may take to arrive, in milliseconds. Longer: 408, and the session lives. Default 120,000. */
  bodyTimeout?: number;
  /** Sessions of this process. Beyond: handshakes are answered 503; sessions of dead nodes are taken over all the same. Default 1,000,000. */
  sessions?: number;
  /** Sessions of one client address at this process, of one IPv6 network of 64 bits. Beyond: 429. Default: any number. See `trustProxy`. */
  sessionsPerAddress?: number;
}

export type ResolvedLimits = Required<LimitOptions>;

/**
 * Whom to believe the header X-Forwarded-For, as in Express: nobody (false); so many proxies in front of this process; or proxies by
 * their addresses, networks ("10.0.0.0/8"), and "loopback", "linklocal", "uniquelocal". A connection over a unix socket
 * comes from this machine: unless this is false, what it says is believed, and is not counted.
 */
export type TrustProxy = false | number | string | readonly string[];

const MIB = 1024 * 1024;

export function resolveLimits(given: unknown, maxHttpBufferSize: number): ResolvedLimits {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new OptionError("limits", given, "an object of limits");
  const limits = given as LimitOptions;
  return {
    requests: limit("requests", limits.requests, 200_000),
    bodyBytes: limit("bodyBytes", limits.bodyBytes, Math.max(256 * MIB, 4 * maxHttpBufferSize)),
    bodyTimeout: positive("limits.bodyTimeout", limits.bodyTimeout ?? 120_000),
    sessions: limit("sessions", limits.sessions, 1_000_000),
    sessionsPerAddress: limit("sessionsPerAddress", limits.sessionsPerAddress, Infinity),
  };
}

function limit(name: string, value: unknown, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value > 0) return value;
  throw new OptionError(`limits.${name}`, value, "a number above 0, or Infinity");
}
