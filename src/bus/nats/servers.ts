import { isIP } from "node:net";
import { connect, type ConnectionOptions, type NatsConnection, type TlsOptions } from "nats";
import { dialOptions } from "./target";

/** What connections have told of the cluster of servers. */
export interface Known {
  /** Servers that the client has learned of: most often addresses, without a name. */
  readonly learned: readonly string[];
  /** The name that a server had last whose certificate was good for it; empty where there is no TLS, or was no name. */
  readonly name: string;
}

export const NOTHING_KNOWN: Known = Object.freeze({ learned: [], name: "" });

export function learn(known: Known, connection: Pick<NatsConnection, "info" | "getServer">): Known {
  const { info } = connection;
  const secured = info?.tls_required === true || info?.tls_available === true;
  const host = hostOf(connection.getServer());
  return {
    learned: info?.connect_urls ?? known.learned,
    name: !secured ? "" : host === "" || isIP(host) !== 0 ? known.name : host,
  };
}

/**
 * The dials of one try, one after the other. A connection that goes on holds the certificates of servers that it learned of against
 * the name of the one before, and one that is made anew does not know that name: addresses are dialled with it by themselves.
 */
export function dialsOf(options: ConnectionOptions, known: Known, failures: number): ConnectionOptions[] {
  const { servers, ...others } = dialOptions(options, known.learned, failures);
  const { tls } = options;
  if (known.name === "" || tls === null) return [{ ...others, servers }];
  const given = [options.servers ?? []].flat();
  const named: TlsOptions & { servername: string } = { servername: known.name, ...tls };
  const dials: { isNamed: boolean; servers: string[] }[] = [];
  for (const server of servers) {
    const isNamed = known.learned.includes(server) && !given.includes(server) && isIP(hostOf(server)) !== 0;
    const last = dials.at(-1);
    if (last?.isNamed === isNamed) last.servers.push(server);
    else dials.push({ isNamed, servers: [server] });
  }
  return dials.map((dial) => ({ ...others, ...(dial.isNamed ? { tls: named } : {}), servers: dial.servers }));
}

/** Connects by the first dial that comes to something. */
export async function connectBy(dials: readonly ConnectionOptions[]): Promise<NatsConnection> {
  let failure: unknown;
  for (const dial of dials) {
    try {
      return await connect(dial);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** Of a server as the client names it: `host:port`. */
function hostOf(server: string): string {
  return (/^(.*):\d+$/.exec(server)?.[1] ?? server).replace(/^\[|\]$/g, "");
}
