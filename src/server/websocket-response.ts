import { EventEmitter } from "node:events";
import {
  validateHeaderName,
  validateHeaderValue,
  type IncomingMessage,
  type OutgoingHttpHeader,
  type OutgoingHttpHeaders,
} from "node:http";
import type { Duplex } from "node:stream";

/**
 * What middlewares have in place of the response of a websocket's request: headers can be set, and leave with the 101;
 * whoever ends it has refused the request, and its connection is closed.
 *
 * Events: `finish` when it is ended, `close` when the connection is gone.
 */
export class WebSocketResponse extends EventEmitter {
  readonly req: IncomingMessage;
  readonly socket: Duplex;
  statusCode = 101;
  /** Names as they were written, and values, by the name in lower case. */
  readonly #headers = new Map<string, { readonly name: string; readonly value: OutgoingHttpHeader }>();
  #sent = false;

  constructor(request: IncomingMessage, socket: Duplex) {
    super();
    this.req = request;
    this.socket = socket;
    socket.once("close", () => this.emit("close"));
  }

  get headersSent(): boolean {
    return this.#sent;
  }

  get writableEnded(): boolean {
    return this.socket.destroyed;
  }

  setHeader(name: string, value: OutgoingHttpHeader): this {
    // They are written as they are: a line break in one would begin another.
    validateHeaderName(name);
    for (const one of Array.isArray(value) ? value : [value]) validateHeaderValue(name, String(one));
    this.#headers.set(name.toLowerCase(), { name, value });
    return this;
  }

  appendHeader(name: string, value: string | readonly string[]): this {
    const before = this.getHeader(name);
    if (before === undefined) return this.setHeader(name, typeof value === "string" ? value : [...value]);
    const list = Array.isArray(before) ? before : [String(before)];
    return this.setHeader(name, list.concat(value));
  }

  getHeader(name: string): OutgoingHttpHeader | undefined {
    return this.#headers.get(name.toLowerCase())?.value;
  }

  hasHeader(name: string): boolean {
    return this.#headers.has(name.toLowerCase());
  }

  removeHeader(name: string): void {
    this.#headers.delete(name.toLowerCase());
  }

  getHeaderNames(): string[] {
    return [...this.#headers.keys()];
  }

  /** By their names in lower case. */
  getHeaders(): OutgoingHttpHeaders {
    const headers = Object.create(null) as OutgoingHttpHeaders;
    for (const [key, { value }] of this.#headers) headers[key] = value;
    return headers;
  }

  /** Sessions and the like wait for this call to set their last headers. */
  writeHead(status?: number, ...rest: readonly unknown[]): this {
    if (status !== undefined) this.statusCode = status;
    const headers = rest.at(-1);
    if (typeof headers === "object" && headers !== null)
      for (const [name, value] of Object.entries(headers)) this.setHeader(name, value as OutgoingHttpHeader);
    return this;
  }

  flushHeaders(): void {
    // They leave with the 101.
  }

  write(): boolean {
    // A websocket's request has no body for an answer.
    return true;
  }

  end(): this {
    this.emit("finish");
    this.socket.destroy();
    return this;
  }

  /** @internal The request goes on: what was set is given to the 101. */
  takeHeaders(): OutgoingHttpHeaders {
    this.writeHead(101);
    this.#sent = true;
    const headers: OutgoingHttpHeaders = {};
    for (const { name, value } of this.#headers.values()) headers[name] = value;
    return headers;
  }
}
