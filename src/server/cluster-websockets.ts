import { ErrorCode } from "../errors";
import type { Revision } from "../protocol/names";
import type { ClusterNode } from "../routing/cluster-node";
import { storeHandshake } from "../session/handshake";
import type { OwnedSession } from "../session/owned-session";
import type { Socket } from "../session/socket";
import type { EngineRequest } from "../transports/request";
import { revisionIn, type Transport } from "../transports/transport";
import { WebSocketTransport, type WebSocketLike } from "../transports/websocket";
import { UNREACHABLE, type Place } from "./admission";
import type { Engine } from "./engine";
import type { WebSocketOffer } from "./host";
import type { Opened, Opening } from "./openings";
import { protocolMismatch } from "./verify";

/** What websockets need of where the sessions live. */
export interface WebSocketsHost {
  /** This process in the cluster; undefined until it has joined. */
  readonly node: ClusterNode | undefined;
  /** The engine was closed, or has left. */
  readonly closing: boolean;
  open(opening: Opening): Promise<Opened>;
  socketOf(session: OwnedSession, opening: Opening, transport: Transport, place: Place): Socket;
  announce(socket: Socket): void;
}

/** Websockets that come to a node of a cluster: each begins a session here, or is of one that polls, whoever owns it. */
export class ClusterWebSockets {
  readonly #engine: Engine;
  readonly #host: WebSocketsHost;

  constructor(engine: Engine, host: WebSocketsHost) {
    this.#engine = engine;
    this.#host = host;
  }

  /** A request for a websocket that passed its checks. */
  take(offer: WebSocketOffer, protocol: Revision): void {
    if (this.#leaves) {
      // It would have to be closed at once. Where its connection breaks a balancer sends it to another node; a 503 it would pass
      // on to the client, unless it is told otherwise.
      offer.abandon();
      return;
    }
    const { sid } = offer.request._query;
    const ending = sid === undefined || sid === "" ? this.#open(offer, protocol) : this.#find(offer, sid, protocol);
    ending.catch((error: unknown) => {
      offer.unavailable();
      throw error;
    });
  }

  /** This node leaves, or has left by now. */
  get #leaves(): boolean {
    return this.#host.closing || this.#host.node?.leaving === true;
  }

  async #open(offer: WebSocketOffer, protocol: Revision): Promise<void> {
    const { request } = offer;
    const remoteAddress = request.socket.remoteAddress ?? "";
    const handshake = storeHandshake(request, request._query, remoteAddress);
    const opening: Opening = { request, remoteAddress, handshake, protocol, transport: "websocket" };
    const opened = await this.#host.open(opening);
    if (opened.kind === "withdrawn" || (opened.kind === "away" && this.#leaves)) offer.abandon();
    else if (opened.kind === "away") offer.unavailable(opened.why);
    else if (opened.kind === "no id") {
      offer.refuse({ code: ErrorCode.BAD_REQUEST, context: { name: "ID_GENERATION_ERROR", error: opened.error } });
    } else {
      const { session, place } = opened;
      offer.accept((websocket) => {
        const transport = new WebSocketTransport(request, websocket, this.#engine.compressFrom);
        const socket = this.#host.socketOf(session, opening, transport, place);
        session.useWebSocket(socket, transport);
        socket.onOpen();
        this.#host.announce(socket);
      });
      // The package ws has refused what was no websocket request, or its connection is gone.
      if (session.socket === undefined) {
        place.leave();
        session.endOrphan();
      }
    }
  }

  /** Lets the websocket in where its session is somewhere. */
  async #find(offer: WebSocketOffer, sid: string, protocol: Revision): Promise<void> {
    const node = this.#host.node;
    const overload = node === undefined ? UNREACHABLE : this.#engine.admission.takeRequest();
    if (node === undefined || overload !== undefined) {
      offer.unavailable(overload);
      return;
    }
    const found = await node.find(sid, []).finally(() => this.#engine.load.requests--);
    if (node.withdrawn || this.#leaves) {
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

  /** See `SocketHost`. */
  tryUpgrade(id: string, transport: Transport): void {
    if (this.#host.node?.session(id)?.upgradeTo(transport, nothing) !== true) transport.close();
  }
}

function nothing(): void {
  // Nobody but the socket waits for the record.
}
