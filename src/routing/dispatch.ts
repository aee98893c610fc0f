import type { Frame } from "../bus/frame";
import { rethrow } from "../bus/rethrow";
import type { Isolation } from "../ownership/isolation";
import type { Membership } from "../ownership/membership";
import { AnswerCode, bare, RequestKind } from "../session/answers";
import type { OwnedSession } from "../session/owned-session";
import type { NodeId } from "../store/port";
import type { Counters } from "../telemetry/counters";
import type { Gateways } from "./gateways";
import type { Handovers } from "./handovers";
import type { Held } from "./held";
import type { Holder } from "./holder";
import { MessageKind, notMine, readAnswer, readKind } from "./messages";
import type { OwnedSessions } from "./owned-sessions";
import type { OwnerCache } from "./owner-cache";
import type { Relays } from "./relays";
import type { Takeovers } from "./takeovers";

export interface DispatchParts {
  readonly id: NodeId;
  readonly sessions: OwnedSessions;
  readonly holder: Holder;
  readonly relays: Relays;
  readonly gateways: Gateways;
  readonly handovers: Handovers;
  readonly takeovers: Takeovers;
  readonly cache: OwnerCache;
  readonly membership: Membership;
  readonly counters: Counters;
  readonly isolation: Isolation;
  send(node: NodeId, frame: Frame): void;
}

/** What gateways say of their websockets. */
const OF_WEBSOCKETS: ReadonlySet<number> = new Set([
  MessageKind.RelayOpen,
  MessageKind.RelayIn,
  MessageKind.RelayGone,
  MessageKind.RelayCredit,
]);

/** What concerns a session that is here, and nobody else. */
const FOR_OWNERS: ReadonlySet<number> = new Set([
  MessageKind.AskGet,
  MessageKind.AskPost,
  MessageKind.AskSend,
  MessageKind.Gone,
  MessageKind.Taken,
  MessageKind.Release,
  ...OF_WEBSOCKETS,
]);

interface Waiting {
  readonly from: NodeId;
  readonly frame: Frame;
  readonly incarnation: number;
}

/** Takes what other nodes say to whom it concerns here. */
export class Dispatch {
  readonly #parts: DispatchParts;
  /** What came for sessions while this node claims them, in order. */
  readonly #forClaimed = new Map<string, Waiting[]>();

  constructor(parts: DispatchParts) {
    this.#parts = parts;
  }

  onFrame(from: NodeId, frame: Frame, incarnation: number): void {
    const parts = this.#parts;
    const { sid, t } = frame;
    if (isRequest(frame.kind) && parts.membership.isBygone(from, incarnation)) {
      // H7. A node that lives, and holds the request still, asks again when it has its lease again; or its connections break.
      parts.counters.count("bygone");
      return;
    }
    if (parts.takeovers.size > 0 && this.#waitsForClaim(from, frame, incarnation)) return;
    switch (frame.kind) {
      case MessageKind.AskGet:
        this.#asked(from, frame, RequestKind.Get);
        return;
      case MessageKind.AskPost:
        this.#asked(from, frame, RequestKind.Post);
        return;
      case MessageKind.AskSend:
        this.#asked(from, frame, RequestKind.Send);
        return;
      case MessageKind.Answer: {
        const read = readAnswer(frame);
        if (read !== undefined) parts.holder.onAnswer(read.kind, sid, t, read.answer);
        return;
      }
      case MessageKind.NotMine: {
        parts.cache.delete(sid);
        const kind = readKind(frame.n);
        if (kind !== undefined) parts.holder.onNotMine(from, kind, sid, t);
        return;
      }
      case MessageKind.Gone:
        parts.sessions.get(sid)?.gone(t, from);
        return;
      case MessageKind.Taken: {
        const session = parts.sessions.get(sid);
        // O6: only the store's word counts; this is the occasion to ask for it.
        if (session !== undefined && session.turn < frame.n) session.prove();
        return;
      }
      case MessageKind.LeaseOver:
        parts.isolation.told();
        return;
      case MessageKind.Handover:
      case MessageKind.Release:
      case MessageKind.Leaving:
        parts.handovers.onFrame(from, frame);
        return;
      case MessageKind.RelayIn:
        parts.counters.frequent["relayFrames.fromClient"]++;
        parts.relays.onMessage(from, frame);
        return;
      case MessageKind.RelayOpen:
        parts.relays.onOpen(from, frame);
        return;
      case MessageKind.RelayGone:
        parts.relays.onGone(from, frame);
        return;
      case MessageKind.RelayCredit:
        parts.relays.onCredit(from, frame);
        return;
      case MessageKind.RelayNotMine:
        parts.cache.delete(sid);
        parts.gateways.onFrame(from, frame);
        return;
      case MessageKind.RelayOut:
        parts.counters.frequent["relayFrames.toClient"]++;
        parts.gateways.onFrame(from, frame);
        return;
      case MessageKind.RelayAck:
      case MessageKind.RelayClose:
        parts.gateways.onFrame(from, frame);
    }
  }

  /**
   * The record names this node from when the store made its claim, and this node knows it later, much later where it is busy. Who was
   * told "not mine" three times in between doubted it, and claimed from it what it had just adopted.
   */
  #waitsForClaim(from: NodeId, frame: Frame, incarnation: number): boolean {
    const { sid, kind } = frame;
    if (!FOR_OWNERS.has(kind) || this.#parts.sessions.has(sid)) return false;
    const claiming = this.#parts.takeovers.running(sid);
    if (claiming === undefined) return false;
    const waiting = this.#forClaimed.get(sid);
    if (waiting !== undefined) {
      waiting.push({ from, frame, incarnation });
      return true;
    }
    this.#forClaimed.set(sid, [{ from, frame, incarnation }]);
    void claiming.finally(() => {
      const all = this.#forClaimed.get(sid) ?? [];
      this.#forClaimed.delete(sid);
      for (const each of all) this.#afterClaim(each);
    });
    return true;
  }

  #afterClaim({ from, frame, incarnation }: Waiting): void {
    // Its gateway died meanwhile, and nobody would say so again: the session would stay on a websocket that is gone.
    if (OF_WEBSOCKETS.has(frame.kind) && this.#parts.membership.isDead(from)) return;
    try {
      this.onFrame(from, frame, incarnation);
    } catch (error) {
      // A listener threw: the frames behind this one are to arrive, as over a link.
      rethrow(error);
    }
  }

  /** Puts a request that is held here to this node's own session; false where there is none. */
  askHere(held: Held): boolean {
    const session = this.#parts.sessions.get(held.sid);
    if (session === undefined) return false;
    // As in `#asked`: others may have claimed it, and asked it the same. It is asked again when the lease is retaken.
    if (this.#parts.membership.cutFromStore && !session.direct) this.#parts.counters.count("lapsed");
    else this.#request(session, held.kind, held.t, held.body, held.revision, this.#parts.id);
    return true;
  }

  #asked(from: NodeId, frame: Frame, kind: RequestKind): void {
    const { sessions, membership, counters, isolation } = this.#parts;
    const session = sessions.get(frame.sid);
    if (session === undefined) this.#parts.send(from, notMine(kind, frame.sid, frame.t));
    // O6: this node stood still, or cannot reach the store, and others may have claimed what was its own: nobody's handlers run here
    // for what is refused later. It is asked again when the lease is retaken, of which all are told. Where others are known to
    // hold their leases they are to be asked at once; where the store is away from all, "not mine" would have them doubt this
    // node, and take from it when the store is back.
    else if (membership.lapsed) {
      counters.count("lapsed");
      if (isolation.isOutlived) this.#parts.send(from, notMine(kind, frame.sid, frame.t));
    } else this.#request(session, kind, frame.t, frame.body, frame.n, from);
  }

  /** Puts a request to the session that it names. */
  #request(
    session: OwnedSession,
    kind: RequestKind,
    t: string,
    body: string | Uint8Array,
    revision: number,
    holder: NodeId,
  ): void {
    if (revision !== 0 && revision !== session.protocol) {
      this.#parts.sessions.answer(holder, kind, session.sid, t, bare(AnswerCode.OtherProtocol));
    } else if (kind === RequestKind.Get) session.poll(t, holder);
    else if (kind === RequestKind.Post) session.post(t, holder, body);
    else session.sendFrom(t, holder, body);
  }
}

/** Polls and POSTs. What other nodes send is known by its number, however late it comes (O13). */
function isRequest(kind: number): boolean {
  return kind === MessageKind.AskGet || kind === MessageKind.AskPost;
}
