import type { PollState } from "../transports/owned-polling";
import type { Transport } from "../transports/transport";
import { DirectJournal } from "./direct-journal";
import type { Journal } from "./journal";
import { SessionRequests } from "./session-requests";
import type { Socket } from "./socket";
import type { Turn, UpgradeStep } from "./turn";
import { Upgrade, type UpgradeHost } from "./upgrade";
import type { NodeId } from "../store/port";
import type { Timer } from "../time/clock";

/**
 * The owner's side of one session: it alone decides what the session says. What is asked of it, and what its socket says,
 * becomes turns, one commit at a time.
 */
export class OwnedSession extends SessionRequests implements Journal, PollState {
  /** The last try to go over to a websocket. */
  #upgrade: Upgrade | undefined;
  /** The answer to a probe that no commit has let out yet: nobody polls no more because of it. */
  #unanswered: (() => void) | undefined;
  /** A gateway that lives, at a session that was adopted, has so long to say that the websocket is there. */
  #gatewayWait: Timer | undefined;

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

  /**
   * This node has claimed the session anew, from the owner that had claimed it in between, and was not told of that: this one is
   * of the time before.
   */
  replaced(): void {
    this.lose(this.node.id);
  }

  /** No poll came to carry the close. */
  closingOver(): void {
    this.end({ packet: "1", reason: "forced close" });
  }

  // ---- the node leaves ----

  override depart(): void {
    super.depart();
    this.#upgrade?.depart();
  }

  /** Whether the client goes over to a websocket that is here, and would hang if that were closed now. */
  get isGoingOver(): boolean {
    return this.#upgrade?.needsTransport === true;
  }

  /** I3: this node is cut off, and others are about to claim the session. A websocket that is here goes on. */
  giveUp(): void {
    if (!this.upgraded) this.lose(undefined);
  }

  /** Closes the session, which cannot go to another node: what is buffered is delivered, then its websocket ends with `code`. */
  goAway(code: number): void {
    const socket = this.socket;
    if (socket === undefined) return;
    socket.transport.closeCode = code;
    socket.close();
  }

  // ---- the websocket ----

  /**
   * Tries to go over to `transport`, whose websocket the node `gateway` has; false where the session cannot. `recorded` is called
   * before anything goes out by it.
   */
  upgradeTo(transport: Transport, recorded: () => void, gateway = this.node.id): boolean {
    const socket = this.socket;
    if (socket === undefined || socket.upgrading || this.upgraded || socket.readyState === "closed" || this.isEnding)
      return false;
    const host: UpgradeHost = {
      recordProbe: (answer) => {
        this.gatewayAsks = transport.asksForRelease;
        this.#recordProbe(gateway, answer);
      },
      failed: (silent) => {
        this.#upgradeFailed(silent);
      },
      releasePoll: () => {
        // U7: a poll that comes later is not the one that the gateway asked for. It may be dead by then.
        this.giveHeldBack();
        if (this.isHeldBack && this.heldPoll === undefined) return;
        this.release = true;
        this.touch();
      },
      takeTransport: (taken, done) => {
        this.giveHeldBack();
        this.#gatewayWait?.stop();
        this.own.gateway = undefined;
        this.stranded = false;
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
    this.#upgrade = new Upgrade(socket, transport, host, this.node.clock, this.node.upgradeTimeout);
    return true;
  }

  #recordProbe(gateway: NodeId, answer: () => void): void {
    const probe = (): void => {
      if (this.#unanswered === probe) this.#unanswered = undefined;
      answer();
    };
    // Not where it was answered before: by the owner before, or to a client that probes twice.
    if (this.own.gateway !== gateway || this.#unanswered !== undefined) this.#unanswered = probe;
    this.own.gateway = gateway;
    this.next.probe = probe;
    this.touch();
  }

  /** The session polls on; not where nothing was heard of the gateway for a while. */
  #upgradeFailed(silent: boolean): void {
    if (silent) this.strand();
    this.#unanswered = undefined;
    if (this.stranded || this.own.gateway === undefined) return;
    this.giveHeldBack();
    this.own.gateway = undefined;
    this.release = false;
    this.touch();
  }

  /**
   * U7, where the session was adopted from `owner`: a websocket that was there has ended with it. Where another node may have it, the
   * upgrade goes on here.
   */
  seekGateway(owner: NodeId, mayHave: (node: NodeId) => boolean): void {
    const { gateway } = this.own;
    if (gateway === undefined) return;
    if (gateway === owner || !mayHave(gateway)) {
      this.strand();
      return;
    }
    this.#gatewayWait = this.node.clock.afterUnref(this.node.upgradeTimeout, () => {
      if (this.own.gateway === gateway && this.socket?.upgrading !== true) this.strand();
    });
  }

  /** U7: this node has ended, or has closed the session's websocket. */
  gatewayEnded(gateway: NodeId): void {
    if (this.own.gateway === gateway && this.#unanswered === undefined) this.strand();
  }

  protected override stop(): void {
    super.stop();
    this.#gatewayWait?.stop();
  }

  /** U2: the record says websocket. */
  #upgradeRecorded(step: UpgradeStep): void {
    const socket = this.socket;
    if (socket === undefined || socket.readyState === "closed") {
      step.transport.close();
      return;
    }
    this.upgraded = true;
    this.#upgrade = undefined;
    // One that came while this was recorded has been read by nobody since, and its end would be taken for the session's.
    this.letGo(this.parked);
    this.parked = undefined;
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
    // In doubt others may have ended it: the proof tells that follows when the lease is taken again, or is under way.
    if (this.over || !this.idle || this.node.inDoubt) return;
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
    if (this.isEnding) return;
    this.encode(this.socket?.writeBuffer ?? []);
    // O12: a ping that no commit has confirmed may never have left; the client is not to blame.
    if (this.lastPing > this.outbox.recorded) this.socket?.server.heartbeat.await(this.socket);
    else this.end({ packet: "1", reason: "ping timeout" });
  }

  protected override wentOn(turn: Turn): void {
    super.wentOn(turn);
    if (turn.next.upgrade !== undefined) this.#upgradeRecorded(turn.next.upgrade);
  }
}
