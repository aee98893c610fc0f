import type { IncomingMessage } from "node:http";
import { ErrorCode, type Refusal } from "../errors";
import type { ResolvedOptions } from "../options";
import type { Revision } from "../protocol/names";
import type { QueriedRequest } from "../transports/request";
import { revisionIn } from "../transports/transport";
import { refusedBy } from "./compat3";

export type Verdict = (refusal: Refusal | undefined) => void;

/** What a request must agree with of the session that it names. */
export interface KnownSession {
  readonly transport: { readonly name: string };
  readonly protocol: Revision;
}

/** What is known at once of the session that a request names: undefined where there is none. */
export type KnownSessions = (sid: string) => KnownSession | "ask the owner" | undefined;

/** The revision that a request says it speaks. */
export function revisionOf(request: QueriedRequest): Revision {
  return revisionIn(request._query);
}

/**
 * The checks of a request, in the protocol's order; the first that fails decides. `decide` is called once, inside the
 * call unless `allowRequest` takes its time.
 */
export function verify(
  request: QueriedRequest,
  upgrade: boolean,
  options: ResolvedOptions,
  known: KnownSessions,
  decide: Verdict,
): void {
  const query = request._query;
  const transport = query["transport"];
  if (!options.transports.some((name) => name === transport)) {
    decide({ code: ErrorCode.UNKNOWN_TRANSPORT, context: { transport } });
    return;
  }
  const { origin } = request.headers;
  if (origin !== undefined && !isHeaderText(origin)) {
    // It would be sent back by CORS and split the response there.
    delete request.headers.origin;
    decide({ code: ErrorCode.BAD_REQUEST, context: { name: "INVALID_ORIGIN", origin } });
    return;
  }
  const { sid } = query;
  if (sid !== undefined && sid !== "") decide(verifySession(request, sid, upgrade, known(sid)));
  else verifyHandshake(request, upgrade, options, decide);
}

function verifySession(
  request: QueriedRequest,
  sid: string,
  upgrade: boolean,
  session: ReturnType<KnownSessions>,
): Refusal | undefined {
  if (session === "ask the owner") return undefined;
  if (session === undefined) return { code: ErrorCode.UNKNOWN_SID, context: { sid } };
  const transport = request._query["transport"];
  const { name: previousTransport } = session.transport;
  if (!upgrade && previousTransport !== transport) {
    const context = { name: "TRANSPORT_MISMATCH", transport, previousTransport };
    return { code: ErrorCode.BAD_REQUEST, context };
  }
  return protocolMismatch(revisionOf(request), session.protocol);
}

/** A request that does not speak its session's protocol is refused. */
export function protocolMismatch(protocol: Revision, previousProtocol: Revision): Refusal | undefined {
  if (protocol === previousProtocol) return undefined;
  return { code: ErrorCode.BAD_REQUEST, context: { name: "PROTOCOL_MISMATCH", protocol, previousProtocol } };
}

function verifyHandshake(request: QueriedRequest, upgrade: boolean, options: ResolvedOptions, decide: Verdict): void {
  if (request.method !== "GET") {
    decide({ code: ErrorCode.BAD_HANDSHAKE_METHOD, context: { method: request.method } });
  } else if (request._query["transport"] === "websocket" && !upgrade) {
    decide({ code: ErrorCode.BAD_REQUEST, context: { name: "TRANSPORT_HANDSHAKE_ERROR" } });
  } else if (options.allowRequest === undefined) {
    decide(undefined);
  } else {
    allow(request, options.allowRequest, options.compat, decide);
  }
}

function allow(
  request: IncomingMessage,
  ask: NonNullable<ResolvedOptions["allowRequest"]>,
  compat: 3 | undefined,
  decide: Verdict,
): void {
  let decided = false;
  ask(request, (message, allowed) => {
    if (decided) return;
    decided = true;
    if (allowed) decide(undefined);
    else decide(compat === 3 ? refusedBy(message) : { code: ErrorCode.FORBIDDEN, context: { message } });
  });
}

/** Whether the text could be sent as a header: tab, and no other control character (RFC 9110, 5.5). */
function isHeaderText(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f || code > 0xff) return false;
  }
  return true;
}
