import type { IncomingMessage, ServerResponse } from "node:http";
import { ErrorCode } from "../errors";
import type { Revision } from "../protocol/names";
import { fromStored } from "../protocol/stored";
import type { ClusterNode } from "../routing/cluster-node";
import type { Identity } from "../routing/identities";
import type { NodeEngine } from "../routing/node-options";
import { rebuildRequest, storeHandshake, timesOf } from "../session/handshake";
import type { OwnedSession } from "../session/owned-session";
import { Socket, type BufferLimit } from "../session/socket";
import type { SessionRecord } from "../store/port";
import type { Load } from "../telemetry/load";
import type { Clock } from "../time/clock";
import { pause } from "../time/pause";
import { runApart } from "../time/throw-later";
import type { Bodies } from "../transports/bodies";
import { OwnedPolling } from "../transports/owned-polling";
import type { Transport } from "../transports/transport";
import type { WebSocketLike } from "../transports/websocket";
import { answerPayload, type Compression } from "../transports/compression";
import type { EngineRequest, HeadersHook } from "../transports/request";
import { UNREACHABLE, type Place } from "./admission";
import type { Engine } from "./engine";
import { ClusterWebSockets, type WebSocketsHost } from "./cluster-websockets";
import { Exchange, type ExchangeHost } from "./exchange";
import type { Refuse, SessionHost, WebSocketOffer } from "./host";
import { Openings, type Opened, type Opening } from "./openings";
import { RequestNames } from "./request-names";
import { sendOverload, sendUnavailable } from "./responses";
import type { KnownSessions } from "./verify";

export interface ClusterSetup {
  readonly clock: Clock;
  readonly nodeId: string;
  readonly bufferLimit: BufferLimit;
  readonly make: (host: NodeEngine) => Promise<ClusterNode>;
}

/** Adopted sessions are pinged within this time, in milliseconds, not all at once. */
const ADOPTION_SPREAD = 1000;

/** Sessions of a cluster, as one of its nodes sees them. */
export class ClusterHost implements SessionHost, NodeEngine, ExchangeHost, WebSocketsHost {
  readonly clients: Record<string, Socket> = Object.create(null) as Record<string, Socket>;
  /** What the write buffer of each session may hold. */
  readonly bufferLimit: BufferLimit;
  /** A node that has left its cluster does not come back: others have taken what was its own. */
  readonly reopens = false;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #names: RequestNames;
  readonly #openings: Openings;
  readonly #websockets: ClusterWebSockets;
  readonly #ready: Promise<void>;
  /** This process in the cluster; undefined until it has joined. */
  #node: ClusterNode | undefined;
  /** The same while it joins, which takes as long as store or bus are away. */
  #joining: ClusterNode | undefined;
  #stopped = false;
  /** The node has given all that was here to the others. */
  #left = false;

  constructor(engine: Engine, setup: ClusterSetup) {
    this.#engine = engine;
    this.#openings = new Openings(engine);
    this.#websockets = new ClusterWebSockets(engine, this);
    this.#clock = setup.clock;
    this.#names = new RequestNames(setup.nodeId);
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

  /** @internal Whether the engine was closed, or has left. */
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
    const handshake = storeHandshake(request, request._query, remoteAddress, this.#engine.opts);
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

  /** In the same tick the caller starts what was opened, answers, and announces its socket. */
  open(opening: Opening): Promise<Opened> {
    return this.#openings.open(this.#node, opening).then((opened) => this.#unlessLeft(opened));
  }

  /** What was opened while this node left, or was closed, is nobody's: its client asks for another one. */
  #unlessLeft(opened: Opened): Opened {
    if (opened.kind !== "ok") return this.#left ? { kind: "withdrawn" } : opened;
    if (!this.#left && !this.#stopped) return opened;
    opened.place.leave();
    opened.session.endOrphan();
    return { kind: "withdrawn" };
  }

  /** Starts a polling session: its socket, and the payload of the handshake's answer. */
  start(
    { session, place }: { readonly session: OwnedSession; readonly place: Place },
    opening: Opening,
  ): { socket: Socket; payload: string | Buffer } {
    const socket = this.socketOf(session, opening, new OwnedPolling(opening.protocol, session), place);
    socket.onOpen();
    // The handshake's answer carries these packets; they are not numbered, because that answer is never repeated.
    const payload = session.encoding.encodePayload(socket.takeBuffer());
    session.useSocket(socket);
    socket.runCallbacks();
    socket.drained();
    return { socket, payload };
  }

  /** Makes the socket of a session that was opened here. */
  socketOf({ sid: id }: OwnedSession, opening: Opening, transport: Transport, place: Place): Socket {
    const { request, remoteAddress, protocol } = opening;
    const { bufferLimit } = this;
    const socket = new Socket({ id, server: this.#engine, transport, request, remoteAddress, protocol, bufferLimit });
    this.#register(socket, place);
    return socket;
  }

  websocket(offer: WebSocketOffer, protocol: Revision): void {
    this.#websockets.take(offer, protocol);
  }

  /** A websocket for a session that polls, held here, whoever owns the session. */
  join(node: ClusterNode, sid: string, websocket: WebSocketLike): void {
    this.#websockets.join(node, sid, websocket);
  }

  tryUpgrade(id: string, transport: Transport): void {
    this.#websockets.tryUpgrade(id, transport);
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
    this.#engine.heartbeat.opened(socket, timesOf(record.handshake));
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
      this.#unavailable(response);
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
    const t = this.#names.of(query["t"], request.headers, this.#engine.opts.requestIdHeader);
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
    const found = await node.find(sid, []).finally(() => this.load.requests--);
    if (found.kind === "away") this.#unavailable(response);
    else if (found.kind === "unknown") refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid } });
    else {
      const context = { name: "TRANSPORT_MISMATCH", transport, previousTransport: "polling" };
      refuse({ code: ErrorCode.BAD_REQUEST, context });
    }
  }

  /** L4, I3. A 503 would reach the client, unless the balancer is told otherwise. */
  get breaksOff(): boolean {
    return this.#left || this.#node?.withdrawn === true;
  }

  #unavailable(response: ServerResponse): void {
    if (this.breaksOff) response.destroy();
    else sendUnavailable(response);
  }

  async drain(timeout: number, handedOver: () => void): Promise<void> {
    await this.#node?.leave(timeout, handedOver);
    this.#left = true;
    // Of a client that does not read a websocket may still wait to close, and nobody's heartbeat finds it out from now on.
    for (const socket of Object.values(this.clients)) {
      if (socket.transport.name !== "websocket") continue;
      runApart(this.#clock, () => {
        socket.close(true);
      });
    }
    await this.#stop(() => undefined);
  }

  async close(): Promise<void> {
    // What it adopted behind this would have no end here, and handlers that nobody expects any more.
    this.#node?.retire();
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
      await pause(this.#clock, CLOSE_LOOK);
    }
  }
}

/** How long `close` waits for the store, and how often it looks, in milliseconds. */
const CLOSE_PATIENCE = 2000;
const CLOSE_LOOK = 5;
