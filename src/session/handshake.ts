import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { AuthorizedSession } from "../options";
import { encodingOf, type Encoding } from "../protocol/encoding";
import type { Revision } from "../protocol/names";
import { jsonpEncoding } from "../transports/jsonp";
import type { Times } from "./heartbeat";

/** A query string's parameters; a name that comes twice keeps its last value. */
export type Query = Record<string, string>;

/**
 * What an adopted session has in place of its handshake's request: what applications and Socket.IO read of it, and
 * nothing that hangs on a connection.
 */
export interface RebuiltRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly _query: Query;
  readonly res: null;
  readonly connection: RebuiltConnection;
  readonly socket: RebuiltConnection;
}

export interface RebuiltConnection {
  readonly remoteAddress: string;
  readonly encrypted: boolean;
}

/** What the record keeps of a handshake. */
interface StoredHandshake {
  readonly url: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly query: Query;
  readonly address: string;
  readonly encrypted: boolean;
  /** What the client was told. A version before this one did not keep them. */
  readonly pingInterval?: number;
  readonly pingTimeout?: number;
}

export function storeHandshake(request: IncomingMessage, query: Query, address: string, told?: Times): string {
  const { pingInterval, pingTimeout } = told ?? {};
  return JSON.stringify({ ...handshakeOf(request, query, address), pingInterval, pingTimeout });
}

/** The times of the heartbeat that the client was told, where the record keeps them. */
export function timesOf(handshake: string): Times | undefined {
  const { pingInterval, pingTimeout } = JSON.parse(handshake) as StoredHandshake;
  return pingInterval === undefined || pingTimeout === undefined ? undefined : { pingInterval, pingTimeout };
}

function handshakeOf(request: IncomingMessage, query: Query, address: string): StoredHandshake {
  return {
    url: request.url ?? "",
    method: request.method ?? "GET",
    headers: request.headers,
    query,
    address,
    encrypted: "encrypted" in request.socket && request.socket.encrypted === true,
  };
}

/** What an application is told of a session when it is asked about one of its requests. */
export function identityOf(id: string, handshake: string): AuthorizedSession {
  const { url, method, headers, query, address, encrypted } = JSON.parse(handshake) as StoredHandshake;
  // Shared by all requests of the session here: who changed it would change what the next one is held against.
  Object.freeze(headers);
  // No prototype: parameter names are the client's.
  const parameters = Object.freeze(Object.assign(Object.create(null) as Query, query));
  return Object.freeze({
    id,
    handshake: Object.freeze({ url, method, headers, query: parameters, address, encrypted }),
  });
}

/** Whether a client takes no binary payloads: it says so, or polls by JSONP, which is text. */
export function takesBase64Only(query: Query): boolean {
  // As in engine.io, an empty one says nothing.
  return Boolean(query["b64"]) || query["j"] !== undefined;
}

/** How the payloads of a session look, by the query of its handshake: what later requests say does not count. */
export function encodingFor(revision: Revision, query: Query): Encoding {
  const encoding = encodingOf(revision, takesBase64Only(query));
  const j: string | undefined = query["j"];
  return j === undefined ? encoding : jsonpEncoding(encoding, j);
}

/** The query of a stored handshake. */
export function queryOf(handshake: string): Query {
  return (JSON.parse(handshake) as StoredHandshake).query;
}

/** The `t` of a stored handshake: the first request of its client, and the only one that had it if that makes it anew for each. */
export function timestampOf(handshake: string): string | undefined {
  return (JSON.parse(handshake) as Partial<StoredHandshake>).query?.["t"];
}

export function rebuildRequest(handshake: string): RebuiltRequest {
  const stored = JSON.parse(handshake) as StoredHandshake;
  const connection = { remoteAddress: stored.address, encrypted: stored.encrypted };
  return {
    url: stored.url,
    method: stored.method,
    headers: stored.headers,
    // No prototype: parameter names are the client's.
    _query: Object.assign(Object.create(null) as Query, stored.query),
    res: null,
    connection,
    socket: connection,
  };
}
