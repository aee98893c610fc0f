import type { NatsError } from "nats";

/** An error that says what failed and what to do about it. `what` names the server, without credentials. */
export function explain(what: string, error: unknown, permission: string): Error {
  const { code, message } = error as Partial<NatsError>;
  const reason = code === undefined || code === message ? (message ?? String(error)) : `${message ?? ""} (${code})`;
  return new Error(`${what}: ${reason}. ${hint(code, permission)}`, { cause: error });
}

function hint(code: string | undefined, permission: string): string {
  switch (code) {
    case "AUTHORIZATION_VIOLATION":
    case "AUTHENTICATION_EXPIRED":
    case "AUTHENTICATION_TIMEOUT":
    case "BAD_AUTHENTICATION":
      return "Check the user, password or token that is set for NATS.";
    case "PERMISSIONS_VIOLATION":
      return `Allow publish and subscribe on "${permission}" to its user.`;
    default:
      return "Check that the URL set for NATS is right and that a server listens there.";
  }
}
