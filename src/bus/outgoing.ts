import type { NodeId } from "../store/port";
import type { Tick, TickWork } from "../time/tick";
import type { Frame } from "./frame";
import type { LinkStats } from "./link-stats";
import type { MessageCodec } from "./message";
import type { Peer } from "./peer";
import type { Peers } from "./peers";
import type { Bus } from "./port";
import { answerTo, windowOf } from "./window";

export interface OutgoingParts {
  readonly bus: Bus;
  readonly codec: MessageCodec;
  readonly tick: Tick;
  readonly stats: LinkStats;
  readonly peers: Peers;
  /** The longest frame. */
  readonly maxFrameBytes: number;
  /** Bytes that may be under way to each peer; undefined: by the number of peers. */
  readonly windowBytes: number | undefined;
  /** What waited to be said to the node, which was forgotten, is not to wait any more. */
  freed(node: NodeId): void;
}

/** What a node says to its peers: collected until the end of the tick, cut into messages, and counted. */
export class Outgoing implements TickWork {
  readonly #parts: OutgoingParts;
  #dirty: Peer[] = [];
  /** Peers that were forgotten while somebody waited to say more to them. */
  #freed: NodeId[] = [];
  #asked = false;

  constructor(parts: OutgoingParts) {
    this.#parts = parts;
  }

  /** The most that a message can carry, in bytes. */
  get payloadLimit(): number {
    return this.#parts.bus.maxMessageBytes - this.#parts.codec.overhead;
  }

  get windowSize(): number {
    return this.#parts.windowBytes ?? windowOf(this.#parts.peers.usedCount);
  }

  /** False where the frame is too long, and was not taken. */
  send(peer: Peer, frame: Frame): boolean {
    if (frame.body.length > this.#parts.maxFrameBytes) return false;
    const bytes = this.#write(peer, frame);
    if (bytes === undefined) return false;
    peer.outbound.frames++;
    const { window } = peer.outbound;
    if (window.wrote(bytes, this.windowSize)) this.#write(peer, window.question());
    return true;
  }

  /** Answers a peer's question. Frames between the links are in no number. */
  answer(peer: Peer, question: Frame): void {
    this.#write(peer, answerTo(question));
  }

  /** See `Links.isCongested`. */
  isCongested(peer: Peer): boolean {
    const { window } = peer.outbound;
    // Until half of it is free, for all: else those who come meanwhile would go before those who wait, and these wait for ever.
    if (window.isFull) return true;
    if (!window.look(this.windowSize)) return false;
    this.#parts.stats.congestions++;
    return true;
  }

  /** Before the peer is forgotten. */
  forget(peer: Peer): void {
    if (!peer.outbound.window.settle()) return;
    // Later: whoever forgets a dead node closes first what was to be said to it.
    this.#freed.push(peer.node);
    this.#askForEnd();
  }

  run(): void {
    this.#asked = false;
    for (const node of this.#freed.splice(0)) this.#parts.freed(node);
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const peer of dirty) {
      const { outbound } = peer;
      const writer = outbound.writer;
      outbound.due = false;
      if (!peer.forgotten && writer.length > 0) this.#emit(peer, writer.view(), outbound.frames);
      writer.discard(writer.length);
      outbound.frames = 0;
    }
  }

  /** The length of the frame in bytes; undefined where it is too long, and was not taken. */
  #write(peer: Peer, frame: Frame): number | undefined {
    const { peers, maxFrameBytes } = this.#parts;
    if (!peer.used) peers.begin(peer);
    const outbound = peer.outbound;
    const writer = outbound.writer;
    const before = writer.length;
    writer.write(frame);
    const bytes = writer.length - before;
    if (bytes > maxFrameBytes) {
      writer.truncate(before);
      return undefined;
    }
    if (before > 0 && writer.length > this.payloadLimit) {
      // Cut between two frames: so each message but those of a frame too large for one can be read by itself.
      this.#emit(peer, writer.view().subarray(0, before), outbound.frames);
      writer.discard(before);
      outbound.frames = 0;
    }
    if (!outbound.due) {
      outbound.due = true;
      this.#dirty.push(peer);
      this.#askForEnd();
    }
    return bytes;
  }

  #askForEnd(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#parts.tick.batch(this);
  }

  #emit(peer: Peer, bytes: Buffer, frames: number): void {
    const { bus, codec, stats } = this.#parts;
    const limit = this.payloadLimit;
    stats.framesSent += frames;
    for (let at = 0; at < bytes.length; at += limit) {
      // Numbered also when it cannot be sent: the gap is what tells the peer.
      peer.outbound.sent++;
      if (!bus.connected) continue;
      const piece = bytes.subarray(at, at + limit);
      const more = at + limit < bytes.length;
      bus.send(peer.node, codec.frames(peer.node, peer.position(), at > 0, more, piece));
      stats.messagesSent++;
    }
  }
}
