/**
 * Reports an error that a listener threw as what it is, an uncaught exception, but from outside of the loop that
 * called the listener: the messages behind it must arrive, and the NATS client ends its reader when a callback throws.
 */
export function rethrow(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}
