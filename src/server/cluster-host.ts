import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ErrorCode } from "../errors";
import type { Revision, TransportName } from "../protocol/names";
import { fromStored } from "../protocol/stored";
import type { ClusterNode } from "../routing/cluster-node";
import type { Identity } from "../routing/identities";
import type { NodeEngine } from "../routing/node-options";
import { MAX_SID_CHARS } from "../routing/search";
import { rebuildRequest, storeHandshake } from "../session/handshake";
import type { OwnedSession } from "../session/owned-session";
import { Socket, type BufferLimit } from "../session/socket";
import type { SessionRecord } from "../store/port";
import type { Load } from "../telemetry/load";
import type { Clock } from "../time/clock";
import type { Bodies } from "../transports/bodies";
import { OwnedPolling } from "../transports/owned-polling";
import { revisionIn, type Transport } from "../transports/transport";
import { WebSocketTransport, type WebSocketLike } from "../transports/websocket";
import { answerPayload, type Compression } from "../transports/compression";
import type { EngineRequest, HeadersHook } from "../transports/request";
import { Place, UNREACHABLE, type Overload } from "./admission";
import type { Engine } from "./engine";
import { Exchange, type ExchangeHost } from "./exchange";
import type { Refuse, SessionHost, WebSocketOffer } from "./host";
import { sendOverload, sendUnavailable } from "./responses";
import { protocolMismatch, type KnownSessions } from "./verify";

/** What a handshake has become. */
export type Opened =
  | { readonly kind: "ok"; readonly session: OwnedSession; readonly place: Place }
  | { readonly kind: "no id"; readonly error: unknown }
  /** The store is away, or a limit is met. */
  | { readonly kind: "away"; readonly why?: Overload }
  /** This node is cut off, and others are not. */
  | { readonly kind: "withdrawn" };

/** A new session's request, with what its record keeps of it. */
export interface Opening {
  readonly request: EngineRequest;
  readonly remoteAddress: string;
  readonly handshake: string;
  readonly protocol: Revision;
  readonly transport: TransportName;
}

export interface ClusterSetup {
  readonly clock: Clock;
  readonly nodeId: string;
  readonly bufferLimit: BufferLimit;
  readonly make: (host: NodeEngine) => Promise<ClusterNode>;
}

const ID_TRIES = 3;
/** The longest `t` that is kept as it is, in characters. The stock client's have 7 or 8. */
const MAX_T_CHARS = 48;
/** Adopted sessions are pinged within this time, in milliseconds, not all at once. */
const ADOPTION_SPREAD = 1000;

/** Sessions of a cluster, as one of its nodes sees them. */
export class ClusterHost implements SessionHost, NodeEngine, ExchangeHost {
  readonly clients: Record<string, Socket> = Object.create(null) as Record<string, Socket>;
  /** What the write buffer of each session may hold. */
  readonly bufferLimit: BufferLimit;
  /** A node that has left its cluster does not come back: others have taken what was its own. */
  readonly reopens = false;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #nodeId: string;
  readonly #ready: Promise<void>;
  /** This process in the cluster; undefined until it has joined. */
  #node: ClusterNode | undefined;
  /** The same while it joins, which takes as long as store or bus are away. */
  #joining: ClusterNode | undefined;
  #stopped = false;
  #opening = new Set<string>();
  /** Numbers the requests that have no `t`. */
  #unnamed = 0;

  constructor(engine: Engine, setup: ClusterSetup) {
    this.#engine = engine;
    this.#clock = setup.clock;
    this.#nodeId = setup.nodeId;
    this.bufferLimit = setup.bufferLimit;
    this.#ready = this.#join(setup.make);
    // Whoever calls `ready()` hears of a failure; requests are answered 503 meanwhile.
    this.#ready.catch(() => undefined);
  }

  async #join(make: (host: NodeEngine) => Promise<ClusterNode>): Promise<void> {
    const node = await make(this);
    this.#joining = node;
    try {
      // One that was stopped meanwhile does not start.
      if (!this.#stopped) await node.start();
    } catch (error) {
      await node.stop();
      throw error;
    } finally {
      this.#joining = undefined;
    }
    if (this.#stopped) await node.stop();
    else this.#node = node;
  }

  /** @internal For exchanges: whether the engine was closed. */
  get closing(): boolean {
    return this.#stopped;
  }

  /** @internal The same: lets listeners change the headers of an answer. */
  get headers(): HeadersHook {
    return this.#engine.onHeaders;
  }

  /** @internal The same. */
  get httpCompression(): Compression | false {
    return this.#engine.opts.httpCompression;
  }

  /** @internal */
  get node(): ClusterNode | undefined {
    return this.#node;
  }

  /** Only the owner knows; it says so with its answer. */
  readonly known: KnownSessions = () => "ask the owner";

  ready(): Promise<void> {
    return this.#ready;
  }

  /** @internal For exchanges. */
  get load(): Load {
    return this.#engine.load;
  }

  /** @internal The same. */
  get bodies(): Bodies {
    return this.#engine.bodies;
  }

  identity(sid: string): Identity | Promise<Identity> {
    return this.#node?.identity(sid) ?? "away";
  }

  async handshake(request: EngineRequest, protocol: Revision, refuse: Refuse): Promise<void> {
    const remoteAddress = request.socket.remoteAddress ?? "";
    const handshake = storeHandshake(request, request._query, remoteAddress);
    await this.#handshake({ request, remoteAddress, handshake, protocol, transport: "polling" }, refuse);
  }

  async #handshake(opening: Opening, refuse: Refuse): Promise<void> {
    const { request } = opening;
    const response = request.res;
    if (response === null) return;
    const opened = await this.open(opening);
    switch (opened.kind) {
      case "no id":
        refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error: opened.error } });
        return;
      case "away":
        sendOverload(response, opened.why ?? UNREACHABLE);
        return;
      case "withdrawn":
        response.destroy();
        return;
      case "ok": {
        request.res = null;
        if (this.#node?.leaving === true) response.shouldKeepAlive = false;
        const { socket, payload } = this.start(opened, opening);
        answerPayload(
          request,
          response,
          payload,
          true,
          this.#engine.headersFor(socket.id),
          this.#engine.opts.httpCompression,
        );
        this.announce(socket);
      }
    }
  }

  /** O11. Opens the record of a session; in the same tick the caller starts it, answers, and announces its socket. */
  async open(opening: Opening): Promise<Opened> {
    const node = this.#node;
    if (node === undefined) return { kind: "away" };
    if (node.withdrawn) return { kind: "withdrawn" };
    const { admission, load } = this.#engine;
    const why = admission.takeRequest();
    if (why !== undefined) return { kind: "away", why };
    const place = admission.enter(opening.request);
    let opened: Opened | undefined;
    try {
      if (!(place instanceof Place)) return { kind: "away", why: place };
      opened = await this.#open(node, opening, place);
      return opened;
    } finally {
      load.requests--;
      if (opened?.kind !== "ok" && place instanceof Place) place.leave();
    }
  }

  async #open(node: ClusterNode, opening: Opening, place: Place): Promise<Opened> {
    let error: unknown = new Error("the session ids generated were taken");
    for (let i = 0; i < ID_TRIES; i++) {
      let id: string;
      try {
        id = await this.#engine.generateId(opening.request);
      } catch (thrown) {
        return { kind: "no id", error: thrown };
      }
      if (id.length > MAX_SID_CHARS || id === "") {
        error = new RangeError(`a session id has 1 to ${String(MAX_SID_CHARS)} characters`);
        continue;
      }
      if (node.has(id) || this.#opening.has(id)) continue;
      this.#opening.add(id);
      const { handshake, protocol, transport } = opening;
      const result = await node.open(id, handshake, protocol, transport);
      this.#opening.delete(id);
      if (result.kind === "away") return node.withdrawn ? { kind: "withdrawn" } : result;
      if (result.kind === "ok") return { kind: "ok", session: node.own(id, handshake, protocol, transport), place };
    }
    return { kind: "no id", error };
  }

  /** Starts a polling session: its socket, and the payload of the handshake's answer. */
  start(
    { session, place }: { readonly session: OwnedSession; readonly place: Place },
    opening: Opening,
  ): { socket: Socket; payload: string | Buffer } {
    const socket = this.#socket(session, opening, new OwnedPolling(opening.protocol, session), place);
    socket.onOpen();
    // The handshake's answer carries these packets; they are not numbered, because that answer is never repeated.
    const payload = session.encoding.encodePayload(socket.takeBuffer());
    session.useSocket(socket);
    socket.runCallbacks();
    socket.drained();
    return { socket, payload };
  }

  #socket({ sid: id }: OwnedSession, opening: Opening, transport: Transport, place: Place): Socket {
    const { request, remoteAddress, protocol } = opening;
    const { bufferLimit } = this;
    const socket = new Socket({ id, server: this.#engine, transport, request, remoteAddress, protocol, bufferLimit });
    this.#register(socket, place);
    return socket;
  }

  // ---- websockets ----

  websocket(offer: WebSocketOffer, protocol: Revision): void {
    if (this.#node?.leaving === true) {
      // It would have to be closed at once.
      offer.unavailable();
      return;
    }
    const { sid } = offer.request._query;
    const ending =
      sid === undefined || sid === ""
        ? this.#openWebSocket(offer, protocol)
        : this.#joinWebSocket(offer, sid, protocol);
    ending.catch((error: unknown) => {
      offer.unavailable();
      throw error;
    });
  }

  async #openWebSocket(offer: WebSocketOffer, protocol: Revision): Promise<void> {
    const { request } = offer;
    const remoteAddress = request.socket.remoteAddress ?? "";
    const handshake = storeHandshake(request, request._query, remoteAddress);
    const opening: Opening = { request, remoteAddress, handshake, protocol, transport: "websocket" };
    const opened = await this.open(opening);
    if (opened.kind === "away") offer.unavailable(opened.why);
    else if (opened.kind === "withdrawn") offer.abandon();
    else if (opened.kind === "no id") {
      offer.refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error: opened.error } });
    } else {
      const { session, place } = opened;
      offer.accept((websocket) => {
        const transport = new WebSocketTransport(request, websocket, this.#engine.compressFrom);
        const socket = this.#socket(session, opening, transport, place);
        session.useWebSocket(socket, transport);
        socket.onOpen();
        this.announce(socket);
      });
      // The package ws has refused what was no websocket request, or its connection is gone.
      if (session.socket === undefined) {
        place.leave();
        session.endOrphan();
      }
    }
  }

  async #joinWebSocket(offer: WebSocketOffer, sid: string, protocol: Revision): Promise<void> {
    const node = this.#node;
    const overload = node === undefined ? UNREACHABLE : this.#engine.admission.takeRequest();
    if (node === undefined || overload !== undefined) {
      offer.unavailable(overload);
      return;
    }
    const found = await node.find(sid, false).finally(() => this.load.requests--);
    if (node.withdrawn) {
      offer.abandon();
    } else if (found.kind === "away") {
      offer.unavailable();
    } else if (found.kind === "unknown") {
      offer.refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid } });
    } else {
      const known = found.kind === "at" ? found.protocol : node.session(sid)?.protocol;
      const refusal = protocolMismatch(protocol, known ?? protocol);
      if (refusal !== undefined) {
        offer.refuse(refusal);
        return;
      }
      offer.accept((websocket) => {
        this.join(node, sid, websocket, offer.request);
      });
    }
  }

  /** A websocket for a session that polls, held here, whoever owns the session. */
  join(node: ClusterNode, sid: string, websocket: WebSocketLike, request?: EngineRequest): void {
    const session = node.session(sid);
    const { compressFrom } = this.#engine;
    if (session === undefined) {
      const query = request?._query ?? {};
      node.relay(sid, { websocket, protocol: revisionIn(query), base64: Boolean(query["b64"]), compressFrom });
      return;
    }
    const transport = new WebSocketTransport(request ?? session.protocol, websocket, compressFrom);
    // A second websocket is let in and closed, as engine.io does.
    if (!session.upgradeTo(transport, nothing)) transport.close();
  }

  tryUpgrade(id: string, transport: Transport): void {
    if (this.#node?.session(id)?.upgradeTo(transport, nothing) !== true) transport.close();
  }

  adopt(sid: string, record: SessionRecord, session: OwnedSession): Socket {
    const request = rebuildRequest(record.handshake);
    const socket = new Socket({
      id: sid,
      server: this.#engine,
      transport: new OwnedPolling(record.protocol, session),
      // As far as programs read it; see `RebuiltRequest`.
      request: request as unknown as IncomingMessage,
      remoteAddress: request.connection.remoteAddress,
      protocol: record.protocol,
      recovered: true,
      bufferLimit: this.bufferLimit,
      ...(session.data === "" ? {} : { data: JSON.parse(session.data) as unknown }),
    });
    this.#register(socket, this.#engine.admission.adopt(request));
    socket.onAdopted(session.waitingPackets.map(fromStored), record.phase === "closing", ADOPTION_SPREAD);
    return socket;
  }

  announce(socket: Socket): void {
    this.#engine.emit("connection", socket);
  }

  #register(socket: Socket, place: Place): void {
    this.clients[socket.id] = socket;
    // First of all listeners: the application finds the session gone from `clients` in its own.
    socket.once("close", () => {
      place.leave();
      if (this.clients[socket.id] === socket) Reflect.deleteProperty(this.clients, socket.id);
    });
  }

  request(request: EngineRequest, refuse: Refuse): void {
    const response = request.res;
    if (response === null) return;
    request.res = null;
    const node = this.#node;
    if (node === undefined) {
      sendUnavailable(response);
      return;
    }
    const overload = this.#engine.admission.takeRequest();
    if (overload !== undefined) {
      sendOverload(response, overload);
      return;
    }
    const query = request._query;
    if (query["transport"] !== "polling") {
      void this.#refuseMismatch(node, request, response, refuse);
      return;
    }
    // Without `t` each request counts as a new one: nothing tells a balancer's retry from it.
    const t = nameOf(query["t"]) ?? `~${this.#nodeId}.${String(++this.#unnamed)}`;
    const exchange = new Exchange(this, node, request, response, query["sid"] ?? "", t, refuse);
    if (request.method === "GET") exchange.poll();
    else if (request.method === "POST") exchange.post(this.#engine.opts.maxHttpBufferSize);
    else exchange.notAllowed();
  }

  /** A request for a websocket's session that is none: its answer depends on nothing but whether the session is there. */
  async #refuseMismatch(
    node: ClusterNode,
    { _query: query }: EngineRequest,
    response: ServerResponse,
    refuse: Refuse,
  ): Promise<void> {
    const { sid = "", transport } = query;
    const found = await node.find(sid, false).finally(() => this.load.requests--);
    if (found.kind === "away") sendUnavailable(response);
    else if (found.kind === "unknown") refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid } });
    else {
      const context = { name: "TRANSPORT_MISMATCH", transport, previousTransport: "polling" };
      refuse({ code: ErrorCode.BAD_REQUEST, context });
    }
  }

  async drain(timeout: number, handedOver: () => void): Promise<void> {
    await this.#node?.leave(timeout, handedOver);
    await this.#stop(() => undefined);
  }

  async close(): Promise<void> {
    for (const socket of Object.values(this.clients)) socket.close(true);
    await this.#stop((node) => this.#settled(node));
  }

  async #stop(first: (node: ClusterNode) => Promise<void> | undefined): Promise<void> {
    this.#stopped = true;
    // A join under way is broken off; one that failed has nothing to stop.
    await this.#joining?.stop();
    await this.#ready.catch(() => undefined);
    const node = this.#node;
    this.#node = undefined;
    if (node === undefined) return;
    await first(node);
    await node.stop();
  }

  /** The closes just made are recorded, or the store cannot be reached in reasonable time. */
  async #settled(node: ClusterNode): Promise<void> {
    for (let waited = 0; node.unsettled && waited < CLOSE_PATIENCE; waited += CLOSE_LOOK) {
      await new Promise<void>((resolve) => {
        this.#clock.after(CLOSE_LOOK, resolve);
      });
    }
  }
}

/** How long `close` waits for the store, and how often it looks, in milliseconds. */
const CLOSE_PATIENCE = 2000;
const CLOSE_LOOK = 5;

/** The name that a request gave itself; a long one by its hash, since names are kept in the record. */
function nameOf(t: string | undefined): string | undefined {
  if (t === undefined || t === "") return undefined;
  return t.length <= MAX_T_CHARS ? t : createHash("sha256").update(t).digest("base64url");
}

function nothing(): void {
  // Nobody but the socket waits for the record.
}
