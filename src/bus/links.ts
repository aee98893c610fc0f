import { FIRST_INCARNATION, type NodeId } from "../store/port";
import type { Clock, Timer } from "../time/clock";
import { readFrames, type Frame } from "./frame";
import { Hearing } from "./hearing";
import type { LinkHandler, LinksOptions } from "./link-options";
import { noStats, type LinkStats } from "./link-stats";
import { MessageCodec, type BeatMessage, type FramesMessage, type Rejection } from "./message";
import { Outgoing } from "./outgoing";
import type { Arrival, Peer } from "./peer";
import { Peers } from "./peers";
import type { Bus, BusListener } from "./port";
import { rethrow } from "./rethrow";
import { ofWindows } from "./window";

const BEAT_INTERVAL = 500;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const MIN_PAYLOAD_BYTES = 64;
/** Who was not heard for so many beats was cut off, and so was a node that heard nobody. */
const CUT_OFF_AFTER_BEATS = 5;
/** A peer that was silent for so many beats is dropped, in case that nobody calls `forget`. */
const SILENT_BEATS = 600;
/** A peer that was not heard for so many beats is asked whether it is there. A node that heard nobody for so long may be cut off. */
const SILENT_AFTER_BEATS = 1.5;

/**
 * Numbered streams of frames to and from every other node, over a bus that may lose messages: what was lost is not
 * sent again, but both ends are told that something was. Frames between two nodes keep their order.
 *
 * The frames of one tick to one node are one message. A frame that does not fit into a message is cut into several.
 */
export class Links implements BusListener {
  readonly stats: LinkStats = noStats();
  readonly #bus: Bus;
  readonly #node: NodeId;
  readonly #clock: Clock;
  readonly #handler: LinkHandler;
  readonly #codec: MessageCodec;
  readonly #beatInterval: number;
  readonly #maxFrameBytes: number;
  readonly #hearing: Hearing;
  readonly #peers: Peers;
  readonly #outgoing: Outgoing;
  readonly #told = new Set<Rejection>();
  #running = false;
  #timer: Timer | undefined;
  /** Since when this node could have heard its peers. */
  #connectedSince = 0;

  constructor(options: LinksOptions) {
    this.#bus = options.bus;
    this.#node = options.node;
    this.#clock = options.clock;
    this.#handler = options.handler;
    this.#codec = new MessageCodec(options.node, options.secrets ?? []);
    this.#beatInterval = options.beatInterval ?? BEAT_INTERVAL;
    this.#maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES;
    this.#peers = new Peers(options.clock);
    this.#outgoing = new Outgoing({
      bus: options.bus,
      codec: this.#codec,
      tick: options.tick,
      stats: this.stats,
      peers: this.#peers,
      maxFrameBytes: this.#maxFrameBytes,
      windowBytes: options.windowBytes,
      freed: (node) => {
        this.#tellUncongested(node);
      },
    });
    this.#hearing = new Hearing(
      options.clock,
      SILENT_AFTER_BEATS * this.#beatInterval,
      CUT_OFF_AFTER_BEATS * this.#beatInterval,
    );
  }

  /** Of how many nodes this one keeps something. */
  get sizes(): Peers["sizes"] {
    return this.#peers.sizes;
  }

  /** Whether this node's own connection to the bus is well. */
  get connected(): boolean {
    return this.#running && this.#bus.connected;
  }

  /** Resolves when this node can be reached. Rejects as `Bus.join` does. */
  async start(incarnation: number): Promise<void> {
    this.#codec.begin(incarnation);
    this.#running = true;
    try {
      await this.#bus.join(this.#node, this);
      if (this.#outgoing.payloadLimit < MIN_PAYLOAD_BYTES)
        throw new Error(
          `the bus carries messages of ${this.#bus.maxMessageBytes} bytes at most, ` +
            `too few for any frame: at least ${this.#codec.overhead + MIN_PAYLOAD_BYTES} are needed`,
        );
    } catch (error) {
      this.#running = false;
      await this.#bus.leave();
      throw error;
    }
    this.#connectedSince = this.#clock.now();
    // Nodes that were started together must not beat together for ever.
    this.#beatAfter(this.#beatInterval * this.#clock.random());
  }

  /** Sends what was collected, and leaves the bus. */
  async stop(): Promise<void> {
    if (this.#running) this.#outgoing.run();
    this.#running = false;
    this.#timer?.stop();
    // Also a bus that was never joined may have a connection to close.
    await this.#bus.leave();
  }

  /** This node's lease had ended and was taken again: the others hear of it at once. */
  retaken(incarnation: number): void {
    // What was said until now, in this turn of the event loop too, was said under the lease that has ended (H7).
    if (this.#running) this.#outgoing.run();
    this.#codec.begin(incarnation);
    this.#beat();
  }

  /** `false`: the frame is longer than `maxFrameBytes` and was not taken; asking again cannot help. */
  send(to: NodeId, frame: Frame): boolean {
    if (!this.#running) return true;
    const peer = this.#peers.of(to);
    // More nodes than there can be: as if it were lost.
    if (peer === undefined) return !this.#refuse();
    return this.#outgoing.send(peer, frame) || this.#refuse();
  }

  /**
   * Whether so much is under way to the node that what can wait is not to be said to it now. Who is told so is told of the end by
   * `onUncongested`. What is said all the same is sent.
   */
  isCongested(node: NodeId): boolean {
    const peer = this.#peers.get(node);
    return peer !== undefined && this.connected && this.#outgoing.isCongested(peer);
  }

  /** Drops all that is kept of a node that is dead. Should it live after all, both ends are told of a loss when it is heard again. */
  forget(node: NodeId): void {
    const peer = this.#peers.get(node);
    if (peer !== undefined) this.#outgoing.forget(peer);
    this.#peers.forget(node);
  }

  /** When a node was last heard, on the clock of this node. */
  lastHeard(node: NodeId): number | undefined {
    return this.#peers.get(node)?.lastHeard;
  }

  /** Whether the node was not heard, or not for so long that one which is gone would have been found to be so. */
  isCutOff(node: NodeId): boolean {
    const heard = this.lastHeard(node);
    return heard === undefined || this.#clock.now() - heard > CUT_OFF_AFTER_BEATS * this.#beatInterval;
  }

  /** Whether the node was not heard lately, though it beats while it lives and runs. */
  isSilent(node: NodeId): boolean {
    const peer = this.#peers.get(node);
    return peer !== undefined && (peer.lastHeard ?? peer.since) < this.#silentBefore;
  }

  /** Who was not heard since then is silent, on the clock of this node. */
  get #silentBefore(): number {
    return this.#clock.now() - SILENT_AFTER_BEATS * this.#beatInterval;
  }

  /**
   * Whether at some time in the last `ms` milliseconds this node may not have heard what another one had to say: its connection
   * was broken, or it heard nobody, or not that one, or not all; or that one could not find out whom to tell, since the store did
   * not answer it. Where there are others, what it was not told in that time says nothing.
   */
  wasDeaf(ms: number): boolean {
    if (!this.#bus.connected || this.#hearing.wasDeaf(ms)) return true;
    const before = this.#silentBefore;
    for (const { lastHeard = before } of this.#peers.all()) if (lastHeard < before) return true;
    return false;
  }

  /** Whether there is another node that this one speaks with. */
  get speaks(): boolean {
    return this.#peers.used().length > 0;
  }

  #refuse(): false {
    this.stats.rejected++;
    return false;
  }

  // ------------------------------------------------------------------ beats

  #beatAfter(ms: number): void {
    this.#timer = this.#clock.afterUnref(ms, this.#onTimer);
  }

  readonly #onTimer = (): void => {
    if (!this.#running) return;
    this.#beatAfter(this.#beatInterval);
    this.#dropSilent();
    this.#beat();
    this.#probeSilent();
  };

  #beat(): void {
    if (!this.#running || !this.#bus.connected) return;
    const storeless = this.#handler.isStoreless?.() ?? false;
    for (const message of this.#codec.beats(this.#peers.positions(), this.#bus.maxMessageBytes, storeless))
      this.#bus.broadcast(message);
  }

  /**
   * Says something to the node: if nobody listens in its name, `onNoResponder` tells. A beat to all does not: it always has a
   * listener somewhere.
   */
  probe(node: NodeId): void {
    if (!this.#running || !this.#bus.connected) return;
    const peer = this.#peers.get(node);
    const positions = peer?.used === true ? [[node, peer.position()] as const] : [];
    for (const message of this.#codec.beats(positions, this.#bus.maxMessageBytes)) this.#bus.send(node, message);
  }

  #probeSilent(): void {
    const before = this.#silentBefore;
    for (const { node, used, since, lastHeard } of this.#peers.all()) {
      // Also one that nothing was said to: it may have gone before its lease was ever seen, and nobody would say so.
      if ((used || lastHeard !== undefined) && (lastHeard ?? since) < before) this.probe(node);
    }
  }

  #dropSilent(): void {
    if (!this.#bus.connected) return;
    const before = this.#clock.now() - SILENT_BEATS * this.#beatInterval;
    if (this.#connectedSince > before) return;
    for (const peer of this.#peers.all()) if ((peer.lastHeard ?? peer.since) < before) this.forget(peer.node);
  }

  // ------------------------------------------------------------------ what the bus tells

  onMessage(bytes: Uint8Array): void {
    if (!this.#running) return;
    const message = this.#codec.read(bytes);
    if (typeof message === "string") {
      this.#reject(message);
      return;
    }
    const peer = this.#peers.of(message.from);
    if (peer === undefined) {
      this.stats.rejected++;
      return;
    }
    const isEarlier = peer.incarnation !== undefined && message.incarnation < peer.incarnation;
    // What was sent before the lease was taken again is no loss where it comes behind the beat that told of that.
    if (isEarlier && (message.beat || message.link !== peer.inbound.link)) {
      this.stats.old++;
      return;
    }
    const now = this.#clock.now();
    const wasCutOff = this.#hearing.heard(now, peer.lastHeard);
    peer.lastHeard = now;
    // Of one that was spoken to before it was ever heard: its first lease may have ended meanwhile, and what it was asked with it.
    const retaken = peer.used && message.incarnation > (peer.incarnation ?? FIRST_INCARNATION);
    if (!isEarlier) peer.incarnation = message.incarnation;
    if (wasCutOff) this.#handler.onHearingAgain?.();
    // Before what it says: that may be answers to what is asked again.
    if (retaken) this.#tellRetaken(peer.node);
    if (message.beat) this.#onBeat(peer, message);
    else this.#onFrames(peer, message);
  }

  #reject(why: Rejection): void {
    this.stats.rejected++;
    if (this.#told.has(why)) return;
    this.#told.add(why);
    try {
      this.#handler.onRejected?.(why);
    } catch (error) {
      rethrow(error);
    }
  }

  onNoResponder(to: NodeId): void {
    if (!this.#running) return;
    try {
      this.#handler.onNoResponder(to);
    } catch (error) {
      rethrow(error);
    }
  }

  onReconnected(): void {
    if (!this.#running) return;
    this.#connectedSince = this.#clock.now();
    this.#hearing.missed();
    this.#handler.onReconnected?.();
    for (const peer of this.#peers.used()) this.#tellLoss(peer);
    // Peers learn by it what they missed meanwhile, without waiting for the next one.
    this.#beat();
  }

  #onFrames(peer: Peer, message: FramesMessage): void {
    this.stats.messagesReceived++;
    if (!peer.used) this.#peers.begin(peer);
    const arrival = peer.inbound.message(message);
    // Told before the frames behind the gap are: they may be answers to what is asked again.
    this.#judge(peer, arrival);
    if (arrival === "old") return;
    const bytes = peer.inbound.piece(message, this.#maxFrameBytes);
    if (bytes === "incomplete") return;
    const frames = bytes === "too large" ? undefined : readFrames(bytes);
    if (frames === undefined) {
      this.stats.rejected++;
      peer.inbound.lose();
      this.#tellLoss(peer);
      return;
    }
    for (const frame of frames) {
      const about = ofWindows(frame);
      if (about === undefined) this.#deliver(peer.node, frame, message.incarnation);
      // Behind what was said before it, which has been taken here by now.
      else if (about === "question") this.#outgoing.answer(peer, frame);
      else if (peer.outbound.window.reached(frame.n, this.#outgoing.windowSize)) this.#tellUncongested(peer.node);
    }
  }

  #onBeat(peer: Peer, message: BeatMessage): void {
    const { position, storeless } = message;
    if (storeless) this.#hearing.missed();
    if (position === undefined) this.#judge(peer, peer.inbound.silentBeat());
    else {
      // Who speaks of a link with this node is answered with one, also when it had been forgotten here: so the peer learns of that.
      if (!peer.used) this.#peers.begin(peer);
      this.#judge(peer, peer.inbound.beat(position));
    }
    try {
      this.#handler.onBeat?.(peer.node, message.incarnation);
    } catch (error) {
      rethrow(error);
    }
  }

  #judge(peer: Peer, arrival: Arrival): void {
    if (arrival === "old") this.stats.old++;
    if (arrival === "loss") this.#tellLoss(peer);
  }

  #tellRetaken(node: NodeId): void {
    try {
      this.#handler.onRetaken?.(node);
    } catch (error) {
      rethrow(error);
    }
  }

  #tellLoss(peer: Peer): void {
    this.stats.losses++;
    this.#hearing.missed();
    const waited = peer.outbound.window.settle();
    try {
      this.#handler.onLoss(peer.node);
    } catch (error) {
      rethrow(error);
    }
    if (waited) this.#tellUncongested(peer.node);
  }

  #tellUncongested(node: NodeId): void {
    try {
      this.#handler.onUncongested?.(node);
    } catch (error) {
      rethrow(error);
    }
  }

  #deliver(from: NodeId, frame: Frame, incarnation: number): void {
    this.stats.framesReceived++;
    try {
      this.#handler.onFrame(from, frame, incarnation);
    } catch (error) {
      rethrow(error);
    }
  }
}
