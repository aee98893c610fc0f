/** What the client and the network say of a server that does not run yet, has no name yet, or is just going. */
const AWAY: ReadonlySet<unknown> = new Set([
  "CONNECTION_REFUSED",
  "CONNECTION_CLOSED",
  "CONNECTION_TIMEOUT",
  "DISCONNECT",
  "TIMEOUT",
  "NO_ANSWER",
  "EAI_AGAIN",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Whether another try may do better with nothing set otherwise. */
export function isAway(error: unknown): boolean {
  return AWAY.has((error as { readonly code?: unknown }).code);
}
