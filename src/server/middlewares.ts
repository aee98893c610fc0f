import type { IncomingMessage, ServerResponse } from "node:http";
import { ErrorCode, type Refusal } from "../errors";
import type { Middleware } from "../options";

/** Told once: nothing where all middlewares went on, else what went wrong. */
export type PassageDone = (error?: unknown) => void;

/** What a request is refused with where one of them fails. */
export const MIDDLEWARE_FAILURE: Refusal = { code: ErrorCode.BAD_REQUEST, context: { name: "MIDDLEWARE_FAILURE" } };

/**
 * One request on its way through the middlewares, one after the other, inside the call while they go on at once. A
 * middleware that answers by itself goes no further, and that is the end: nobody is told.
 */
export class Passage {
  readonly #middlewares: readonly Middleware[];
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #done: PassageDone;

  constructor(
    middlewares: readonly Middleware[],
    request: IncomingMessage,
    response: ServerResponse,
    done: PassageDone,
  ) {
    this.#middlewares = middlewares;
    this.#request = request;
    this.#response = response;
    this.#done = done;
  }

  /** What comes behind a middleware never runs inside its call: the middleware would take the errors of others for its own. */
  run(from = 0): void {
    for (let i = from; i < this.#middlewares.length; i++) {
      const step: { inCall: boolean; settled: boolean; error: unknown } = {
        inCall: true,
        settled: false,
        error: undefined,
      };
      const settle = (error: unknown): void => {
        if (step.settled) return;
        step.settled = true;
        step.error = error;
        if (step.inCall) return;
        queueMicrotask(() => {
          if (step.error === undefined) this.run(i + 1);
          else this.#done(step.error);
        });
      };
      this.#call(this.#middlewares[i], settle);
      step.inCall = false;
      if (!step.settled) return;
      if (step.error !== undefined) {
        this.#done(step.error);
        return;
      }
    }
    this.#done();
  }

  /** `settle` is given undefined where the middleware went on. */
  #call(middleware: Middleware | undefined, settle: (error: unknown) => void): void {
    const next = (error?: unknown): void => {
      // As for Express: whatever is truthy is an error.
      settle(isTruthy(error) ? error : undefined);
    };
    const failed = (error: unknown): void => {
      settle(error ?? new Error("a middleware failed, and said nothing of why"));
    };
    try {
      const returned = middleware?.(this.#request, this.#response, next);
      if (returned instanceof Promise) {
        returned.catch(failed);
      }
    } catch (error) {
      failed(error);
    }
  }
}

function isTruthy(value: unknown): boolean {
  return Boolean(value);
}
