import type { Refusal } from "../errors";
import type { Revision } from "../protocol/names";
import type { Identity } from "../routing/identities";
import type { Socket } from "../session/socket";
import type { EngineRequest } from "../transports/request";
import type { Transport } from "../transports/transport";
import type { WebSocketLike } from "../transports/websocket";
import type { Overload } from "./admission";
import type { KnownSessions } from "./verify";

/** Refuses the request at hand. */
export type Refuse = (refusal: Refusal) => void;

/** A websocket request that passed its checks: answered 101 by `accept`, or refused. */
export interface WebSocketOffer {
  readonly request: EngineRequest;
  accept(accepted: (websocket: WebSocketLike) => void): void;
  refuse(refusal: Refusal): void;
  /** Nobody could answer in time, or a limit is met. */
  unavailable(why?: Overload): void;
  /** The connection breaks: whatever is in front is to send the request to another node. */
  abandon(): void;
}

/**
 * Where the engine's sessions live: in this process alone, or in a cluster. It is given requests that passed their
 * checks; the request carries its response.
 */
export interface SessionHost {
  readonly known: KnownSessions;
  /** Sessions whose sockets are here. */
  readonly clients: Record<string, Socket>;
  /** Who opened a session; at once where that is known here. */
  identity(sid: string): Identity | Promise<Identity>;
  /** What comes is not to be answered but broken off, so that whatever is in front sends it to another node. */
  readonly breaksOff: boolean;
  /** Opens a session by long-polling. Resolves when it is open, or refused. */
  handshake(request: EngineRequest, protocol: Revision, refuse: Refuse): Promise<void>;
  /** A poll or a POST of a session. */
  request(request: EngineRequest, refuse: Refuse): void;
  /** A websocket of a session, or for a new one. */
  websocket(offer: WebSocketOffer, protocol: Revision): void;
  /** Tries to take session `id` over to `transport`; see `SocketHost`. */
  tryUpgrade(id: string, transport: Transport): void;
  /** Whether sessions can be opened again after a close. */
  readonly reopens: boolean;
  /** Resolves when sessions can be served. */
  ready(): Promise<void>;
  /**
   * Gives up the sessions to the other nodes within `timeout` milliseconds and stops, or ends them where there is no cluster.
   * `handedOver` is called when connections are to go elsewhere.
   */
  drain(timeout: number, handedOver: () => void): Promise<void>;
  /** Ends all sessions that are here, then stops. */
  close(): Promise<void>;
}

/** A request that is a websocket already. */
export function offerOf(request: EngineRequest, websocket: WebSocketLike, refuse: Refuse): WebSocketOffer {
  return {
    request,
    refuse,
    accept: (taken) => {
      taken(websocket);
    },
    unavailable: () => {
      websocket.close();
    },
    abandon: () => {
      websocket.close();
    },
  };
}
