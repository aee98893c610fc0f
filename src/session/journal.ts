import type { Transport } from "../transports/transport";

/**
 * How a session's output reaches its client. Two implementations:
 * - `DirectJournal`: at once, inside the call. One process without a cluster, and websockets that their owner holds.
 * - `OwnedSession`: by turns, committed to the store before anything of them is let out.
 */
export interface Journal {
  /** The write buffer grew. */
  flush(): void;

  /**
   * `Socket.close()` was called: what is buffered goes out first, then the close, then the socket's `onClose`
   * is called with "forced close". With `discard` the buffer is lost.
   */
  close(discard: boolean): void;

  /** The socket has closed for a reason of its own: its client is told if that can be, and nothing else goes out. */
  ended(reason: string): void;

  /** No answer to a ping came in time. Ends in `Socket.onClose("ping timeout")`, unless the session is another node's by now. */
  timedOut(): void;

  /** `Socket.setTransport` was called. Throws where the session's transport is not the caller's to choose. */
  goOver(transport: Transport): void;

  /** `Socket.clearTransport` was called. Throws where the transport is not the caller's to leave. */
  leave(): void;

  /** `Socket.closeTransport` was called: as `close`, without waiting for what is buffered. */
  closeTransport(discard: boolean): void;
}
