import { EventEmitter } from "node:events";
import type { IncomingMessage, OutgoingHttpHeaders, Server as HttpServer, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import base64id from "base64id";
import cors from "cors";
import type { WebSocket, WebSocketServer } from "ws";
import { ERROR_MESSAGES, ErrorCode, type ErrorCallback, type Refusal } from "../errors";
import {
  resolveOptions,
  type AttachOptions,
  type EngineOptions,
  type Middleware,
  type ResolvedOptions,
} from "../options";
import type { Revision, TransportName } from "../protocol/names";
import { positive } from "../option-error";
import { Heartbeat } from "../session/heartbeat";
import type { Socket, SocketHost } from "../session/socket";
import type { Clock } from "../time/clock";
import { checkCompression } from "../transports/compression";
import type { EngineRequest, HeadersHook } from "../transports/request";
import { attachTo, type RequestSource } from "./attach";
import { SessionCookie } from "./cookie";
import type { Refuse, SessionHost, WebSocketOffer } from "./host";
import { Passage } from "./middlewares";
import { parseQuery } from "./query";
import { connectionError, sendRefusal } from "./responses";
import { revisionOf, verify } from "./verify";
import { WebSocketResponse } from "./websocket-response";
import { refuseUpgrade, upgradeUnavailable, WebSockets, type UpgradeRequest } from "./websockets";

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
export class Engine extends EventEmitter implements SocketHost {
  /** Codes of refused requests, by name. */
  static readonly errors = ErrorCode;
  /** Texts of refused requests, by code. */
  static readonly errorMessages = ERROR_MESSAGES;
  readonly opts: ResolvedOptions;
  /** @internal */
  readonly heartbeat: Heartbeat;
  readonly #clock: Clock;
  readonly #host: SessionHost;
  readonly #websockets: WebSockets;
  readonly #cookie: SessionCookie | undefined;
  readonly #middlewares: Middleware[] = [];
  /** Websockets that were let in for a session, until they are handed to it. */
  readonly #accepted = new WeakMap<WebSocket, (websocket: WebSocket) => void>();
  readonly #attached = new Set<RequestSource>();
  #closing: Promise<void> | undefined;
  /** The HTTP server, where `listen` made it; Socket.IO puts its own here. */
  httpServer: HttpServer | undefined;

  constructor(options: EngineOptions, clock: Clock, host: HostFactory) {
    super();
    this.#clock = clock;
    this.opts = resolveOptions(options);
    if (this.opts.httpCompression !== false) checkCompression(this.opts.httpCompression);
    this.#cookie = this.opts.cookie === false ? undefined : new SessionCookie(this.opts.cookie);
    if (this.opts.cors !== false) this.use(cors(this.opts.cors === true ? undefined : this.opts.cors));
    this.heartbeat = new Heartbeat(clock, this.opts.pingInterval, this.opts.pingTimeout);
    this.#websockets = new WebSockets(this.opts.maxHttpBufferSize, this.opts.perMessageDeflate, this.onHeaders);
    this.#host = host(this);
  }

  /** Nothing is left to do: the websocket server is made with the engine. Here for those who call it, as engine.io's users may. */
  init(): void {
    return;
  }

  /** The websocket server, of the package `ws`. */
  get ws(): WebSocketServer {
    return this.#websockets.server;
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
    this.#attached.add(server);
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

  /** Every request comes through `middleware` before it is checked, at the node that it reaches; see `Middleware`. */
  use(middleware: Middleware): void {
    this.#middlewares.push(middleware);
  }

  /** Handles one HTTP request of an Engine.IO client. */
  handleRequest(incoming: IncomingMessage, response: ServerResponse): void {
    const request = this.prepare(incoming);
    request.res = response;
    const refuse: Refuse = (refusal) => {
      this.#refuse(request, response, refusal);
    };
    if (this.#middlewares.length === 0) this.#admit(request, response, refuse);
    else {
      const done = (passed: boolean): void => {
        if (passed) this.#admit(request, response, refuse);
        else refuse(MIDDLEWARE_FAILURE);
      };
      new Passage(this.#middlewares, request, response, done).run();
    }
  }

  #admit(request: EngineRequest, response: ServerResponse, refuse: Refuse): void {
    this.verify(request, false, (code, context = {}) => {
      if (code !== undefined) refuse({ code, context });
      // A connection that broke while a middleware took its time tells nobody so any more.
      else if (response.destroyed) request.res = null;
      else if (isNamed(request._query["sid"])) this.#host.request(request, refuse);
      else {
        this.handshake("polling", request, (code = ErrorCode.BAD_REQUEST, why = {}) => {
          refuse({ code, context: why });
        });
      }
    });
  }

  /** Checks a request. `done` is called with nothing where it may go on, else with the code and what it is about. */
  verify(request: EngineRequest, upgrade: boolean, done: ErrorCallback): void {
    verify(request, upgrade, this.opts, this.#host.known, (refusal) => {
      if (refusal === undefined) done();
      else done(refusal.code, refusal.context);
    });
  }

  /** Opens a session by long-polling, for a request that passed its checks. */
  handshake(_transport: TransportName, request: EngineRequest, closeConnection: ErrorCallback): void {
    const refuse: Refuse = ({ code, context }) => {
      closeConnection(code, context);
    };
    const protocol = this.#revision(request, refuse);
    if (protocol !== undefined) this.#host.handshake(request, protocol, refuse);
  }

  /** Handles a request to change to the websocket protocol: `socket` is its connection, `head` what came behind it. */
  handleUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    const request = this.prepare(incoming);
    request.res = null;
    const refuse: Refuse = (refusal) => {
      this.emit("connection_error", connectionError(request, refusal));
      refuseUpgrade(socket, refusal);
    };
    // The connection's errors are nobody's until the websocket has it.
    socket.on("error", ignore);
    const upgrade = { request, socket, head };
    if (this.#middlewares.length === 0) this.#admitUpgrade(upgrade, undefined, refuse);
    else {
      const response = new WebSocketResponse(request, socket);
      const done = (passed: boolean): void => {
        if (passed) this.#admitUpgrade(upgrade, response, refuse);
        else refuse(MIDDLEWARE_FAILURE);
      };
      // It has what middlewares use of a response.
      new Passage(this.#middlewares, request, response as unknown as ServerResponse, done).run();
    }
  }

  #admitUpgrade(upgrade: UpgradeRequest, response: WebSocketResponse | undefined, refuse: Refuse): void {
    const { request, socket } = upgrade;
    this.verify(request, true, (code, context = {}) => {
      if (code !== undefined) refuse({ code, context });
      else if (request._query["transport"] !== "websocket") {
        // As engine.io does: let in, and closed.
        this.#accept(upgrade, response, undefined, (websocket) => {
          websocket.close();
        });
      } else if (!socket.destroyed) {
        const offer = this.#offer(upgrade, response, refuse);
        const protocol = this.#revision(request, refuse);
        if (protocol !== undefined) this.#host.websocket(offer, protocol);
      }
    });
  }

  #offer(upgrade: UpgradeRequest, response: WebSocketResponse | undefined, refuse: Refuse): WebSocketOffer {
    return {
      request: upgrade.request,
      refuse,
      unavailable: () => {
        upgradeUnavailable(upgrade.socket);
      },
      accept: (accepted, id) => {
        this.#accept(upgrade, response, id, accepted);
      },
    };
  }

  #accept(
    upgrade: UpgradeRequest,
    response: WebSocketResponse | undefined,
    id: string | undefined,
    accepted: (websocket: WebSocket) => void,
  ): void {
    const headers = response?.takeHeaders() ?? {};
    if (id !== undefined) this.#cookie?.addTo(headers, id);
    this.#websockets.accept({ ...upgrade, headers }, (websocket) => {
      upgrade.socket.removeListener("error", ignore);
      // Of one that is let in only to be closed nobody else hears.
      websocket.on("error", ignore);
      this.#accepted.set(websocket, accepted);
      this.onWebSocket(upgrade.request, upgrade.socket, websocket);
    });
  }

  /** A websocket was let in: by `handleUpgrade`, or by a caller that completed its handshake itself. */
  onWebSocket(incoming: IncomingMessage, socket: Duplex, websocket: WebSocket): void {
    const accepted = this.#accepted.get(websocket);
    if (accepted !== undefined) {
      accepted(websocket);
      return;
    }
    const request = this.prepare(incoming);
    const offer: WebSocketOffer = {
      request,
      accept: (taken) => {
        taken(websocket);
      },
      refuse: (refusal) => {
        this.emit("connection_error", connectionError(request, refusal));
        refuseUpgrade(socket, refusal);
      },
      unavailable: () => {
        websocket.close();
      },
    };
    this.#host.websocket(offer, revisionOf(request));
  }

  /** The protocol that the client speaks; refuses one that is not spoken here. */
  #revision(request: EngineRequest, refuse: Refuse): Revision | undefined {
    const revision = revisionOf(request);
    if (revision === 4 || this.opts.allowEIO3 || isNamed(request._query["sid"])) return revision;
    refuse({ code: ErrorCode.UNSUPPORTED_PROTOCOL_VERSION, context: { protocol: 3 } });
    return undefined;
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

  #refuse(request: EngineRequest, response: ServerResponse, refusal: Refusal): void {
    this.emit("connection_error", connectionError(request, refusal));
    request.res = null;
    sendRefusal(response, refusal);
  }

  /** Messages below this size, in bytes, are not compressed on a websocket; undefined where none is. */
  get compressFrom(): number | undefined {
    const { perMessageDeflate } = this.opts;
    if (perMessageDeflate === false) return undefined;
    return perMessageDeflate === true ? 1024 : (perMessageDeflate.threshold ?? 1024);
  }

  /** @internal Lets listeners change the headers of a response. */
  readonly onHeaders = (headers: OutgoingHttpHeaders, request: EngineRequest): void => {
    if (!isNamed(request._query["sid"])) this.emit("initial_headers", headers, request);
    this.emit("headers", headers, request);
  };

  /** @internal The same for the answer to the handshake of session `id`. */
  headersFor(id: string): HeadersHook {
    const cookie = this.#cookie;
    if (cookie === undefined) return this.onHeaders;
    return (headers, request) => {
      if (!isNamed(request._query["sid"])) cookie.addTo(headers, id);
      this.onHeaders(headers, request);
    };
  }

  /**
   * Gives the sessions of this node to the others, and stops; what a process does on SIGTERM. Resolves when nothing is left, or
   * the time is over.
   *
   * Polling sessions go on at other nodes; their clients notice nothing. Websockets are closed with code 1001, spread over
   * the first half of the time. When no polling session is left here, the HTTP servers that the engine is attached to
   * stop listening, so that new connections go to other nodes, and the polls that wait here are answered.
   *
   * Without a cluster, or where no other node is there to take them, the sessions end.
   */
  drain(options: DrainOptions = {}): Promise<void> {
    const timeout = options.timeout === undefined ? DRAIN_TIMEOUT : positive("timeout", options.timeout);
    this.#closing ??= this.#host.drain(timeout, this.#stopListening).finally(() => {
      this.#stop();
    });
    return this.#closing;
  }

  readonly #stopListening = (): void => {
    for (const server of this.#attached) if (isListening(server)) server.close();
  };

  /** Ends all sessions that are here, and stops. Returns at once; `closed()` tells when all is done. */
  close(): this {
    this.#closing ??= this.#host.close().finally(() => {
      this.#stop();
    });
    return this;
  }

  #stop(): void {
    this.heartbeat.stop();
    this.#websockets.close();
  }

  /** Resolves when a close or drain is complete and nothing of the engine keeps the process alive. */
  closed(): Promise<void> {
    return this.#closing ?? Promise.resolve();
  }
}

const MIDDLEWARE_FAILURE: Refusal = { code: ErrorCode.BAD_REQUEST, context: { name: "MIDDLEWARE_FAILURE" } };

/** Others take their requests from elsewhere, as one that an application emits them on itself. */
function isListening(server: RequestSource): server is HttpServer {
  return "listening" in server && server.listening === true;
}

function ignore(): void {
  // The connection is still being decided on, or given up.
}

function isNamed(sid: string | undefined): boolean {
  return sid !== undefined && sid !== "";
}
