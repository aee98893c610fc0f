/** Answers that mean "not now": the connection, a failover, a server that is starting or busy. */
const TRANSIENT_REPLY = /\b(READONLY|LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|BUSY|NOREPLICAS|MOVED|ASK|UNBLOCKED)\b/;

/** What ioredis says when it could not send, or lost what it had sent. It has no codes for them. */
const TRANSIENT_CLIENT =
  /Connection is closed|Stream isn't writeable|Command timed out|Cluster isn't ready|Too many Cluster redirections|Failed to refresh slots cache|connection is in/i;

const TRANSIENT_NAMES = new Set(["MaxRetriesPerRequestError", "AbortError", "ClusterAllFailedError"]);

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/\bOOM\b/, "Redis is over its maxmemory: raise it, or give the sessions a Redis of their own."],
  [/\bNOAUTH\b|\bWRONGPASS\b/, "Set the user name and password that Redis asks for."],
  [/\bNOPERM\b/, "Give this user the commands and the keys that the sessions need."],
  [/\bCROSSSLOT\b/, "This Redis is a cluster: give the option `redis` a Cluster instance of ioredis."],
  [/\bWRONGTYPE\b/, "Something else writes to these keys: set another key prefix."],
  [/\bMISCONF\b/, "Redis refuses writes since it cannot save: look into its log, and at its disk."],
];

export function isTransientReply(message: string): boolean {
  return TRANSIENT_REPLY.test(message);
}

/** Whether asking again later is all the remedy that is needed. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // Set by the operating system: ECONNREFUSED, ETIMEDOUT, ENOTFOUND, EPIPE and the like.
  if ("syscall" in error || ("code" in error && /^E[A-Z]+$/.test(String(error.code)))) return true;
  return TRANSIENT_NAMES.has(error.name) || TRANSIENT_CLIENT.test(error.message) || isTransientReply(error.message);
}

/** Whether the server takes nothing for the moment, and may again: it is full, or cannot save. Unlike the others that needs somebody. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && /\b(OOM|MISCONF)\b/.test(error.message);
}

export function isReadOnly(error: unknown): boolean {
  return error instanceof Error && /\bREADONLY\b/.test(error.message);
}

export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("NOSCRIPT");
}

/**
 * What went wrong, with what to do where that is known. Made anew from the text: an error of the client carries the
 * command and all of its arguments, which are the application's data.
 */
export function storeError(what: string, error: unknown): Error {
  const message = messageOf(error);
  const hint = HINTS.find(([pattern]) => pattern.test(message))?.[1];
  return new Error(`${what}: ${message.slice(0, 300)}${hint === undefined ? "" : `. ${hint}`}`);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
