import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import type { ErrorCallback } from "../errors";
import type { Revision } from "../protocol/names";
import type { EngineRequest, HeadersHook, QueriedRequest } from "../transports/request";
import type { WebSocketLike } from "../transports/websocket";
import type { Breakable } from "./authorization";
import { refusalOf } from "./compat3";
import { offerOf, type Refuse, type WebSocketOffer } from "./host";
import { MIDDLEWARE_FAILURE } from "./middlewares";
import { RequestFace } from "./request-face";
import { connectionError } from "./responses";
import { revisionOf } from "./verify";
import { WebSocketResponse } from "./websocket-response";
import { refuseUpgrade, upgradeUnavailable, WebSockets, type UpgradeRequest } from "./websockets";

/** Requests for websockets, from their arrival until they are offered to where the sessions live. */
export abstract class WebSocketFace extends RequestFace {
  #websockets: WebSockets | undefined;
  /** Websockets that were let in for a session, until they are handed to it. */
  readonly #accepted = new WeakMap<WebSocketLike, (websocket: WebSocketLike) => void>();

  protected abstract verify(request: QueriedRequest, upgrade: boolean, done: ErrorCallback): void;
  /** @internal */
  abstract readonly onHeaders: HeadersHook;
  /** @internal */
  protected abstract revision(request: EngineRequest, refuse: Refuse): Revision | undefined;
  /** @internal The websocket's request has passed its checks; it came on `connection`. */
  protected abstract toSession(offer: WebSocketOffer, protocol: Revision, connection: Breakable): void;

  /** The websocket server, of the package `ws`. */
  get ws(): WebSocketServer | undefined {
    return this.#websockets?.server;
  }

  /** @internal Makes the websocket server, by the options as they are now. */
  protected openWebSockets(): void {
    this.#websockets?.close();
    this.#websockets = new WebSockets(this.opts, this.onHeaders);
  }

  /** Closes the websocket server. */
  protected cleanup(): void {
    this.#websockets?.close();
  }

  /** Handles a request to change to the websocket protocol: `socket` is its connection, `head` what came behind it. */
  handleUpgrade(incoming: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.prepare(incoming);
    const request = incoming as EngineRequest;
    request.res = null;
    const refuse: Refuse = (refusal) => {
      this.emit("connection_error", connectionError(request, refusal));
      refuseUpgrade(socket, refusal);
    };
    // The connection's errors are nobody's until the websocket has it.
    socket.on("error", ignore);
    const upgrade = { request, socket, head };
    if (this.passesAll) this.#admitUpgrade(upgrade, undefined, refuse);
    else {
      const response = new WebSocketResponse(request, socket);
      // It has what middlewares use of a response.
      this._applyMiddlewares(request, response as unknown as ServerResponse, (error) => {
        if (error) refuse(MIDDLEWARE_FAILURE);
        else this.#admitUpgrade(upgrade, response, refuse);
      });
    }
  }

  #admitUpgrade(upgrade: UpgradeRequest, response: WebSocketResponse | undefined, refuse: Refuse): void {
    const { request, socket } = upgrade;
    this.verify(request, true, (code, context) => {
      const refusal = refusalOf(code, context);
      if (refusal !== undefined) refuse(refusal);
      else if (request._query["transport"] !== "websocket") {
        // As engine.io does: let in, and closed.
        this.#accept(upgrade, response, (websocket) => {
          websocket.close();
        });
      } else if (!socket.destroyed) {
        const offer = this.#offer(upgrade, response, refuse);
        const protocol = this.revision(request, refuse);
        if (protocol !== undefined) this.toSession(offer, protocol, socket);
      }
    });
  }

  #offer(upgrade: UpgradeRequest, response: WebSocketResponse | undefined, refuse: Refuse): WebSocketOffer {
    return {
      request: upgrade.request,
      refuse,
      unavailable: (why) => {
        upgradeUnavailable(upgrade.socket, why);
      },
      abandon: () => {
        upgrade.socket.destroy();
      },
      accept: (accepted) => {
        this.#accept(upgrade, response, accepted);
      },
    };
  }

  #accept(
    upgrade: UpgradeRequest,
    response: WebSocketResponse | undefined,
    accepted: (websocket: WebSocketLike) => void,
  ): void {
    const headers = response?.takeHeaders() ?? {};
    this.#websockets?.accept({ ...upgrade, headers }, (websocket) => {
      upgrade.socket.removeListener("error", ignore);
      // Of one that is let in only to be closed nobody else hears.
      websocket.on("error", ignore);
      this.#accepted.set(websocket, accepted);
      this.onWebSocket(upgrade.request, upgrade.socket, websocket);
    });
  }

  /**
   * A websocket was let in: by `handleUpgrade`, or by a caller that completed its handshake itself. `socket` is its
   * connection; callers by engine.io 3 leave it out.
   */
  onWebSocket(incoming: IncomingMessage, socket: Duplex | WebSocketLike, websocket?: WebSocketLike): void {
    const taken = websocket ?? (socket as WebSocketLike);
    const accepted = this.#accepted.get(taken);
    if (accepted !== undefined) {
      accepted(taken);
      return;
    }
    this.prepare(incoming);
    const request = incoming as EngineRequest;
    const offer = offerOf(request, taken, (refusal) => {
      this.emit("connection_error", connectionError(request, refusal));
      if (websocket === undefined) taken.close();
      else refuseUpgrade(socket as Duplex, refusal);
    });
    this.toSession(offer, revisionOf(request), taken);
  }
}

function ignore(): void {
  // The connection is still being decided on, or given up.
}
