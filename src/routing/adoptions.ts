import { encodingFor, queryOf } from "../session/handshake";
import { Outbox } from "../session/outbox";
import { OwnedSession } from "../session/owned-session";
import type { NodeId, SessionRecord } from "../store/port";
import type { Counters } from "../telemetry/counters";
import type { Clock } from "../time/clock";
import { runApart } from "../time/throw-later";
import type { NodeEngine, NodeEvents } from "./node-options";
import type { OwnedSessions } from "./owned-sessions";
import type { TakenNotices } from "./taken-notices";

export interface AdoptionParts {
  readonly id: NodeId;
  readonly clock: Clock;
  readonly owned: OwnedSessions;
  readonly notices: TakenNotices;
  /** Whether this node has a websocket of the session. */
  readonly gateways: { has(sid: string): boolean };
  readonly membership: { isDead(node: NodeId): boolean };
  readonly counters: Counters;
  readonly events: NodeEvents;
  readonly engine: NodeEngine;
  /** Whether sessions of dead owners go on here, or are closed. */
  readonly adopts: boolean;
}

/** What becomes of a session that this node has claimed: it goes on here, or is closed. */
export class Adoptions {
  readonly #parts: AdoptionParts;

  constructor(parts: AdoptionParts) {
    this.#parts = parts;
  }

  /** `from` was its owner; `wasDead`: as far as was known when the session was claimed. */
  adopt(sid: string, from: NodeId, record: SessionRecord, wasDead: boolean): void {
    // Where a listener of "connection" throws, the process is to end of it, and whoever waits for this claim is not to wait for ever.
    runApart(this.#parts.clock, () => {
      this.#adopt(sessionOf(sid, this.#parts.owned, record), from, record, wasDead);
    });
  }

  #adopt(session: OwnedSession, from: NodeId, record: SessionRecord, wasDead: boolean): void {
    const { id, owned, notices, gateways, membership, counters, events, engine } = this.#parts;
    const { sid } = session;
    // One that is here was claimed by others meanwhile. Left alone it would be told that its next turns are committed, as repetitions
    // of those that the others made under the same numbers.
    owned.get(sid)?.replaced();
    owned.add(session);
    if (from !== id) notices.tell(from, sid, record.turn);
    if (record.phase === "closed") {
      owned.onEnded(session);
      return;
    }
    if (record.transport === "websocket") {
      session.endOrphan();
      return;
    }
    counters.count(wasDead ? "takeovers" : "handovers");
    events.onTakeover(sid, from);
    if (!this.#parts.adopts) {
      session.closeUnadopted();
      session.seekGateway(from, () => false);
      return;
    }
    const socket = engine.adopt(sid, record, session);
    session.useSocket(socket);
    // O14: from one that lives the session was claimed otherwise, or it leaves. Of one that was not the last owner that is not known.
    session.resume(wasDead || from === id, (node) => {
      if (node === id) return false;
      return node === from ? wasDead : from !== id || membership.isDead(node);
    });
    session.seekGateway(from, (node) => (node === id ? gateways.has(sid) : !membership.isDead(node)));
    // Before any request is handed over: the requests that wait for this claim are put when it resolves.
    if (record.phase === "open") engine.announce(socket);
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
