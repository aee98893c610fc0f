import type { LinkHandler } from "../bus/link-options";
import type { Links } from "../bus/links";
import type { OwnedSession } from "../session/owned-session";
import type { Socket } from "../session/socket";
import type { NodeId, SessionRecord, SessionStore } from "../store/port";
import type { Counters } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import type { Tick } from "../time/tick";
import type { HolderTimes } from "./holder";
import type { SendLimit } from "./remote-sends";

/** What a node needs of the engine whose sessions it runs. */
export interface NodeEngine {
  /** Makes the socket of a session that this node claimed. `announce` afterwards emits `connection`. */
  adopt(sid: string, record: SessionRecord, session: OwnedSession): Socket;
  announce(socket: Socket): void;
}

export interface NodeEvents {
  onNodeJoined(node: NodeId): void;
  onNodeDead(node: NodeId): void;
  onTakeover(sid: string, from: NodeId): void;
  /** What needs a human. */
  onTrouble?(error: Error): void;
}

export interface NodeTimes extends HolderTimes {
  readonly pollGrace: number;
  readonly linger: number;
  readonly leaseTtl: number;
  readonly recordTtl: number;
  readonly upgradeTimeout: number;
  /** How long a close waits for a poll to carry it; less than `recordTtl`. */
  readonly closeTimeout: number;
}

export interface ClusterNodeOptions {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly tick: Tick;
  readonly store: SessionStore;
  readonly links: (handler: LinkHandler) => Links;
  readonly engine: NodeEngine;
  readonly events: NodeEvents;
  readonly counters: Counters;
  readonly times: NodeTimes;
  readonly ring: number;
  readonly maxDataChars: number;
  readonly ownerCache: number;
  readonly sendLimit: SendLimit;
  /** Whether sessions of dead owners go on here, or are closed so that their clients reconnect. */
  readonly adopts: boolean;
  /** Units of a relayed websocket that may be under way, in each direction. */
  readonly relayLimit: number;
}
