import type { IncomingMessage, ServerResponse } from "node:http";
import type { Middleware } from "../options";

/**
 * One request on its way through the middlewares, one after the other, inside the call while they go on at once. `done`
 * is told once whether all went on; a middleware that answers by itself goes no further, and that is the end.
 */
export class Passage {
  readonly #middlewares: readonly Middleware[];
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #done: (passed: boolean) => void;

  constructor(
    middlewares: readonly Middleware[],
    request: IncomingMessage,
    response: ServerResponse,
    done: (passed: boolean) => void,
  ) {
    this.#middlewares = middlewares;
    this.#request = request;
    this.#response = response;
    this.#done = done;
  }

  /** What comes behind a middleware never runs inside its call: the middleware would take the errors of others for its own. */
  run(from = 0): void {
    for (let i = from; i < this.#middlewares.length; i++) {
      const step = { inCall: true, settled: false, failed: false };
      const settle = (failed: boolean): void => {
        if (step.settled) return;
        step.settled = true;
        step.failed = failed;
        if (step.inCall) return;
        queueMicrotask(() => {
          if (step.failed) this.#done(false);
          else this.run(i + 1);
        });
      };
      this.#call(this.#middlewares[i], settle);
      step.inCall = false;
      if (!step.settled) return;
      if (step.failed) {
        this.#done(false);
        return;
      }
    }
    this.#done(true);
  }

  #call(middleware: Middleware | undefined, settle: (failed: boolean) => void): void {
    const next = (error?: unknown): void => {
      // As for Express: whatever is truthy is an error.
      settle(Boolean(error));
    };
    try {
      const returned = middleware?.(this.#request, this.#response, next);
      if (returned instanceof Promise) {
        returned.catch(() => {
          settle(true);
        });
      }
    } catch {
      settle(true);
    }
  }
}
