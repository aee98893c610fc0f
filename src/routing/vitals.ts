import type { Links } from "../bus/links";
import type { Membership } from "../ownership/membership";
import { RequestKind } from "../session/answers";
import type { OwnedSession } from "../session/owned-session";
import type { Held } from "./held";

/** What a node is asked by those who watch over it. Looked up when it is read; nothing is kept up for it. */
export interface Vitals {
  /** Whether by its own clock its lease has not ended. */
  readonly leaseHeld: boolean;
  /** Whether the store answered when it was last asked for the lease. */
  readonly storeAnswers: boolean;
  readonly busConnected: boolean;
  /** Whether the node gives up all that is here. */
  readonly leaving: boolean;
  /** Requests that wait here for an answer. */
  readonly heldPolls: number;
  readonly heldPosts: number;
  /** Sends from here to sessions, which wait for their owner. */
  readonly heldSends: number;
  /** Polls that wait, at any node, for sessions that are owned here. */
  readonly parkedPolls: number;
  /** Websockets here of sessions that other nodes own. */
  readonly gateways: number;
  /** Websockets elsewhere of sessions that are owned here. */
  readonly relays: number;
}

export interface VitalParts {
  readonly membership: Membership;
  readonly links: Links;
  readonly leaving: boolean;
  readonly waiting: readonly Held[];
  readonly sessions: Iterable<OwnedSession>;
  readonly gateways: number;
  readonly relays: number;
}

export function vitalsOf(parts: VitalParts): Vitals {
  const { membership, links, leaving, waiting, sessions, gateways, relays } = parts;
  let heldPolls = 0;
  let heldPosts = 0;
  for (const { kind } of waiting) {
    if (kind === RequestKind.Get) heldPolls++;
    else if (kind === RequestKind.Post) heldPosts++;
  }
  let parkedPolls = 0;
  for (const session of sessions) if (session.hasPoll) parkedPolls++;
  return {
    leaseHeld: membership.leaseHeld,
    storeAnswers: membership.storeAnswers,
    busConnected: links.connected,
    leaving,
    heldPolls,
    heldPosts,
    heldSends: waiting.length - heldPolls - heldPosts,
    parkedPolls,
    gateways,
    relays,
  };
}
