/**
 * The errors that a client of the server can meet before it has a session, or with a request that names none that
 * lives. Codes and texts are engine.io's: clients and their users know them.
 */
export const ErrorCode = {
  UNKNOWN_TRANSPORT: 0,
  UNKNOWN_SID: 1,
  BAD_HANDSHAKE_METHOD: 2,
  BAD_REQUEST: 3,
  FORBIDDEN: 4,
  UNSUPPORTED_PROTOCOL_VERSION: 5,
} as const;

export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

export const ERROR_MESSAGES: Readonly<Record<number, string>> = Object.freeze({
  0: "Transport unknown",
  1: "Session ID unknown",
  2: "Bad handshake method",
  3: "Bad request",
  4: "Forbidden",
  5: "Unsupported protocol version",
});

/** Called with nothing where all is well, else with the code and what it is about. */
export type ErrorCallback = (code?: ErrorCode, context?: ErrorContext) => void;

/** What a refusal is about. */
export type ErrorContext = Record<string, unknown> & { name?: string; message?: string };

/** Why a request was refused, with what it was that was refused. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, unknown>>;
  /** Also of a request for a websocket, all other refusals of which are 400, as in engine.io. */
  readonly status?: 403;
}
