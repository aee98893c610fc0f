import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { isScript } from "./jsonp";
import type { WebSocketLike } from "./websocket";

/** A request whose query was parsed. */
export interface QueriedRequest extends IncomingMessage {
  /** The query's parameters; an object without a prototype. */
  _query: Record<string, string>;
}

/** An HTTP request as the engine hands it around: engine.io's names, which applications and Socket.IO read. */
export interface EngineRequest extends QueriedRequest {
  /** Null once it was answered. */
  res: ServerResponse | null;
  /** What became of it where it asked for a websocket. */
  websocket?: WebSocketLike;
}

/** Lets a listener change the headers of a response before they leave. */
export type HeadersHook = (headers: OutgoingHttpHeaders, request: EngineRequest) => void;

/**
 * Answers 200, head and body in one write: once a byte is out no balancer can send the request again.
 */
export function answerOk(
  request: EngineRequest,
  response: ServerResponse,
  contentType: string,
  body: string | Buffer,
  hook: HeadersHook,
  contentEncoding?: string,
): void {
  const headers: OutgoingHttpHeaders = {
    "Content-Type": contentType,
    "Content-Length": typeof body === "string" ? Buffer.byteLength(body) : body.length,
    "cache-control": "no-store",
  };
  if (contentEncoding !== undefined) headers["Content-Encoding"] = contentEncoding;
  const agent = request.headers["user-agent"];
  // Old Internet Explorers take JSON that echoes the query for an attack.
  if (agent !== undefined && (agent.includes(";MSIE") || agent.includes("Trident/"))) headers["X-XSS-Protection"] = "0";
  hook(headers, request);
  response.writeHead(200, headers);
  response.end(body);
}

/** Answers with a status and nothing else. */
export function answerStatus(response: ServerResponse, status: number, headers?: OutgoingHttpHeaders): void {
  response.writeHead(status, headers);
  response.end();
}

export const TEXT_PAYLOAD = "text/plain; charset=UTF-8";
export const BINARY_PAYLOAD = "application/octet-stream";
/** Not engine.io's text/plain: a page whose server forbids browsers to guess would not run it. */
const SCRIPT_PAYLOAD = "text/javascript; charset=UTF-8";

/** The content type of a payload. */
export function payloadType(body: string | Buffer): string {
  if (typeof body !== "string") return BINARY_PAYLOAD;
  return isScript(body) ? SCRIPT_PAYLOAD : TEXT_PAYLOAD;
}

/** The answer to a POST. HTML, because engine.io answers so: old clients look at it. */
export const POST_ANSWER = "text/html";
