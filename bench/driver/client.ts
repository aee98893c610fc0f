/** One session, whatever it speaks. */
export interface Client {
  /** Sends a message; one that has not left yet makes the client busy. */
  send(text: string): void;
  readonly busy: boolean;
  /** Ends the session. */
  close(): void;
}

export interface ClientListener {
  onMessage(text: string): void;
  /** No longer busy. */
  onReady(): void;
  /** The session is over, and nobody here has closed it. */
  onFailure(reason: string): void;
}

/** Opens a session; rejects with what went wrong. */
export type OpenClient = (index: number, listener: ClientListener) => Promise<Client>;

/** The id in a handshake's answer. */
export function sidOf(body: string): string {
  const handshake: unknown = body.startsWith("0") ? JSON.parse(body.slice(1)) : undefined;
  if (typeof handshake === "object" && handshake !== null && "sid" in handshake && typeof handshake.sid === "string") {
    return handshake.sid;
  }
  throw new Error(`no handshake: ${body}`);
}
