import type { Server as HttpServer, ServerResponse } from "node:http";
import { sticky, type StickyEngine } from "./package";

/** The worker's end: its HTTP server is given the connections that the primary hands over. */
export class StickyIntake {
  #answering = 0;
  #onIdle: (() => void) | undefined;

  /** The server must be complete: the engine, when it is attached, takes listeners of requests away. */
  constructor(http: HttpServer, engine: StickyEngine) {
    http.prependListener("request", this.#onRequest);
    sticky.setupWorker({ httpServer: http, engine });
  }

  /** Resolves when no request is being answered: a server that does not listen cannot tell by itself. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#answering === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  readonly #onRequest = (_request: unknown, response: ServerResponse): void => {
    this.#answering++;
    response.once("close", () => {
      if (--this.#answering === 0) this.#onIdle?.();
    });
  };
}
