/** What a request was answered beyond a limit for. */
export type Limited = "requests" | "bodyBytes" | "bodySize" | "bodyTimeout" | "sessions" | "sessionsPerAddress";

/** What a process holds at the moment, in plain numbers: they are raised and lowered with every request. */
export class Load {
  /** HTTP requests of a cluster's node that are not answered. */
  requests = 0;
  /** Bytes of bodies that are being read, or held. */
  bodyBytes = 0;
  /** Sessions whose sockets are here, or that are being opened. */
  sessions = 0;
  /** Requests of sessions that the application did not let in. */
  unauthorized = 0;
  /** How often a limit was met. */
  readonly refused: Record<Limited, number> = {
    requests: 0,
    bodyBytes: 0,
    bodySize: 0,
    bodyTimeout: 0,
    sessions: 0,
    sessionsPerAddress: 0,
  };
}
