import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { ERROR_MESSAGES, ErrorCode, type ErrorContext, type Refusal } from "../errors";
import type { EngineRequest, HeadersHook } from "../transports/request";

/** What engine.io 3 does in another way than 6, for engines with `compat: 3`. */

/** Polls and POSTs but those of JSONP, which every page may read anyway. */
export function isXhr({ _query: query }: EngineRequest): boolean {
  return query["transport"] === "polling" && query["j"] === undefined;
}

/** Lets pages of every origin read the answer, with credentials where the request says its origin. */
export function letOriginIn(headers: OutgoingHttpHeaders, { headers: { origin } }: IncomingMessage): void {
  headers["Access-Control-Allow-Origin"] = origin ?? "*";
  if (origin !== undefined) headers["Access-Control-Allow-Credentials"] = "true";
}

/** Answers the browser that asks whether it may send a POST of a session. */
export function answerPreflight(request: EngineRequest, hook: HeadersHook): void {
  const response = request.res;
  request.res = null;
  if (response === null) return;
  const headers: OutgoingHttpHeaders = { "Access-Control-Allow-Headers": "Content-Type" };
  hook(headers, request);
  response.writeHead(200, headers);
  response.end();
}

/** Headers of a refusal: a page may read it, but for that of `allowRequest`. */
export function refusalHeaders(request: IncomingMessage, { code }: Refusal): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  if (code !== ErrorCode.FORBIDDEN) letOriginIn(headers, request);
  return headers;
}

/**
 * What a `verify` has said: nothing where all is well, else the code and what it is about. One that is written for
 * engine.io 3 says `(null, true)`, or the code or a message, and false.
 */
export function refusalOf(said: ErrorCode | undefined, about: ErrorContext | boolean | undefined): Refusal | undefined {
  if (said === undefined || about === true) return undefined;
  return about === false ? refusedBy(said) : { code: said, context: about ?? {} };
}

/** What `allowRequest` says is the message, or the code of a refusal of engine.io's. */
export function refusedBy(said: unknown): Refusal {
  const code = Object.values(ErrorCode).find((known) => known === said);
  if (code !== undefined && ERROR_MESSAGES[code] !== undefined) return { code, context: {} };
  return { code: ErrorCode.FORBIDDEN, context: { message: said } };
}
