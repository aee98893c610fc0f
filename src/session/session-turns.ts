import type { Revision, TransportName } from "../protocol/names";
import type { Encoding } from "../protocol/encoding";
import type { Packet } from "../protocol/packet";
import { toStored } from "../protocol/stored";
import type { NodeId, SessionRecord } from "../store/port";
import { TransportError } from "../transports/transport";
import { runApart } from "../time/throw-later";
import { AnswerCode, bare, RequestKind } from "./answers";
import { OwnPart } from "./own-part";
import type { OwnerNode, SessionHandle } from "./owner-node";
import { Ring } from "./ring";
import type { Socket } from "./socket";
import { Next, waitersOfPoll, type Ending, type Parked, type Plan, type Taken, type Turn, type Waiter } from "./turn";
import { TurnSeries, type SeriesStart } from "./turn-series";

/** What a session that its owner opens or adopts starts from. */
export interface OwnedSessionStart extends SeriesStart {
  readonly encoding: Encoding;
  readonly transport: TransportName;
  readonly answered: readonly string[];
  readonly handled: readonly string[];
  readonly handshake: string;
  readonly extra: string;
}

/** What a poll is answered that is let go by an upgrade. */
const NOOP = ["6"];
/** Why a session ends by U7. */
const WEBSOCKET_LOST = "the websocket that the client was going over to is gone, and with it its node";

/**
 * What the turns of a session are made of, and what they let out: nothing of a turn leaves before its commit, not a packet,
 * not the `ok` of a POST, not a refusal. Names of rules (O1…) are those of docs/protocol.md.
 */
export abstract class SessionTurns extends TurnSeries implements SessionHandle {
  readonly handshake: string;
  readonly encoding: Encoding;
  protected readonly answered: Ring;
  protected readonly handled: Ring;
  protected parked: Parked | undefined;
  /** The session has a websocket: what it says goes there, and turns are left for its end. */
  protected upgraded: boolean;
  /** The parked poll is to be answered, if with nothing: an upgrade waits for it, or its holder leaves. */
  protected release = false;
  /** `close()` was called: the close leaves behind what is buffered. */
  protected closeAsked: boolean;
  /**
   * U7: the client was going over to a websocket whose node has ended, and may have stopped polling for good: with its next answer,
   * which may be the last that it ever reads, the session ends.
   */
  protected stranded = false;
  /** Whether the gateway says itself when a poll is to be let go. One that is known from the record alone is taken to. */
  protected gatewayAsks = true;
  /** Number of the last ping: its answer is not awaited before it is recorded. */
  protected lastPing = 0;
  /** Number of the turn that proves that the last pong was for this owner's ping. */
  protected pongProvedBy = 0;
  /** Number of the last ping whose time has started. */
  #timedPing = 0;
  protected readonly own: OwnPart;
  #socket: Socket | undefined;
  /** The client contradicted itself, as far as this node knows, which may not know all. */
  #charge: TransportError | undefined;
  /** What the record has of the owner's own part. */
  #recordedOwn: string;

  constructor(sid: string, node: OwnerNode, start: OwnedSessionStart) {
    super(sid, node, start);
    this.answered = new Ring(node.ring, node.ringCover, start.answered);
    this.handled = new Ring(node.ring, node.ringCover, start.handled);
    this.handshake = start.handshake;
    this.encoding = start.encoding;
    this.upgraded = start.transport === "websocket";
    this.closeAsked = start.phase === "closing";
    this.own = new OwnPart(start.extra);
    this.#recordedOwn = start.extra;
  }

  /**
   * The client has, or may have, a ping of this owner's, and no answer to it was heard. An owner that is one no longer gets the
   * answers to its successor's pings too, where clients ask at its node.
   */
  protected get isPongDue(): boolean {
    const { socket } = this;
    return (
      this.lastPing > 0 && this.lastPing <= this.outbox.recorded && socket?.server.heartbeat.isAwaiting(socket) === true
    );
  }

  get protocol(): Revision {
    return this.encoding.revision;
  }

  /** There until the session is over, but for one that is only closed here. */
  get socket(): Socket | undefined {
    return this.#socket;
  }

  protected setSocket(socket: Socket): void {
    this.#socket = socket;
  }

  protected override get remembered(): number {
    // With those of the turn that is made: many POSTs in one would push out what came just before.
    return Math.max(this.answered.size, this.handled.size + this.next.posts.size);
  }

  override get direct(): boolean {
    return this.upgraded;
  }

  abstract graceOver(): void;
  abstract closingOver(): void;
  abstract renewFailed(): Promise<void>;
  /** The turn is committed, and the session goes on. */
  protected abstract wentOn(turn: Turn): void;
  /** Takes those who wait for something that is in no turn yet. */
  protected abstract takeOutside(): readonly Waiter[];

  protected plan(next: Next): Plan {
    const stays = { phase: this.phase, taken: undefined, released: undefined, flushed: false };
    if (next.ending !== undefined) return this.#finish(next.ending);
    if (this.upgraded) return stays;
    if (next.upgrade === undefined) return this.#goOn();
    // U2: a client that says "upgrade" has read the answer to its last poll.
    const before = this.outbox.arrived();
    if (before !== undefined) this.answered.add(before, this.node.clock.now());
    const released = this.parked;
    this.parked = undefined;
    return { ...stays, released };
  }

  /** A turn of a session that goes on, or that closes when a poll has taken what is buffered. */
  #goOn(): Plan {
    const socket = this.#socket;
    this.encode(socket?.writeBuffer ?? []);
    const poll = this.heldPoll;
    const wanted = this.release || (!this.isHeldBack && (this.outbox.waiting > 0 || this.closeAsked));
    if (poll === undefined || !wanted) {
      return {
        phase: this.closeAsked ? "closing" : this.phase,
        taken: undefined,
        released: undefined,
        flushed: false,
      };
    }
    const flushed = socket !== undefined && socket.writeBuffer.length > 0;
    // Listeners of "flush" may send more; it joins this take.
    if (flushed) this.encode(socket.takeBuffer());
    if (this.outbox.waiting === 0 && this.release && !this.closeAsked) this.outbox.push("6");
    this.release = false;
    this.parked = undefined;
    // What waits goes ahead of the close, as in engine.io: the stock client of Socket.IO handles the messages of a payload
    // after its close packet, when they are of no use to anybody any more.
    const phase = this.closeAsked ? "closing" : this.phase;
    if (!this.closeAsked || this.outbox.waiting > 0) return { phase, taken: poll, released: undefined, flushed };
    if (this.phase === "closing") this.outbox.push("6");
    this.outbox.push("1");
    return { phase: "closed", taken: poll, released: undefined, flushed };
  }

  /** The last turn. */
  #finish(ending: Ending): Plan {
    const taken = this.heldPoll;
    if (this.isParkedAgain) this.outbox.untake();
    if (taken === undefined) this.outbox.dropUnrecorded();
    else if (ending.packet !== "") this.outbox.push(ending.packet);
    if (taken !== undefined) this.parked = undefined;
    return { phase: "closed", taken, released: undefined, flushed: false };
  }

  /** Stores the packets that were added to the buffer since the last time. */
  protected encode(buffer: readonly Packet[]): void {
    for (let i = this.outbox.waiting; i < buffer.length; i++) {
      const packet = buffer[i];
      if (packet === undefined) continue;
      this.outbox.push(toStored(packet));
      if (packet.type === "ping") this.lastPing = this.outbox.tail;
    }
  }

  /** The owner's own part of the record, where it differs from what the record has. */
  protected ownPart(): string | undefined {
    const own = this.own;
    own.data = this.#socket?.dataToStore(this.node.maxDataChars) ?? own.data;
    const text = own.text();
    return text === this.#recordedOwn ? undefined : text;
  }

  /** O4: now, and not before, what the turn decided is let out. */
  protected letOut(turn: Turn): void {
    const node = this.node;
    if (turn.data !== undefined) this.#recordedOwn = turn.data;
    if (this.lastPing !== this.#timedPing) this.#timePing();
    for (const [key, waiters] of turn.next.posts) {
      this.handled.add(key, node.clock.now());
      for (const holder of waiters) this.answerPost(key, holder, turn.taken !== undefined);
    }
    for (const [name, waiters] of turn.next.sends) {
      for (const holder of waiters) node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.Ok));
    }
    for (const { holder, kind, t, code } of turn.next.refusals) {
      // O7: a pong that is proved by this turn.
      if (code === AnswerCode.Ok) this.answerPost(t, holder, turn.taken !== undefined);
      else node.answer(holder, kind, this.sid, t, bare(code));
    }
    // In order: the answer to the probe is to be ahead of the one that the client waits for then.
    if (turn.next.probe !== undefined) runApart(node.clock, turn.next.probe);
    if (turn.taken !== undefined) {
      if (this.stranded && turn.phase !== "closed") this.endWith(turn.taken);
      else this.answerPackets(turn.taken.t, turn.taken.holders);
    }
    this.letGo(turn.released);
    if (turn.flushed) {
      runApart(node.clock, () => {
        this.#socket?.runCallbacks();
        this.#socket?.drained();
      });
    }
    if (turn.phase === "closed") {
      if (!this.stranded) this.giveHeldBack();
      this.#close(turn.next.ending ?? { packet: "1", reason: "forced close" });
      return;
    }
    if (turn.next.refusals.length > 0) this.#closeCharged();
    this.wentOn(turn);
    if (turn.commit.phase === "closing") this.node.closing.add(this);
  }

  /** An empty answer to all who hold the poll. */
  protected letGo(poll: Parked | undefined): void {
    for (const { holder, t } of waitersOfPoll(poll)) {
      const body = this.encoding.encodeStored(NOOP);
      this.node.answer(holder, RequestKind.Get, this.sid, t, { code: AnswerCode.Packets, body, compress: false });
    }
  }

  /** O12: the time of a ping starts here, where its client can have it at the earliest. */
  #timePing(): void {
    const socket = this.#socket;
    if (this.lastPing > this.outbox.recorded) return;
    this.#timedPing = this.lastPing;
    if (socket?.server.heartbeat.isAwaiting(socket) === true) socket.resetPingTimeout();
  }

  /**
   * U7: whether answers wait until the gateway says that it lives: a client that has stopped polling would read them, and nothing
   * afterwards, where its websocket is gone.
   */
  protected get isHeldBack(): boolean {
    const { gateway } = this.own;
    return gateway !== undefined && gateway !== this.node.id && this.gatewayAsks && !this.stranded && !this.over;
  }

  /** U7: whether no poll is there to tell the client: what a POST is answered may be the last that it hears. */
  protected get hasNoPoll(): boolean {
    return this.parked === undefined && this.committing?.taken === undefined;
  }

  /** U7: the session ends with the answer to this poll: what is in flight to it, what waits, and a close packet. */
  protected endWith(poll: Parked): void {
    if (this.parked?.t === poll.t) for (const holder of poll.holders) this.addHolder(this.parked.holders, holder);
    else this.parked = poll;
    // The end is on its way: what is parked then is refused, and that tells the client as well.
    if (this.committing?.phase !== "closed") this.endStranded();
  }

  /** U7: whether what is parked asks again for what is in flight to it. Until the last turn takes it, a newer poll says that it came. */
  protected get isParkedAgain(): boolean {
    return this.parked !== undefined && this.outbox.inflight?.t === this.parked.t;
  }

  protected endStranded(): void {
    if (this.isEnding) return;
    this.encode(this.#socket?.writeBuffer ?? []);
    this.end({ packet: "1", reason: "transport close", description: new TransportError(WEBSOCKET_LOST) });
  }

  /** Answers a POST that is handled; `withPoll`: a poll is answered in the same moment. */
  protected abstract answerPost(key: string, holder: NodeId, withPoll: boolean): void;
  /** Gives all answers that were held back. */
  protected abstract giveHeldBack(): void;

  protected takeBack(taken: Taken): void {
    this.parked = taken;
  }

  /** O8. */
  #close(ending: Ending): void {
    this.stop();
    const refuse = bare(AnswerCode.UnknownSid);
    for (const { holder, kind, t } of this.#waiters()) this.node.answer(holder, kind, this.sid, t, refuse);
    this.#leave();
    this.node.onEnded(this);
    if (ending.reason !== "") this.#socket?.onClose(ending.reason, ending.description);
    this.#socket = undefined;
  }

  /** O5: everybody who waits asks the owner of now. */
  protected lose(owner: NodeId | undefined): void {
    if (this.over) return;
    this.stop();
    this.#leave();
    this.node.onLost(this, owner);
    // O7: it was taken for the answer to a ping of before, and may have been the successor's.
    if (owner !== undefined && owner !== this.node.id && this.turn < this.pongProvedBy) this.node.passPong(this.sid);
    const socket = this.#socket;
    // What the record has is its owner's to send; in the buffer stays what no commit confirmed.
    if (socket !== undefined) socket.writeBuffer = socket.writeBuffer.slice(this.outbox.waitingRecorded);
    for (const { holder, kind, t } of this.#waiters()) this.node.notMine(holder, kind, this.sid, t);
    socket?.onClose("taken over");
    this.#socket = undefined;
  }

  #leave(): void {
    this.node.grace.remove(this);
    this.node.closing.remove(this);
  }

  /** Everybody who waits for something, who is then forgotten. */
  #waiters(): Waiter[] {
    const turn = this.committing;
    const all = [
      ...waitersOfPoll(this.parked),
      ...waitersOfPoll(turn?.taken),
      ...waitersOfPoll(turn?.released),
      ...(turn?.next.waiters() ?? []),
      ...this.next.waiters(),
      ...this.takeOutside(),
    ];
    this.parked = undefined;
    this.committing = undefined;
    this.next = new Next();
    return all;
  }

  /** The record as it stood before the turn that is under way; `taking`: that turn answers a poll. */
  protected copy(taking: boolean): SessionRecord {
    return {
      ...this.outbox.recordedPart(taking),
      owner: this.node.id,
      turn: this.turn,
      protocol: this.protocol,
      transport: this.upgraded ? "websocket" : "polling",
      phase: this.phase,
      answered: this.answered.list(),
      handled: this.handled.list(),
      handshake: this.handshake,
      data: this.#recordedOwn,
    };
  }

  // ---- small parts ----

  protected answerPackets(t: string, holders: readonly NodeId[]): void {
    const answer = this.outbox.answer(this.encoding);
    for (const holder of holders) this.node.answer(holder, RequestKind.Get, this.sid, t, answer);
  }

  protected refuse(kind: RequestKind, t: string, holder: NodeId, code: AnswerCode): void {
    this.next.refuse({ kind, t, holder, code });
    this.touch();
  }

  /** O10. Of a session that is another's by now it is none: where that may be, the socket hears of it behind the refusal's commit. */
  protected contradiction(kind: RequestKind, t: string, holder: NodeId, what: string): void {
    this.refuse(kind, t, holder, AnswerCode.Refused);
    this.#charge ??= new TransportError(what);
    if (!this.node.inDoubt) this.#closeCharged();
  }

  #closeCharged(): void {
    const charge = this.#charge;
    this.#charge = undefined;
    if (charge !== undefined) this.#socket?.onError(charge);
  }

  protected addHolder(holders: NodeId[], holder: NodeId): void {
    if (!holders.includes(holder)) holders.push(holder);
  }

  /** The parked poll. One that nobody holds is none: its client may be gone. */
  protected get heldPoll(): Parked | undefined {
    return this.parked?.holders.length === 0 ? undefined : this.parked;
  }

  /** Whether a poll is parked and a node that lives has its connection. */
  protected isHeld(): boolean {
    return this.parked?.holders.some((holder) => this.node.lives(holder)) === true;
  }
}
