import type { Clock } from "./clock";

/** No answer came in time. */
export class NoAnswerError extends Error {
  readonly code = "NO_ANSWER";

  constructor(ms: number) {
    super(`no answer within ${String(ms)} ms`);
  }
}

/** As the promise, or rejects after `ms` milliseconds. */
export function within<T>(clock: Clock, ms: number, promise: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const timer = clock.after(ms, () => {
      reject(new NoAnswerError(ms));
    });
    promise.then(resolve, reject).finally(() => {
      timer.stop();
    });
  });
}
