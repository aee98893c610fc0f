/** A program of engine.io 6 that builds on its classes. It is compiled as `events.ts` is. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { Server, type AttachOptions, type ErrorCallback, type ServerOptions } from "engine.io";

/** The request as the server hands it on; engine.io does not export the type. */
type EngineRequest = Parameters<Own["ask"]>[0];

export class Own extends Server {
  readonly names: string[] = [];

  constructor(options: ServerOptions = {}) {
    super({ ...options, pingInterval: 5000 });
  }

  override generateId(request: IncomingMessage): string | Promise<string> {
    return request.headers.cookie ?? Promise.resolve("id");
  }

  protected override init(): void {
    super.init();
  }

  protected override cleanup(): void {
    super.cleanup();
  }

  protected override _computePath(options: AttachOptions): string {
    return super._computePath(options).toLowerCase();
  }

  protected override _applyMiddlewares(
    request: IncomingMessage,
    response: ServerResponse,
    callback: (error?: unknown) => void,
  ): void {
    console.log(this.middlewares.length);
    super._applyMiddlewares(request, response, callback);
  }

  ask(request: Parameters<Server["handleRequest"]>[0] & { _query: Record<string, string> }): void {
    this.verify(request, false, this.#answer);
  }

  readonly #answer: ErrorCallback = (code, context) => {
    this.names.push(String(code), context?.name ?? "");
  };

  override upgrades(transport: "polling" | "websocket"): string[] {
    return super.upgrades(transport).filter((name) => name !== "webtransport");
  }

  override close(): this {
    this.names.push(...Object.keys(this.clients));
    return super.close();
  }
}

export const ask = (own: Own, request: EngineRequest): void => {
  own.ask(request);
};
