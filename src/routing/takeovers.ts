import { encodingFor, queryOf } from "../session/handshake";
import { Outbox } from "../session/outbox";
import { OwnedSession } from "../session/owned-session";
import type { NodeId, SessionRecord, SessionStore } from "../store/port";
import type { Clock } from "../time/clock";
import type { Whereabouts } from "./holder";
import type { OwnedSessions } from "./owned-sessions";

/** What takeovers need of their node. */
export interface TakeoverNode {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly owned: OwnedSessions;
  isDead(node: NodeId): boolean;
  /** The session is claimed, and this node's. */
  onClaimed(session: OwnedSession, from: NodeId, record: SessionRecord): void;
}

/** Claims of sessions whose owner is dead, or leaves: one at a time for each session. */
export class Takeovers {
  readonly #node: TakeoverNode;
  readonly #store: SessionStore;
  readonly #running = new Map<string, Promise<Whereabouts>>();

  constructor(node: TakeoverNode, store: SessionStore) {
    this.#node = node;
    this.#store = store;
  }

  /** Claims under way. */
  get size(): number {
    return this.#running.size;
  }

  running(sid: string): Promise<Whereabouts> | undefined {
    return this.#running.get(sid);
  }

  /** Claims the session from the owner that it had at this turn. */
  claim(sid: string, from: NodeId, turn: number): Promise<Whereabouts> {
    const running = this.#running.get(sid);
    if (running !== undefined) return running;
    const claiming = this.#claim(sid, from, turn).finally(() => this.#running.delete(sid));
    this.#running.set(sid, claiming);
    return claiming;
  }

  async #claim(sid: string, from: NodeId, turn: number): Promise<Whereabouts> {
    const result = await this.#store.claim(sid, this.#node.id, turn);
    switch (result.kind) {
      case "ok":
        this.#adopt(sid, from, result.record);
        return { kind: "here" };
      case "no":
        if (result.owner === this.#node.id || this.#node.isDead(result.owner)) return { kind: "away" };
        return { kind: "at", node: result.owner };
      case "unknown":
      case "away":
        return { kind: result.kind };
    }
  }

  #adopt(sid: string, from: NodeId, record: SessionRecord): void {
    try {
      this.#node.onClaimed(sessionOf(sid, this.#node.owned, record), from, record);
    } catch (error) {
      // A listener of "connection" threw: the process is to end of it, and whoever waits for this claim is not to wait for ever.
      this.#node.clock.defer(() => {
        throw error;
      });
    }
  }
}

/** The session as its record has it. */
function sessionOf(sid: string, sessions: OwnedSessions, record: SessionRecord): OwnedSession {
  return new OwnedSession(sid, sessions, {
    encoding: encodingFor(record.protocol, queryOf(record.handshake)),
    transport: record.transport,
    turn: record.turn,
    phase: record.phase,
    outbox: Outbox.fromRecord(record),
    answered: record.answered,
    handled: record.handled,
    handshake: record.handshake,
    extra: record.data,
  });
}
