import type { IncomingMessage, OutgoingHttpHeaders, Server as HttpServer, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import base64id from "base64id";
import cors from "cors";
import { ERROR_MESSAGES, ErrorCode, type ErrorCallback, type Refusal } from "../errors";
import { positive } from "../option-error";
import { resolveOptions, type AttachOptions, type EngineOptions, type ResolvedOptions } from "../options";
import type { Revision } from "../protocol/names";
import { Heartbeat } from "../session/heartbeat";
import type { Socket, SocketHost } from "../session/socket";
import { Load } from "../telemetry/load";
import type { Clock } from "../time/clock";
import { Bodies } from "../transports/bodies";
import { checkCompression } from "../transports/compression";
import type { EngineRequest, HeadersHook, QueriedRequest } from "../transports/request";
import type { Transport } from "../transports/transport";
import { WebSocketTransport } from "../transports/websocket";
import { Admission } from "./admission";
import { attachTo, type RequestSource } from "./attach";
import { Authorization, type Breakable } from "./authorization";
import { answerPreflight, isXhr, letOriginIn, refusalHeaders, refusalOf } from "./compat3";
import { SessionCookie } from "./cookie";
import { offerOf, type Refuse, type SessionHost, type WebSocketOffer } from "./host";
import { HttpServers } from "./http-servers";
import { MIDDLEWARE_FAILURE } from "./middlewares";
import { connectionError, sendRefusal } from "./responses";
import { pollingFor } from "./transports";
import { revisionOf, verify } from "./verify";
import { WebSocketFace } from "./websocket-face";

export interface DrainOptions {
  /** How long it may take, in milliseconds: 10,000 unless said. */
  readonly timeout?: number;
}

const DRAIN_TIMEOUT = 10_000;

/** Makes the sessions' home for an engine. */
export type HostFactory = (engine: Engine) => SessionHost;

/**
 * The Engine.IO server: takes HTTP requests, checks them, and gives them to where the sessions live.
 *
 * Events: `connection(socket)`, `connection_error({req, code, message, context})`, `initial_headers(headers, request)`,
 * `headers(headers, request)`, `flush(socket, packets)`, `drain(socket)`.
 */
export class Engine extends WebSocketFace implements SocketHost {
  /** Codes of refused requests, by name. */
  static readonly errors = ErrorCode;
  /** Texts of refused requests, by code. */
  static readonly errorMessages = ERROR_MESSAGES;
  readonly opts: ResolvedOptions;
  /** @internal */
  readonly heartbeat: Heartbeat;
  /** @internal What is held here, and how often a limit was met. */
  readonly load = new Load();
  /** @internal */
  readonly admission: Admission;
  /** @internal The bodies of POSTs that are being read. */
  readonly bodies: Bodies;
  readonly #clock: Clock;
  readonly #host: SessionHost;
  readonly #authorization: Authorization;
  #cookie: SessionCookie | undefined;
  readonly #servers: HttpServers;
  #closing: Promise<void> | undefined;
  /** The HTTP server, where `listen` made it; Socket.IO puts its own here. */
  httpServer: HttpServer | undefined;

  constructor(options: EngineOptions, clock: Clock, host: HostFactory) {
    super();
    this.#clock = clock;
    this.#servers = new HttpServers(clock);
    this.opts = resolveOptions(options);
    if (this.opts.httpCompression !== false) checkCompression(this.opts.httpCompression);
    this.#cookie = this.#cookieNow();
    this.admission = new Admission(this.load, this.opts);
    this.bodies = new Bodies(clock, this.load, this.opts.limits);
    if (this.opts.cors !== false) this.use(cors(this.opts.cors === true ? undefined : this.opts.cors));
    this.heartbeat = new Heartbeat(clock, this.opts);
    this.#host = host(this);
    this.#authorization = new Authorization(this.#host, this, (request, upgrade, done) => {
      this.verify(request, upgrade, done);
    });
    this.init();
  }

  /** Makes the websocket server, by the options as they are now; a closed engine serves again, but for a node of a cluster. */
  protected init(): void {
    if (this.#closing !== undefined && !this.#host.reopens) return;
    this.#closing = undefined;
    this.openWebSockets();
  }

  /** @internal An HTTP server that the engine is attached to listens. */
  onListening(): void {
    this.init();
  }

  /** @internal A request of that HTTP server, of the engine or not, came by this connection. */
  onRequestBy(connection: Duplex): void {
    this.#servers.onRequest(connection);
  }

  /** @internal The connection is a websocket's. */
  onUpgradeOf(connection: Duplex): void {
    this.#servers.onUpgrade(connection);
  }

  /** @internal Where the sessions live. */
  get host(): SessionHost {
    return this.#host;
  }

  /** Sessions whose sockets are in this process, by id. */
  get clients(): Record<string, Socket> {
    return this.#host.clients;
  }

  /** How many sessions have their sockets in this process. */
  get clientsCount(): number {
    return Object.keys(this.#host.clients).length;
  }

  /** Resolves when sessions can be served: in a cluster, when lease and subscriptions are in place. */
  ready(): Promise<void> {
    return this.#host.ready();
  }

  /** Takes over an HTTP server's requests below the path. Others go to the listeners that the server had. */
  attach(server: RequestSource, options: AttachOptions = {}): this {
    attachTo(server, this, options, this.#clock);
    this.#servers.add(server);
    return this;
  }

  /** Transports that a session on `transport` may go over to. */
  upgrades(transport: string): string[] {
    if (!this.opts.allowUpgrades || transport !== "polling") return [];
    return this.opts.transports.filter((name) => name !== "polling");
  }

  /** Makes a session id; override it to make your own. It must not be guessable: who knows it is the session's client. */
  generateId(_request: IncomingMessage): string | Promise<string> {
    return base64id.generateId();
  }

  /** Handles one HTTP request of an Engine.IO client. */
  handleRequest(incoming: IncomingMessage, response: ServerResponse): void {
    // What `prepare` returns is not used: those who override it may return nothing.
    this.prepare(incoming);
    const request = incoming as EngineRequest;
    request.res = response;
    const refuse: Refuse = (refusal) => {
      this.#refuse(request, response, refusal);
    };
    if (this.passesAll) this.#admit(request, response, refuse);
    else {
      this._applyMiddlewares(request, response, (error) => {
        if (error) refuse(MIDDLEWARE_FAILURE);
        else this.#admit(request, response, refuse);
      });
    }
  }

  #admit(request: EngineRequest, response: ServerResponse, refuse: Refuse): void {
    this.verify(request, false, (code, context) => {
      const refusal = refusalOf(code, context);
      if (refusal !== undefined) refuse(refusal);
      // A connection that broke while a middleware took its time tells nobody so any more.
      else if (response.destroyed) request.res = null;
      else if (!isNamed(request._query["sid"])) {
        void this.handshake("polling", request, (code = ErrorCode.BAD_REQUEST, why = {}) => {
          refuse({ code, context: why });
        });
      } else if (this.opts.compat === 3 && request.method === "OPTIONS") answerPreflight(request, this.onHeaders);
      else if (this.opts.authorizeRequest === undefined) this.#host.request(request, refuse);
      else this.#authorization.request(request, response, refuse);
    });
  }

  /** Checks a request. `done` is called with nothing where it may go on, else with the code and what it is about. */
  protected verify(request: QueriedRequest, upgrade: boolean, done: ErrorCallback): void {
    verify(request, upgrade, this.opts, this.#host.known, (refusal) => {
      if (refusal === undefined) done();
      else done(refusal.code, refusal.context);
    });
  }

  /**
   * Opens a session on transport `name`, for a request that passed its checks: by long-polling, or where the request has
   * its `websocket`, on that.
   */
  protected async handshake(name: string, request: EngineRequest, closeConnection: ErrorCallback): Promise<void> {
    const refuse: Refuse = ({ code, context }) => {
      closeConnection(code, context);
    };
    const protocol = this.revision(request, refuse);
    if (protocol === undefined) return;
    const { websocket } = request;
    if (name !== "websocket" || websocket === undefined) await this.#host.handshake(request, protocol, refuse);
    else this.#host.websocket(offerOf(request, websocket, refuse), protocol);
  }

  /** Makes the transport of a session, for its first request: not called in a cluster, whose transports are no choice. */
  protected createTransport(name: string, request: EngineRequest): Transport {
    if (name === "websocket") return new WebSocketTransport(request, undefined, this.compressFrom);
    const { maxHttpBufferSize, httpCompression } = this.opts;
    const { bodies } = this;
    return pollingFor(request._query, { clock: this.#clock, maxHttpBufferSize, httpCompression, bodies });
  }

  /** @internal */
  transportFor(name: string, request: EngineRequest): Transport {
    return this.createTransport(name, request);
  }

  /** @internal */
  tryUpgrade(id: string, transport: Transport): void {
    this.#host.tryUpgrade(id, transport);
  }

  /** @internal */
  protected toSession(offer: WebSocketOffer, protocol: Revision, connection: Breakable): void {
    if (this.opts.authorizeRequest === undefined || !isNamed(offer.request._query["sid"]))
      this.#host.websocket(offer, protocol);
    else this.#authorization.websocket(offer, protocol, connection);
  }

  /** @internal The protocol that the client speaks; refuses one that is not spoken here. */
  protected revision(request: EngineRequest, refuse: Refuse): Revision | undefined {
    const revision = revisionOf(request);
    if (revision === 4 || this.opts.allowEIO3 || isNamed(request._query["sid"])) return revision;
    refuse({ code: ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, context: { protocol: 3 } });
    return undefined;
  }

  #refuse(request: EngineRequest, response: ServerResponse, refusal: Refusal): void {
    this.emit("connection_error", connectionError(request, refusal));
    request.res = null;
    sendRefusal(response, refusal, this.opts.compat === 3 ? refusalHeaders(request, refusal) : undefined);
  }

  /** Messages below this size, in bytes, are not compressed on a websocket; undefined where none is. */
  get compressFrom(): number | undefined {
    const { perMessageDeflate } = this.opts;
    return perMessageDeflate === false ? undefined : (perMessageDeflate.threshold ?? 1024);
  }

  /** @internal Lets listeners change the headers of a response. */
  readonly onHeaders = (headers: OutgoingHttpHeaders, request: EngineRequest): void => {
    if (this.opts.compat === 3 && isXhr(request)) letOriginIn(headers, request);
    if (!isNamed(request._query["sid"])) this.emit("initial_headers", headers, request);
    this.emit("headers", headers, request);
  };

  /** @internal The same for the answer to the handshake of session `id`. */
  headersFor(id: string): HeadersHook {
    const cookie = this.#cookieNow();
    if (cookie === undefined) return this.onHeaders;
    return (headers, request) => {
      // In one process engine.io 3 has it with every answer.
      if (this.opts.compat === 3 || !isNamed(request._query["sid"])) cookie.addTo(headers, id);
      this.onHeaders(headers, request);
    };
  }

  /** The cookie by the options as they are now. */
  #cookieNow(): SessionCookie | undefined {
    const { cookie } = this.opts;
    if (cookie === false) return undefined;
    if (this.#cookie?.options !== cookie) this.#cookie = new SessionCookie(cookie);
    return this.#cookie;
  }

  /**
   * Gives the sessions of this node to the others, and stops; what a process does on SIGTERM. Resolves when nothing is left, or
   * the time is over. All answers are with the kernel then, but for those of clients that did not read in all the time.
   *
   * Polling sessions go on at other nodes; their clients notice nothing. Websockets are closed with code 1001, spread over
   * the first half of the time. When no polling session is left here, the HTTP servers that the engine is attached to
   * stop listening, so that new connections go to other nodes, and the polls that wait here are answered.
   *
   * Without a cluster, or where no other node is there to take them, the sessions end.
   */
  drain(options: DrainOptions = {}): Promise<void> {
    const timeout = options.timeout === undefined ? DRAIN_TIMEOUT : positive("timeout", options.timeout);
    this.#closing ??= this.#drain(timeout);
    return this.#closing;
  }

  async #drain(timeout: number): Promise<void> {
    const until = this.#clock.now() + timeout;
    const stopListening = (): void => {
      this.#servers.stopListening();
    };
    await this.#host.drain(timeout, stopListening).finally(() => {
      this.heartbeat.stop();
      this.cleanup();
    });
    await this.#servers.written(until - this.#clock.now());
  }

  /** Ends all sessions that are here, and stops. Returns at once; `closed()` tells when all is done. */
  close(): this {
    if (this.#closing !== undefined && !this.#host.reopens) return this;
    const closing = this.#host.close().finally(() => {
      // Its HTTP server may listen again by now.
      if (this.#closing === closing) this.heartbeat.stop();
    });
    this.#closing = closing;
    this.cleanup();
    return this;
  }

  /** Resolves when a close or drain is complete and nothing of the engine keeps the process alive. */
  closed(): Promise<void> {
    return this.#closing ?? Promise.resolve();
  }
}

function isNamed(sid: string | undefined): boolean {
  return sid !== undefined && sid !== "";
}
