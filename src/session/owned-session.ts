import type { NodeId } from "../store/port";
import type { PollState } from "../transports/owned-polling";
import { TransportError, type Transport } from "../transports/transport";
import { AnswerCode, bare, RequestKind } from "./answers";
import { DirectJournal } from "./direct-journal";
import { handlePayload, sendStored } from "./handle-payload";
import type { Journal } from "./journal";
import { OwnPart } from "./own-part";
import { SessionTurns } from "./session-turns";
import type { Socket } from "./socket";
import { waitersOfPost, type Turn, type UpgradeStep, type Waiter } from "./turn";
import { Upgrade, type UpgradeHost } from "./upgrade";

/** Why a session ends by O14. */
export const TWO_ENDED = "two nodes ended while they handled this request";

/** What an owner that adopted the session knows of its first POST. */
interface FirstPost {
  /** The POST that the owner before was about to handle when it ended. */
  readonly suspect: string | undefined;
  /** The POST whose mark is on its way to the record. */
  marked: { readonly key: string; readonly holders: NodeId[]; readonly body: string | Uint8Array } | undefined;
}

/**
 * The owner's side of one session: it alone decides what the session says. What is asked of it, and what its socket says,
 * becomes turns, one commit at a time.
 */
export class OwnedSession extends SessionTurns implements Journal, PollState {
  /** The session was offered to another node: its requests are to find it there. */
  #leaving = false;
  /** Adopted, and no POST was handled here yet: the first one is marked before (O14). */
  #first: FirstPost | undefined;

  get writable(): boolean {
    // What is sent leaves at the end of the tick: from the first packet on, the poll is as good as taken.
    return this.parked !== undefined && this.outbox.waiting === 0 && this.socket?.writeBuffer.length === 0;
  }

  /** Whether a poll waits for packets, at whatever node. */
  get hasPoll(): boolean {
    return this.parked !== undefined;
  }

  /** Packets that wait for a poll, as an adopted session's record has them. */
  get waitingPackets(): readonly string[] {
    return this.outbox.waitingPackets;
  }

  /** JSON of `socket.data`, empty where there is none. */
  get data(): string {
    return this.own.data;
  }

  useSocket(socket: Socket): void {
    this.setSocket(socket);
    socket.useJournal(this);
  }

  /** A new session that has a websocket from the start. */
  useWebSocket(socket: Socket, transport: Transport): void {
    this.setSocket(socket);
    socket.useJournal(new DirectJournal(socket, transport));
    socket.once("close", this.#onSocketClosed);
    this.node.onUpgraded(this);
  }

  /** U6: a websocket's session whose owner is dead has no way to its client; it was claimed only to be closed. */
  endOrphan(): void {
    this.end({ packet: "1", reason: "" });
  }

  /** The session is not to go on: its client is told by its next poll. Nobody handles what it still says. */
  closeUnadopted(): void {
    this.closeAsked = true;
    this.node.closing.add(this);
    this.touch();
  }

  /** The session was adopted: a close that was waiting for a poll goes on waiting. */
  resume(): void {
    // The mark stays until a POST is handled here: should the session move on before, the next owner is to know as well.
    this.#first = { suspect: this.own.mark, marked: undefined };
    if (this.closeAsked) this.node.closing.add(this);
  }

  // ---- requests, put to the owner by the nodes that hold them ----

  /** O1. */
  poll(t: string, holder: NodeId): void {
    const outbox = this.outbox;
    const taken = this.committing?.taken;
    if (this.#leaving) {
      this.node.notMine(holder, RequestKind.Get, this.sid, t);
    } else if (this.upgraded && !this.over) {
      this.node.answer(holder, RequestKind.Get, this.sid, t, bare(AnswerCode.BadRequest));
    } else if (taken?.t === t) {
      this.node.counts["duplicates.polls"]++;
      this.addHolder(taken.holders, holder);
    } else if (outbox.inflight?.t === t) {
      this.node.counts["duplicates.polls"]++;
      this.answerPackets(t, [holder]);
    } else if (this.over) {
      this.node.answer(holder, RequestKind.Get, this.sid, t, bare(AnswerCode.UnknownSid));
    } else if (this.parked?.t === t) {
      this.addHolder(this.parked.holders, holder);
      this.node.grace.remove(this);
      // While nobody held it no turn could take it.
      this.touch();
    } else if (this.answered.has(t)) {
      this.refuse(RequestKind.Get, t, holder, AnswerCode.Refused);
    } else if (taken !== undefined || this.isHeld()) {
      this.contradiction(RequestKind.Get, t, holder, "overlap from client");
    } else {
      const before = outbox.arrived();
      if (before !== undefined) this.answered.add(before, this.node.clock.now());
      this.parked = { t, holders: [holder] };
      this.node.grace.remove(this);
      if (outbox.waiting > 0 || this.closeAsked || this.next.ending !== undefined) this.touch();
    }
  }

  /** O2. `key` names the POST: its `t` and a hash of its body. */
  post(key: string, holder: NodeId, body: string | Uint8Array): void {
    if (this.#leaving) {
      this.node.notMine(holder, RequestKind.Post, this.sid, key);
      return;
    }
    if (this.handled.has(key)) {
      this.node.counts["duplicates.posts"]++;
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.Ok));
      return;
    }
    const waiters = this.committing?.next.posts.get(key) ?? this.next.posts.get(key);
    if (waiters !== undefined) {
      this.node.counts["duplicates.posts"]++;
      this.addHolder(waiters, holder);
    } else if (this.over) {
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.UnknownSid));
    } else if (this.upgraded) {
      this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.BadRequest));
    } else if (this.isEnding) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.UnknownSid);
    } else if (typeof body !== "string" && !this.encoding.binaryPayloads) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.Refused);
      this.socket?.onError(new TransportError("invalid content"));
    } else if (body === "3" && this.protocol === 4) {
      this.#pong(key, holder, body);
    } else if (this.next.posts.size > 0 || (this.committing?.next.posts.size ?? 0) > 0) {
      this.contradiction(RequestKind.Post, key, holder, "data request overlap from client");
    } else if (this.#first !== undefined) {
      this.#postFirst(this.#first, key, holder, body);
    } else {
      this.#handle(key, [holder], body);
    }
  }

  /** O7: a pong changes nothing that a successor would need. One that is not due shows that there may be a successor. */
  #pong(key: string, holder: NodeId, body: string): void {
    const due = this.isPongDue;
    handlePayload(this.socket, this.encoding, body, this.node.clock);
    if (due) this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.Ok));
    // As a refusal is: proved, and no POST that another one could overlap. Its copy at a former owner may have been answered already.
    else this.refuse(RequestKind.Post, key, holder, AnswerCode.Ok);
  }

  #handle(key: string, holders: NodeId[], body: string | Uint8Array): void {
    this.next.addPost(key, holders);
    this.touch();
    handlePayload(this.socket, this.encoding, body, this.node.clock);
  }

  /**
   * O14: the first POST after a takeover may be what the last owner died of. It is marked in the record before it is handled;
   * one that was marked already has ended two owners, and is to end its session, not a third.
   */
  #postFirst(first: FirstPost, key: string, holder: NodeId, body: string | Uint8Array): void {
    if (first.marked?.key === key) {
      this.addHolder(first.marked.holders, holder);
    } else if (first.marked !== undefined) {
      this.contradiction(RequestKind.Post, key, holder, "data request overlap from client");
    } else if (first.suspect === key) {
      this.refuse(RequestKind.Post, key, holder, AnswerCode.UnknownSid);
      const description = new TransportError(TWO_ENDED);
      this.end({ packet: "1", reason: "transport error", description });
    } else {
      first.marked = { key, holders: [holder], body };
      this.own.mark = key;
      this.touch();
    }
  }

  /** The mark is recorded: now the POST is handled, and the turn that says so takes the mark away. */
  #handleFirst(recorded: string): void {
    const marked = this.#first?.marked;
    if (marked === undefined || this.isEnding || new OwnPart(recorded).mark !== marked.key) return;
    this.#first = undefined;
    this.own.mark = undefined;
    this.#handle(marked.key, marked.holders, marked.body);
  }

  /**
   * O13: a node sends packets to the session, or closes it. `name` is the sender and its number; `body` is JSON: a list of
   * stored packets, or "close".
   */
  sendFrom(name: string, holder: NodeId, body: string | Uint8Array): void {
    const { sends } = this.next;
    const waiters = this.committing?.next.sends.get(name) ?? sends.get(name);
    if (this.#leaving) this.node.notMine(holder, RequestKind.Send, this.sid, name);
    else if (waiters !== undefined) {
      this.node.counts["duplicates.sends"]++;
      this.addHolder(waiters, holder);
    } else if (this.own.senders.has(name)) {
      this.node.counts["duplicates.sends"]++;
      this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.Ok));
    } else if (this.over) this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.UnknownSid));
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
    if (parked?.t !== t || !parked.holders.includes(holder)) return;
    parked.holders = parked.holders.filter((node) => node !== holder);
    if (parked.holders.length === 0) this.node.grace.add(this);
  }

  /**
   * This node has claimed the session anew, from the owner that had claimed it in between, and was not told of that: this one is
   * of the time before.
   */
  replaced(): void {
    this.lose(this.node.id);
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

  /** No poll came to carry the close. */
  closingOver(): void {
    this.end({ packet: "1", reason: "forced close" });
  }

  // ---- the node leaves ----

  /**
   * The session is offered to another node, with the number of its last turn. What asks for it from now on is sent to look
   * for it, so that no POST is handled here whose turn the claim would refuse.
   */
  depart(): void {
    this.#leaving = true;
  }

  /** I3: this node is cut off, and others are about to claim the session. A websocket that is here goes on. */
  giveUp(): void {
    if (!this.upgraded) this.lose(undefined);
  }

  /** The holder of the poll `t` leaves: its client is to come back elsewhere. The empty answer is recorded like any other. */
  releasePoll(t: string): void {
    if (this.parked?.t !== t) return;
    this.release = true;
    this.touch();
  }

  /** Closes the session, which cannot go to another node: what is buffered is delivered, then its websocket ends with `code`. */
  goAway(code: number): void {
    const socket = this.socket;
    if (socket === undefined) return;
    socket.transport.closeCode = code;
    socket.close();
  }

  // ---- the websocket ----

  /** Tries to go over to `transport`; false where the session cannot. `recorded` is called before anything goes out by it. */
  upgradeTo(transport: Transport, recorded: () => void): boolean {
    const socket = this.socket;
    if (socket === undefined || socket.upgrading || this.upgraded || socket.readyState === "closed" || this.isEnding)
      return false;
    const host: UpgradeHost = {
      releasePoll: () => {
        this.release = true;
        this.touch();
      },
      takeTransport: (taken, done) => {
        this.next.upgrade = {
          transport: taken,
          recorded: () => {
            recorded();
            socket.useTransport(taken, new DirectJournal(socket, taken));
            done();
            // It was closed while this was recorded, and nobody was there yet to hear of it: the session would have waited for
            // its ping to time out.
            if (taken.readyState === "closed") socket.onClose("transport close");
          },
        };
        this.touch();
      },
    };
    new Upgrade(socket, transport, host, this.node.clock, this.node.upgradeTimeout);
    return true;
  }

  /** U2: the record says websocket. */
  #upgradeRecorded(step: UpgradeStep): void {
    const socket = this.socket;
    if (socket === undefined || socket.readyState === "closed") {
      step.transport.close();
      return;
    }
    this.upgraded = true;
    this.node.grace.remove(this);
    this.node.onUpgraded(this);
    socket.once("close", this.#onSocketClosed);
    step.recorded();
  }

  readonly #onSocketClosed = (): void => {
    if (!this.over) this.end({ packet: "1", reason: "" });
  };

  /** The record of this websocket session was not renewed: it is another node's, or the store lost it. */
  async renewFailed(): Promise<void> {
    if (this.over || this.committing !== undefined) return;
    const result = await this.node.restore(this.sid, this.copy(false));
    if (result.kind === "fenced") this.lose(result.owner);
  }

  // ---- the journal: what the socket says ----

  flush(): void {
    this.touch();
  }

  close(discard: boolean): void {
    if (discard) {
      this.socket?.onClose("forced close");
      return;
    }
    this.closeAsked = true;
    // Whether its client comes for the close is watched over by the list of those that are closing.
    if (this.socket !== undefined) this.socket.server.heartbeat.forget(this.socket);
    this.touch();
  }

  closeTransport(discard: boolean): void {
    this.close(discard);
  }

  goOver(): never {
    throw new Error("a polling session in a cluster has the transport that its record says");
  }

  leave(): void {
    // Its transport is only to look at.
  }

  ended(reason: string): void {
    if (this.over || this.isEnding) return;
    // "forced close" comes from `close(true)` here, which loses what is buffered.
    if (reason === "forced close") this.outbox.dropUnrecorded();
    else this.encode(this.socket?.writeBuffer ?? []);
    this.next.ending = { packet: reason === "transport close" ? "6" : "1", reason: "" };
    this.touch();
  }

  timedOut(): void {
    // Behind a commit that the store does not answer the ping may still be in the buffer, and has no number.
    this.encode(this.socket?.writeBuffer ?? []);
    // O12: a ping that no commit has confirmed may never have left; the client is not to blame.
    if (this.lastPing > this.outbox.recorded) this.socket?.server.heartbeat.await(this.socket);
    else this.end({ packet: "1", reason: "ping timeout" });
  }

  protected wentOn(turn: Turn): void {
    if (turn.data !== undefined) this.#handleFirst(turn.data);
    if (turn.next.upgrade !== undefined) this.#upgradeRecorded(turn.next.upgrade);
  }

  protected takeOutside(): Waiter[] {
    const waiters = waitersOfPost(this.#first?.marked);
    this.#first = undefined;
    return waiters;
  }
}
