import { ErrorCode } from "../errors";
import type { AuthorizedSession } from "../options";
import type { Identity } from "../routing/identities";
import { DirectJournal } from "../session/direct-journal";
import { identityOf, storeHandshake } from "../session/handshake";
import { Socket } from "../session/socket";
import type { Revision } from "../protocol/names";
import type { Clock } from "../time/clock";
import type { Transport } from "../transports/transport";
import { Upgrade, type UpgradeHost } from "../session/upgrade";
import type { EngineRequest } from "../transports/request";
import { Place } from "./admission";
import type { Engine } from "./engine";
import type { Refuse, SessionHost, WebSocketOffer } from "./host";
import { sendOverload } from "./responses";
import type { KnownSessions } from "./verify";

/** Sessions of one process, without a cluster: no store, no turns, everything inside the call. */
export class LocalHost implements SessionHost {
  readonly clients: Record<string, Socket> = Object.create(null) as Record<string, Socket>;
  /** Nothing is given up that a new session would need. */
  readonly reopens = true;
  readonly breaksOff = false;
  readonly #engine: Engine;
  readonly #clock: Clock;
  readonly #identities = new WeakMap<Socket, AuthorizedSession>();

  constructor(engine: Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  readonly known: KnownSessions = (sid) => this.clients[sid];

  identity(sid: string): Identity {
    const socket = this.clients[sid];
    if (socket === undefined) return "unknown";
    let identity = this.#identities.get(socket);
    if (identity === undefined) {
      const { request, remoteAddress } = socket;
      const handshake = storeHandshake(request, (request as EngineRequest)._query, remoteAddress);
      // By way of its text, as in a cluster: what the application does to the request is not its client's doing.
      identity = identityOf(sid, handshake);
      this.#identities.set(socket, identity);
    }
    return identity;
  }

  async handshake(request: EngineRequest, protocol: Revision, refuse: Refuse): Promise<void> {
    const place = this.#engine.admission.enter(request);
    if (!(place instanceof Place)) {
      if (request.res !== null) sendOverload(request.res, place);
      request.res = null;
      return;
    }
    let id: string;
    try {
      id = await this.#engine.generateId(request);
    } catch (error) {
      place.leave();
      refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error } });
      return;
    }
    const transport = this.#engine.transportFor("polling", request);
    transport.on("headers", this.#engine.headersFor(id));
    const socket = this.#start(id, request, protocol, transport, place);
    transport.onRequest(request);
    this.#engine.emit("connection", socket);
  }

  #start(id: string, request: EngineRequest, protocol: Revision, transport: Transport, place: Place): Socket {
    const remoteAddress = request.socket.remoteAddress ?? "";
    const socket = new Socket({ id, server: this.#engine, transport, request, remoteAddress, protocol });
    socket.useJournal(new DirectJournal(socket, transport));
    // First of all listeners: the application finds the session gone from `clients` in its own.
    socket.once("close", () => {
      Reflect.deleteProperty(this.clients, id);
      place.leave();
    });
    socket.onOpen();
    this.clients[id] = socket;
    return socket;
  }

  websocket(offer: WebSocketOffer, protocol: Revision): void {
    const { sid } = offer.request._query;
    if (sid === undefined || sid === "") void this.#openWebSocket(offer, protocol);
    else {
      offer.accept((websocket) => {
        const socket = this.clients[sid];
        // A second websocket is let in and closed, as engine.io does.
        if (socket === undefined || socket.upgrading || socket.upgraded || socket.transport.name !== "polling")
          websocket.close();
        else {
          offer.request.websocket = websocket;
          socket.maybeUpgrade(this.#engine.transportFor("websocket", offer.request));
        }
      });
    }
  }

  async #openWebSocket(offer: WebSocketOffer, protocol: Revision): Promise<void> {
    const place = this.#engine.admission.enter(offer.request);
    if (!(place instanceof Place)) {
      offer.unavailable(place);
      return;
    }
    let id: string;
    try {
      id = await this.#engine.generateId(offer.request);
    } catch (error) {
      place.leave();
      offer.refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error } });
      return;
    }
    offer.accept((websocket) => {
      const { request } = offer;
      request.websocket = websocket;
      const transport = this.#engine.transportFor("websocket", request);
      this.#engine.emit("connection", this.#start(id, request, protocol, transport, place));
    });
    // The package ws has refused what was no websocket request, or its connection is gone.
    if (this.clients[id] === undefined) place.leave();
  }

  tryUpgrade(id: string, transport: Transport): void {
    const socket = this.clients[id];
    if (socket === undefined) transport.close();
    else this.#upgrade(socket, transport);
  }

  #upgrade(socket: Socket, transport: Transport): void {
    const { transport: polling } = socket;
    const host: UpgradeHost = {
      recordProbe: (answer) => {
        answer();
      },
      releasePoll: () => {
        if (polling.writable) polling.send([{ type: "noop" }]);
      },
      takeTransport: (taken, done) => {
        // No later poll can reach it: a close that finds none parked must not wait for one.
        socket.transport.discard();
        socket.clearTransport();
        socket.setTransport(taken);
        socket.onUpgraded();
        done();
      },
      failed: () => {
        // Nothing was recorded, and its transport is there still.
      },
    };
    new Upgrade(socket, transport, host, this.#clock, this.#engine.opts.upgradeTimeout);
  }

  request(request: EngineRequest, refuse: Refuse): void {
    const sid = request._query["sid"] ?? "";
    const socket = this.clients[sid];
    if (socket === undefined) refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid } });
    else socket.transport.onRequest(request);
  }

  ready(): Promise<void> {
    return Promise.resolve();
  }

  drain(_timeout: number, handedOver: () => void): Promise<void> {
    handedOver();
    return this.close();
  }

  close(): Promise<void> {
    for (const socket of Object.values(this.clients)) socket.close(true);
    return Promise.resolve();
  }
}
