import type { IncomingMessage } from "node:http";
import { REQUEST_ID_HEADER } from "../../src/options";

// RFC 9110, 7.6.1: these are about one connection, and a proxy has two. `trailer` goes because trailers are not passed on,
// `expect` because the front answers it itself, `content-length` because the front sends the body's own length.
const NOT_FORWARDED = new Set([
  "connection",
  "content-length",
  "expect",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-forwarded-for",
]);

const NOT_RETURNED = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * A request's headers for a worker, as the flat list that `http.request` writes without looking at it again. `length` is
 * the body's, undefined for a request without one; `name` is what the front calls all attempts at it, where it does.
 */
export function requestHeaders(
  request: IncomingMessage,
  length: number | undefined,
  name: string | undefined,
): string[] {
  const headers = forward(request, NOT_FORWARDED);
  if (length !== undefined) headers.push("Content-Length", String(length));
  if (name !== undefined) headers.push(REQUEST_ID_HEADER, name);
  return headers;
}

/**
 * The head of a request that wants another protocol, ready to be written. A websocket's keeps its connection headers.
 * Anything else (curl offers h2c) is asked of the worker as a plain request, on a connection of its own: behind an `upgrade`
 * event Node gives the socket away, and there is no way back to a request.
 */
export function upgradeHead(request: IncomingMessage): string {
  const websocket = request.headers.upgrade?.toLowerCase() === "websocket";
  const headers = forward(request, websocket ? ADDRESS_ONLY : HOP_BY_HOP);
  if (!websocket) headers.push("Connection", "close");
  let head = `${request.method ?? "GET"} ${request.url ?? "/"} HTTP/1.1\r\n`;
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i] ?? ""}: ${headers[i + 1] ?? ""}\r\n`;
  return `${head}\r\n`;
}

const ADDRESS_ONLY = new Set(["x-forwarded-for"]);
// The rest of such a connection is passed on byte by byte, so what frames the body must stay.
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "http2-settings",
  "upgrade",
  "x-forwarded-for",
]);

function forward(request: IncomingMessage, without: ReadonlySet<string>): string[] {
  const headers = copy(request, without);
  // Appended to what a proxy before this one said, so the last address is the one that this process saw itself.
  const seen = request.socket.remoteAddress ?? "";
  const before = request.headers["x-forwarded-for"];
  headers.push("X-Forwarded-For", before === undefined ? seen : `${String(before)}, ${seen}`);
  if (request.headers["x-forwarded-proto"] === undefined) headers.push("X-Forwarded-Proto", "http");
  // An HTTP/1.0 request may lack it, the 1.1 request that it becomes may not.
  if (request.headers.host === undefined) headers.push("Host", "localhost");
  return headers;
}

/** A worker's response headers for the client. */
export function responseHeaders(response: IncomingMessage): string[] {
  return copy(response, NOT_RETURNED);
}

function copy(message: IncomingMessage, without: ReadonlySet<string>): string[] {
  const { rawHeaders } = message;
  const named = connectionNames(message.headers.connection);
  const headers: string[] = [];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    const key = name.toLowerCase();
    if (without.has(key) || (named !== undefined && without !== ADDRESS_ONLY && named.includes(key))) continue;
    headers.push(name, rawHeaders[i + 1] ?? "");
  }
  return headers;
}

/** Headers that `Connection` names belong to that connection too. Nearly always it names none. */
function connectionNames(connection: string | undefined): string[] | undefined {
  if (connection === undefined || /^(?:keep-alive|close)$/i.test(connection)) return undefined;
  return connection.split(",").map((name) => name.trim().toLowerCase());
}
