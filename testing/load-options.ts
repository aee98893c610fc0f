import type { SocketOptions } from "engine.io-client";

export type Payload = "text" | "binary" | "mixed";

export interface Pushes {
  /** How many to each session. */
  readonly count: number;
  /** Makes the server send this text to this session. The next one goes when the previous one has come. */
  readonly push: (sid: string, text: string) => Promise<void>;
}

export interface LoadOptions {
  readonly url: string;
  readonly sessions: number;
  /** How many messages each session sends, each to be echoed by the server's application. Infinity: until `finish`. */
  readonly messages: number;
  /** "mixed" (the default) sends text and binary in turn. */
  readonly payload?: Payload;
  /** Characters or bytes of a message. Default: 48. */
  readonly size?: number;
  /** The time from one message of a session to its next. Without it the next one goes when an echo has come. */
  readonly everyMs?: number;
  /** How many messages of a session may be without echo. Default: 1, and no limit with `everyMs`. */
  readonly window?: number;
  readonly pushes?: Pushes;
  readonly path?: string;
  /** Default: ["polling"]. */
  readonly transports?: readonly string[];
  /** How many sessions are opened at the same time. Default: 50. */
  readonly openingAtOnce?: number;
  /** Whether the clients' connections are kept for their next requests. Default: true. */
  readonly keepAlive?: boolean;
  readonly client?: Partial<SocketOptions>;
  /**
   * A session that hears nothing for so long sends its next message without waiting for echoes, and at its end gives up
   * on what did not come. Default: 20 s: more than a takeover takes.
   */
  readonly stallMs?: number;
  /** A session that was dropped is followed by a new one, as users' clients connect again. Default: false. */
  readonly reopen?: boolean;
  /** When all of it must be over. Default: 120 s. */
  readonly timeoutMs?: number;
}
