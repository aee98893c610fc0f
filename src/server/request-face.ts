import type { IncomingMessage, ServerResponse } from "node:http";
import { resolvePath, type AttachOptions, type Middleware } from "../options";
import type { EngineRequest } from "../transports/request";
import { Passage, type PassageDone } from "./middlewares";
import { OptionsFace } from "./options-face";
import { parseQuery } from "./query";

/** What requests pass before they are checked. */
export abstract class RequestFace extends OptionsFace {
  /** They see every request, in this order; see `use`. */
  protected middlewares: Middleware[] = [];

  /** Every request comes through `middleware` before it is checked, at the node that it reaches; see `Middleware`. */
  use(middleware: Middleware): void {
    this.middlewares.push(middleware);
  }

  /** Takes a request through the middlewares; `done` is told an error where one of them fails. */
  protected _applyMiddlewares(request: IncomingMessage, response: ServerResponse, done: PassageDone): void {
    if (this.middlewares.length === 0) done();
    else new Passage(this.middlewares, request, response, done).run();
  }

  /** Nothing looks at requests before they are checked. */
  protected get passesAll(): boolean {
    return this.middlewares.length === 0 && this._applyMiddlewares === applyMiddlewares;
  }

  /** Parses the query, once. */
  prepare(incoming: IncomingMessage): EngineRequest {
    const request = incoming as EngineRequest;
    // Another engine.io middleware may have been here; its parameters stand.
    if ((request._query as Record<string, string> | undefined) === undefined) {
      request._query = parseQuery(request.url ?? "");
    }
    return request;
  }

  /** The path that requests must begin with. */
  protected _computePath(options: AttachOptions): string {
    return resolvePath(options);
  }

  /** @internal */
  pathOf(options: AttachOptions): string {
    return this._computePath(options);
  }
}

/** By which is seen whether anybody has put their own in its place. */
// eslint-disable-next-line @typescript-eslint/unbound-method, @typescript-eslint/dot-notation -- compared, not called
const applyMiddlewares = RequestFace.prototype["_applyMiddlewares"];
