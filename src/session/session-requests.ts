import type { NodeId } from "../store/port";
import { TransportError } from "../transports/transport";
import { AnswerCode, bare, RequestKind } from "./answers";
import { FirstPosts, type WaitingPost } from "./first-posts";
import { handlePayload, sendStored } from "./handle-payload";
import { timestampOf } from "./handshake";
import { OwnPart } from "./own-part";
import { nameIn, nameOf } from "./request-name";
import { SessionTurns } from "./session-turns";
import { waitersOfPoll, waitersOfPost, type Turn, type Waiter } from "./turn";

/** Why a session ends by O14. */
export const TWO_ENDED = "two nodes ended while they handled this request";

/**
 * So many POSTs of a session may wait for their commits. Clients that do not wait for the answer to one before they send the next
 * are known with a few of them; more is a client out of hand, and what its names take in a record has a limit.
 */
const POSTS_IN_HAND = 256;

/**
 * What is asked of a session: its polls and POSTs, put to its owner by the nodes that hold them, and the sends of other
 * nodes. Names of rules (O1…) are those of docs/protocol.md.
 */
export abstract class SessionRequests extends SessionTurns {
  /** The session was offered to another node: its requests are to find it there. */
  #leaving = false;
  /** Those that came since, while something was under way. */
  #turnedAway: Waiter[] = [];
  /** U7: answers that are held back: to polls that ask again for what is in flight, and to POSTs that are handled. */
  #heldBack: Waiter[] = [];
  /** Adopted, and no POST was handled here yet: the first one is marked before (O14). */
  #first: FirstPosts | undefined;

  /**
   * The session was adopted: a close that was waiting for a poll goes on waiting. `mayHaveEnded`: whether the session may have
   * ended its last owner. `hasEnded`: whether it was that node's end by which it lost the session, or may have been.
   */
  resume(mayHaveEnded: boolean, hasEnded: (node: NodeId) => boolean): void {
    const { mark } = this.own;
    const suspect = mark !== undefined && hasEnded(mark.by) ? mark.key : undefined;
    // The mark stays until a POST is handled here: should the session move on before, the next owner is to know as well.
    if (mayHaveEnded || mark !== undefined) {
      this.#first = new FirstPosts(suspect, this.node.clock.now());
    }
    if (this.closeAsked) this.node.closing.add(this);
  }

  /** O1. */
  poll(t: string, holder: NodeId): void {
    const outbox = this.outbox;
    const taken = this.committing?.taken;
    if (outbox.inflight?.t === t && taken === undefined) this.#doubt(t);
    if (this.upgraded && !this.over) {
      this.node.answer(holder, RequestKind.Get, this.sid, t, bare(AnswerCode.BadRequest));
    } else if (taken?.t === t) {
      this.node.counts["duplicates.polls"]++;
      this.addHolder(taken.holders, holder);
    } else if (outbox.inflight?.t === t) {
      this.node.counts["duplicates.polls"]++;
      this.#pollAgain(t, holder);
    } else if (this.over) {
      this.node.answer(holder, RequestKind.Get, this.sid, t, bare(AnswerCode.UnknownSid));
    } else if (this.parked?.t === t) {
      this.addHolder(this.parked.holders, holder);
      this.node.grace.remove(this);
      if (this.stranded) this.endWith(this.parked);
      // While nobody held it no turn could take it.
      this.touch();
    } else if (this.#leaving) {
      this.#turnAway({ holder, kind: RequestKind.Get, t });
    } else if (this.answered.has(t) && !this.#isShared(t)) {
      this.refuse(RequestKind.Get, t, holder, AnswerCode.Refused);
    } else if (taken !== undefined || (this.isHeld() && !this.isParkedAgain)) {
      this.contradiction(RequestKind.Get, t, holder, "overlap from client");
    } else {
      this.giveHeldBack();
      if (this.isParkedAgain) this.#refuseParked();
      const before = outbox.arrived();
      if (before !== undefined) this.answered.add(before, this.node.clock.now());
      this.parked = { t, holders: [holder] };
      this.node.grace.remove(this);
      if (this.stranded) this.endWith(this.parked);
      if (outbox.waiting > 0 || this.closeAsked || this.release || this.next.ending !== undefined) this.touch();
    }
  }

  /**
   * What is in flight to `t` has arrived where that is no name: its client would be given the same packets for ever. A client that
   * does ask again loses them, as with a server that knows no names.
   */
  #doubt(t: string): void {
    if (!this.over && !this.stranded && !this.isHeldBack && this.#isShared(t)) this.outbox.arrived();
  }

  /**
   * Whether the handshake had this `t` too: a parameter of the application's that happens to be called so, and is in all requests.
   * A poll and a POST that share one are no sign: in Dart's client it is the millisecond, and it answers what a poll brought and
   * polls again in the same one.
   */
  #isShared(name: string): boolean {
    const opening = timestampOf(this.handshake);
    return opening !== undefined && nameOf(opening) === name;
  }

  /** Its client has its answer, and polls anew: what asked again is an attempt that came late. */
  #refuseParked(): void {
    for (const { holder, t } of waitersOfPoll(this.parked)) this.refuse(RequestKind.Get, t, holder, AnswerCode.Refused);
    this.parked = undefined;
  }

  /** What the poll `t` was answered is in flight to it. */
  #pollAgain(t: string, holder: NodeId): void {
    if (this.stranded && !this.over) this.endWith({ t, holders: [holder] });
    else if (this.isHeldBack) this.#holdBack({ holder, kind: RequestKind.Get, t });
    else this.answerPackets(t, [holder]);
  }

  #holdBack(waiter: Waiter): void {
    const { holder, t } = waiter;
    if (!this.#heldBack.some((other) => other.holder === holder && other.t === t)) this.#heldBack.push(waiter);
  }

  protected giveHeldBack(): void {
    for (const waiter of this.#takeHeldBack()) this.#give(waiter);
  }

  #takeHeldBack(): readonly Waiter[] {
    const held = this.#heldBack;
    if (held.length > 0) this.#heldBack = [];
    return held;
  }

  #give({ holder, kind, t }: Waiter): void {
    if (kind === RequestKind.Post) this.node.answer(holder, kind, this.sid, t, bare(AnswerCode.Ok));
    else if (this.outbox.inflight?.t === t) this.answerPackets(t, [holder]);
  }

  /** U7: the client was going over to a websocket that is gone. Its next answer, now if there is one to give, ends the session. */
  strand(): void {
    if (this.over || this.upgraded || this.isEnding) return;
    this.stranded = true;
    // Whoever has the session next takes it from this node, and so knows, whatever becomes of the gateway.
    this.own.gateway = this.node.id;
    this.touch();
    const held = this.#takeHeldBack();
    const again = held.filter(({ kind }) => kind === RequestKind.Get);
    const [first] = again;
    const poll = first === undefined ? this.heldPoll : { t: first.t, holders: again.map(({ holder }) => holder) };
    if (poll !== undefined) this.endWith(poll);
    const posts = held.filter(({ kind }) => kind === RequestKind.Post);
    // A poll that asks again may have had its answer since, over a slow bus: then nobody reads the close that it is given, and `ok`
    // would be the last that its client hears. So these are refused behind it, with all that waits for a session that is over.
    if (first !== undefined) this.#heldBack.push(...posts);
    else for (const { t, holder } of posts) this.answerPost(t, holder, false);
  }

  /** O2. `key` names the POST: its `t` and a hash of its body. */
  post(key: string, holder: NodeId, body: string | Uint8Array): void {
    if (this.handled.has(key) && !this.#isShared(nameIn(key))) {
      this.node.counts["duplicates.posts"]++;
      this.answerPost(key, holder, false);
      return;
    }
    const waiters = this.committing?.next.posts.get(key) ?? this.next.posts.get(key);
    if (waiters !== undefined) {
      this.node.counts["duplicates.posts"]++;
      this.addHolder(waiters, holder);
    } else if (this.over) {
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.UnknownSid));
    } else if (this.#leaving) {
      this.#turnAway({ holder, kind: RequestKind.Post, t: key });
    } else if (this.upgraded) {
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.BadRequest));
    } else if (this.isEnding) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.UnknownSid);
    } else if (typeof body !== "string" && !this.encoding.binaryPayloads) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.Refused);
      this.socket?.onError(new TransportError("invalid content"));
    } else if (body === "3" && this.protocol === 4) {
      this.#pong(key, holder, body);
    } else if (this.#postsInHand >= POSTS_IN_HAND) {
      this.contradiction(RequestKind.Post, key, holder, "data request overlap from client");
    } else this.#postFirst(this.#first, key, holder, body);
  }

  /** O7: a pong changes nothing that a successor would need. One that is not due shows that there may be a successor. */
  #pong(key: string, holder: NodeId, body: string): void {
    // In doubt it may be another node's ping that is answered, and nobody here could pass that on.
    const due = this.isPongDue && !this.node.inDoubt;
    handlePayload(this.socket, this.encoding, body, this.node.clock);
    if (due || (this.stranded && this.hasNoPoll)) {
      // A turn that is under way was begun before.
      this.pongProvedBy = this.turn + (this.committing === undefined ? 1 : 2);
      this.answerPost(key, holder, false);
    }
    // As a refusal is: proved, and no POST that another one could overlap. Its copy at a former owner may have been answered already.
    else this.refuse(RequestKind.Post, key, holder, AnswerCode.Ok);
  }

  /** POSTs whose commit is missing, and those that wait to be handled. */
  get #postsInHand(): number {
    return (this.committing?.next.posts.size ?? 0) + this.next.posts.size + (this.#first?.behind.length ?? 0);
  }

  #handle(key: string, holders: NodeId[], body: string | Uint8Array): void {
    this.next.addPost(key, holders);
    this.touch();
    handlePayload(this.socket, this.encoding, body, this.node.clock);
  }

  /**
   * By what its POST is answered a client learns that a stranded session is over, though its message was handled, where its poll was
   * answered before (U7).
   */
  protected answerPost(key: string, holder: NodeId, withPoll: boolean): void {
    const isLast = !withPoll && this.hasNoPoll;
    if (isLast && this.stranded && !this.over) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.UnknownSid);
      this.endStranded();
    } else if (isLast && this.isHeldBack) this.#holdBack({ holder, kind: RequestKind.Post, t: key });
    else {
      const code = isLast && this.stranded ? AnswerCode.UnknownSid : AnswerCode.Ok;
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(code));
    }
  }

  /**
   * O14: the first POST after a takeover may be what the last owner died of. It is marked in the record before it is handled;
   * one that was marked by an owner that has ended as well has ended two, and is to end its session, not a third.
   */
  #postFirst(first: FirstPosts | undefined, key: string, holder: NodeId, body: string | Uint8Array): void {
    if (first === undefined || (first.marked === undefined && first.isOver(this.node.clock.now()))) {
      this.#first = undefined;
      this.own.mark = undefined;
      this.#handle(key, [holder], body);
    } else if (first.marked === undefined) {
      this.#mark(first, { key, holders: [holder], body });
    } else {
      const same = first.waiting.find((post) => post.key === key);
      if (same === undefined) first.behind.push({ key, holders: [holder], body });
      else this.addHolder(same.holders, holder);
    }
  }

  #mark(first: FirstPosts, post: WaitingPost): void {
    const { key } = post;
    if (first.suspect === key) {
      for (const holder of post.holders) this.refuse(RequestKind.Post, key, holder, AnswerCode.UnknownSid);
      const description = new TransportError(TWO_ENDED);
      this.end({ packet: "1", reason: "transport error", description });
      return;
    }
    first.marked = post;
    // Of this node's own, where it lost the session in between: nothing would be committed.
    if (this.own.isMarked(key, this.node.id)) {
      this.#handleFirst(this.own);
      return;
    }
    this.own.mark = { key, by: this.node.id };
    this.touch();
  }

  /** The mark is recorded: now the POST is handled, and the turn that says so takes the mark away, or has that of the next one. */
  #handleFirst(recorded: OwnPart): void {
    const first = this.#first;
    const marked = first?.marked;
    if (first === undefined || marked === undefined || this.isEnding) return;
    if (!recorded.isMarked(marked.key, this.node.id)) return;
    first.marked = undefined;
    this.own.mark = undefined;
    this.#handle(marked.key, marked.holders, marked.body);
    this.#goOnBehind(first);
  }

  #goOnBehind(first: FirstPosts): void {
    // Who waits behind one that has ended the session is told so with the last turn.
    if (this.isEnding) return;
    const isOver = first.isOver(this.node.clock.now());
    const next = isOver ? undefined : first.behind.shift();
    if (next !== undefined) this.#mark(first, next);
    else if (isOver || first.suspect === undefined) {
      this.#first = undefined;
      for (const { key, holders, body } of first.behind) {
        for (const holder of holders) this.post(key, holder, body);
      }
    }
  }

  /**
   * O13: a node sends packets to the session, or closes it. `name` is the sender and its number; `body` is JSON: a list of
   * stored packets, or "close".
   */
  sendFrom(name: string, holder: NodeId, body: string | Uint8Array): void {
    const { sends } = this.next;
    const waiters = this.committing?.next.sends.get(name) ?? sends.get(name);
    if (waiters !== undefined) {
      this.node.counts["duplicates.sends"]++;
      this.addHolder(waiters, holder);
    } else if (this.own.senders.has(name)) {
      this.node.counts["duplicates.sends"]++;
      this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.Ok));
    } else if (this.over) this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.UnknownSid));
    else if (this.#leaving) this.#turnAway({ holder, kind: RequestKind.Send, t: name });
    else if (this.isEnding || this.socket?.readyState !== "open")
      this.refuse(RequestKind.Send, name, holder, AnswerCode.UnknownSid);
    else {
      this.own.senders.add(name);
      if (this.upgraded) this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.Ok));
      else {
        this.next.addSend(name, [holder]);
        this.touch();
      }
      sendStored(this.socket, String(body));
    }
  }

  /** H4: `holder` has no connection any more for the poll `t`. */
  gone(t: string, holder: NodeId): void {
    const parked = this.parked;
    this.#heldBack = this.#heldBack.filter((other) => other.t !== t || other.holder !== holder);
    if (parked?.t !== t || !parked.holders.includes(holder)) return;
    parked.holders = parked.holders.filter((node) => node !== holder);
    if (parked.holders.length > 0) return;
    // U7: the gateway asked for this poll, as it was held.
    if (this.isHeldBack) this.release = false;
    this.node.grace.add(this);
  }

  /** The holder of the poll `t` leaves: its client is to come back elsewhere. The empty answer is recorded like any other. */
  releasePoll(t: string, holder: NodeId): void {
    if (this.parked?.t !== t) return;
    // Who says so has it: that it asked may have been lost, as often as it did.
    this.poll(t, holder);
    // U7: while it is held back it is the gateway's to say so. A holder asks again.
    if (this.isHeldBack) return;
    this.release = true;
    this.touch();
  }

  /** O9: nobody came back for the parked poll. */
  graceOver(): void {
    if (this.parked === undefined || this.parked.holders.length > 0) return;
    // Another node may have it, and could not say so.
    if (this.node.wasDeaf) {
      this.node.grace.add(this);
      return;
    }
    this.end({
      packet: "1",
      reason: "transport error",
      description: new TransportError("poll connection closed prematurely"),
    });
  }

  /**
   * The session is offered to another node, with the number of its last turn. What asks for it from now on is sent to look
   * for it, so that no POST is handled here whose turn the claim would refuse.
   */
  depart(): void {
    this.#leaving = true;
    // Where the claim succeeds the session was this node's until now, and so were its pongs.
    this.pongProvedBy = 0;
  }

  /** Whether a POST was handled, or is about to be, that no commit has confirmed: who claimed the session now would handle it again. */
  get isHandling(): boolean {
    const { committing, next } = this;
    return (committing?.next.posts.size ?? 0) > 0 || next.posts.size > 0 || this.#first?.marked !== undefined;
  }

  /**
   * Not before what is under way is committed: who is told "not mine" again and again comes to doubt the record and claims the
   * session, and with a slow store that claim was ahead of the turn of a POST that was handled here.
   */
  #turnAway(waiter: Waiter): void {
    if (this.committing !== undefined || this.isHandling) this.#turnedAway.push(waiter);
    else this.node.notMine(waiter.holder, waiter.kind, this.sid, waiter.t);
  }

  protected wentOn(turn: Turn): void {
    const { data } = turn;
    if (data !== undefined && this.#first?.marked !== undefined) this.#handleFirst(new OwnPart(data));
    if (this.#turnedAway.length === 0 || this.isHandling) return;
    const waiters = this.#turnedAway;
    this.#turnedAway = [];
    for (const { holder, kind, t } of waiters) this.node.notMine(holder, kind, this.sid, t);
  }

  protected takeOutside(): Waiter[] {
    const posts = this.#first?.waiting ?? [];
    const waiters = [...posts.flatMap(waitersOfPost), ...this.#turnedAway, ...this.#takeHeldBack()];
    this.#first = undefined;
    this.#turnedAway = [];
    return waiters;
  }
}
