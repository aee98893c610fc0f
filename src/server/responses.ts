import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { ERROR_MESSAGES, ErrorCode, type Refusal } from "../errors";
import type { EngineRequest } from "../transports/request";
import { UNREACHABLE, type Overload } from "./admission";

/** Answers a refused request with engine.io's JSON. */
export function sendRefusal(response: ServerResponse, refusal: Refusal, headers?: OutgoingHttpHeaders): void {
  if (response.headersSent) {
    // A middleware answered before it failed.
    if (!response.writableEnded) response.end();
    return;
  }
  const { code, context } = refusal;
  const own = context["message"];
  const message = typeof own === "string" && own !== "" ? own : (ERROR_MESSAGES[code] ?? "");
  response.writeHead(code === ErrorCode.FORBIDDEN ? 403 : 400, {
    "Content-Type": "application/json",
    ...headers,
  });
  response.end(JSON.stringify({ code, message }));
}

/** Nobody could answer in time. The stock client gives up on any error; others may come again. */
export function sendUnavailable(response: ServerResponse): void {
  sendOverload(response, UNREACHABLE);
}

/** Answers a request that cannot be taken now. */
export function sendOverload(response: ServerResponse, { status, body, closes }: Overload): void {
  if (closes) response.shouldKeepAlive = false;
  response.writeHead(status, { "Retry-After": "1", "Content-Type": "text/plain; charset=UTF-8" });
  response.end(body);
}

/** What listeners of `connection_error` are told. */
export interface ConnectionError {
  readonly req: EngineRequest;
  readonly code: ErrorCode;
  readonly message: string;
  readonly context: Refusal["context"];
}

export function connectionError(request: EngineRequest, { code, context }: Refusal): ConnectionError {
  return { req: request, code, message: ERROR_MESSAGES[code] ?? "", context };
}
