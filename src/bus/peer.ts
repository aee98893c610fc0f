import type { NodeId } from "../store/port";
import { FrameWriter } from "./frame";
import type { FramesMessage, LinkPosition } from "./message";
import { Window } from "./window";

/** What one node keeps of its link with one other: what it sent, what it received, what it noticed. Decides, and does no I/O. */
export class Peer {
  readonly node: NodeId;
  readonly outbound = new Outbound();
  readonly inbound = new Inbound();
  /** The incarnation that the peer was last heard with. */
  incarnation: number | undefined;
  lastHeard: number | undefined;
  /** When this was made. */
  readonly since: number;
  /** Forgotten meanwhile: what is still collected for it is not sent. */
  forgotten = false;
  readonly #position = { link: 0, number: 0, missed: 0 };

  constructor(node: NodeId, since: number) {
    this.node = node;
    this.since = since;
  }

  /** Whether there was traffic, in either direction, that a loss could have touched. */
  get used(): boolean {
    return this.outbound.link > 0;
  }

  /** For the header and the beat. The same object each time: it is written to bytes at once. */
  position(): LinkPosition {
    this.#position.link = this.outbound.link;
    this.#position.number = this.outbound.sent;
    this.#position.missed = this.inbound.missed;
    return this.#position;
  }
}

export class Outbound {
  /** 0: nothing was sent or received yet. */
  link = 0;
  /** The number of the last message sent. */
  sent = 0;
  /** Frames that wait for the end of the tick, and how many. */
  frames = 0;
  due = false;
  readonly window = new Window();
  #writer: FrameWriter | undefined;

  get writer(): FrameWriter {
    return (this.#writer ??= new FrameWriter());
  }
}

/** What a message or a beat means for the link that it came on. */
export type Arrival =
  | "next"
  /** The peer, or this node, lost something since the last one. The message itself is good. */
  | "loss"
  /** Older than what is known: a duplicate, or from a link that the peer gave up. */
  | "old";

export class Inbound {
  /** Losses that this node noticed since the beginning of its own link; the peer is told with every message. */
  missed = 0;
  #link = 0;
  #received = 0;
  /** This node had forgotten the peer: what comes next follows a loss. */
  #resumed = false;
  /** The number that a beat claimed while it had not been received. */
  #claimed = 0;
  #peerMissed = 0;
  readonly #assembly = new Assembly();

  /** The beginning of the peer's numbers that was heard of last; 0: none. */
  get link(): number {
    return this.#link;
  }

  /** The number of the last message that came. */
  get received(): number {
    return this.#received;
  }

  /** Goes on where it was when this node forgot the peer. */
  resume(link: number, received: number): void {
    this.#link = link;
    this.#received = received;
    this.#resumed = true;
  }

  message(position: LinkPosition): Arrival {
    if (position.link === this.#link && position.number <= this.#received) return "old";
    const turn = this.#turnTo(position);
    if (turn === "old") return "old";
    let lost = turn === "loss";
    if (position.number > this.#received + 1) {
      this.lose();
      lost = true;
    }
    this.#received = position.number;
    return lost ? "loss" : "next";
  }

  /**
   * A number that is ahead of what was received is a loss when the next beat finds it still missing, not before. On one connection a
   * beat overtakes nothing, but the bus promises order only for what is addressed: servers between two nodes may carry a
   * broadcast another way. A false loss would close relayed websockets; a true one waits one beat longer.
   */
  beat(position: LinkPosition): Arrival {
    const turn = this.#turnTo(position);
    if (turn === "old") return "old";
    let lost = turn === "loss";
    if (this.#claimed > this.#received) {
      this.lose();
      lost = true;
      // What was claimed is given up: were it to come now, it would be old.
      this.#received = this.#claimed;
    }
    this.#claimed = position.number;
    return lost ? "loss" : "next";
  }

  /** A beat that says nothing of a link with this node: the peer has none, or has forgotten this node as well. */
  silentBeat(): Arrival {
    const lost = this.#resumed;
    this.#resumed = false;
    return lost ? "loss" : "next";
  }

  /** Counts a loss, so that the peer hears of it too, and gives up a frame of which a piece may be missing. */
  lose(): void {
    this.missed++;
    this.#assembly.drop();
  }

  /** The bytes of whole frames, once the last piece of them is there. */
  piece(message: FramesMessage, maxBytes: number): Buffer | "incomplete" | "too large" {
    return this.#assembly.add(message, maxBytes);
  }

  #turnTo(position: LinkPosition): Arrival {
    if (position.link < this.#link) return "old";
    let lost = this.#resumed;
    // The peer is told as well: that this node's link is a new one says nothing to one that has never heard of the link before.
    if (this.#resumed) this.lose();
    this.#resumed = false;
    if (position.link > this.#link) {
      // A new link of a peer that had one: it has forgotten this node meanwhile, and all that was held over the link.
      lost ||= this.#link !== 0;
      this.#link = position.link;
      this.#begin();
    }
    if (position.missed > this.#peerMissed) {
      this.#peerMissed = position.missed;
      lost = true;
    }
    return lost ? "loss" : "next";
  }

  #begin(): void {
    this.#received = 0;
    this.#claimed = 0;
    this.#peerMissed = 0;
    this.#assembly.drop();
  }
}

/** Puts the pieces of a frame together that did not fit into one message. */
class Assembly {
  #pieces: Buffer[] = [];
  #bytes = 0;
  /** A frame has begun and nothing of it is missing yet. While none is open, pieces that continue one are thrown away. */
  #open = false;

  add(message: FramesMessage, maxBytes: number): Buffer | "incomplete" | "too large" {
    if (message.continued && !this.#open) return "incomplete";
    // A first piece while another frame is open: cannot come from a node that sends in order; the newer one counts.
    if (!message.continued) this.drop();
    if (!message.continued && !message.more) return message.payload;
    this.#bytes += message.payload.length;
    if (this.#bytes > maxBytes) {
      this.drop();
      return "too large";
    }
    this.#open = true;
    this.#pieces.push(message.payload);
    if (message.more) return "incomplete";
    const whole = Buffer.concat(this.#pieces, this.#bytes);
    this.drop();
    return whole;
  }

  drop(): void {
    if (this.#pieces.length > 0) this.#pieces = [];
    this.#bytes = 0;
    this.#open = false;
  }
}
