import type { Socket } from "node:net";
import { Reader } from "../bus/frame";
import type { Tick, TickWork } from "../time/tick";
import { ByteWriter } from "./bytes";

export interface ChannelLimits {
  /** The longest message, in bytes, that is sent or taken. */
  readonly maxMessageBytes: number;
  /** Bytes that may wait for a peer that does not read; beyond them, and the longest message, the channel is closed. */
  readonly maxQueuedBytes: number;
}

export const CHANNEL_LIMITS: ChannelLimits = Object.freeze({
  maxMessageBytes: 64 * 1024 * 1024,
  maxQueuedBytes: 64 * 1024 * 1024,
});

export interface ChannelOwner {
  /** `undefined` where all of it was understood, else what was wrong with it: the channel is closed then. */
  onMessage(message: Reader): string | undefined;
  /** The channel is over, by whichever side. Told once, never from inside a call to the channel. */
  onClosed(reason: Error | undefined): void;
}

const LENGTH_BYTES = 4;
/** A message of this size leaves before the tick is over, so that the buffer of a busy tick stays small. */
const EARLY_BYTES = 256 * 1024;

/**
 * Messages over a stream socket: four bytes of length, little end first, then the message. A message is what one
 * side had to say in one tick: entries, each of which begins with a byte that says its kind.
 *
 * Foreign bytes close the channel with an error that says why; they never throw.
 */
export class Channel implements TickWork {
  readonly #socket: Socket;
  readonly #tick: Tick;
  readonly #owner: ChannelOwner;
  readonly #out = new ByteWriter();
  #maxInbound: number;
  readonly #limits: ChannelLimits;
  #flushAsked = false;
  /** Where the last entry that is complete ends, and the one that is being written begins. */
  #complete = 0;
  #open = true;
  #reason: Error | undefined;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #needed = LENGTH_BYTES;
  #messagesOut = 0;

  /** `maxInbound`: the longest message taken for now, where it is not known yet who speaks. */
  constructor(
    socket: Socket,
    tick: Tick,
    limits: ChannelLimits,
    owner: ChannelOwner,
    maxInbound = limits.maxMessageBytes,
  ) {
    this.#socket = socket;
    this.#tick = tick;
    this.#limits = limits;
    this.#owner = owner;
    this.#maxInbound = maxInbound;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => {
      this.#reason ??= error;
    });
    // No half-open channel: who has nothing more to say will not read either, and a killed process shows itself this way.
    socket.on("end", () => this.destroy());
    socket.on("close", () => this.#onClose());
  }

  get open(): boolean {
    return this.#open;
  }

  /** Messages sent so far: it moves on with every batch. */
  get messagesOut(): number {
    return this.#messagesOut;
  }

  /**
   * Half of what may wait for the peer does. What may be lost is not sent then, so that a peer that stands still for a
   * while is not cut off for it: the rest is kept for what may not be lost.
   */
  get congested(): boolean {
    return this.#queued > this.#limits.maxQueuedBytes / 2;
  }

  /**
   * Three quarters of it do: what may wait itself does then. Below that the longest message can be sent, as one turn of a session can
   * be, and is no reason to close the channel.
   */
  get crowded(): boolean {
    return this.#queued > (this.#limits.maxQueuedBytes * 3) / 4;
  }

  get #queued(): number {
    return this.#socket.writableLength + this.#out.length;
  }

  /** The peer has shown who it is: messages of full length from now on. */
  trust(): void {
    this.#maxInbound = this.#limits.maxMessageBytes;
  }

  /** Begins an entry; what a broken off one has left is dropped. `end` completes it. */
  begin(kind: number): ByteWriter {
    const out = this.#out;
    out.cut(this.#complete);
    if (this.#complete === 0) {
      out.reserveLength();
      this.#complete = LENGTH_BYTES;
    }
    out.byte(kind);
    return out;
  }

  /** Completes the entry; it leaves at the end of the tick. False where it is longer than a message may be, or the channel is over. */
  end(): boolean {
    const out = this.#out;
    const entryBytes = out.length - this.#complete;
    if (!this.#open || entryBytes > this.#limits.maxMessageBytes) {
      out.cut(this.#complete);
      return false;
    }
    // The entry alone would fit, but not together with those before it: they leave as a message of their own.
    if (out.length - LENGTH_BYTES > this.#limits.maxMessageBytes) this.#splitBefore(this.#complete);
    this.#complete = out.length;
    if (out.length >= EARLY_BYTES) this.flush();
    else if (!this.#flushAsked) {
      this.#flushAsked = true;
      this.#tick.batch(this);
    }
    return true;
  }

  run(): void {
    this.#flushAsked = false;
    this.flush();
  }

  /** Sends what is complete, without waiting for the end of the tick. */
  flush(): void {
    this.#out.cut(this.#complete);
    this.#complete = 0;
    if (this.#out.length > LENGTH_BYTES) this.#send(this.#out.take());
    else this.#out.cut(0);
  }

  /** Sends what is complete and ends the channel when the peer has taken it. */
  finish(): void {
    this.flush();
    this.#open = false;
    this.#socket.destroySoon();
  }

  /** Ends the channel at once. */
  destroy(reason?: Error): void {
    this.#open = false;
    this.#reason ??= reason;
    this.#socket.destroy();
  }

  #splitBefore(position: number): void {
    const both = this.#out.take();
    // Both get memory of their own: the length of the second is written over the end of the first.
    const first = Buffer.from(both.subarray(0, position));
    this.#send(first);
    this.#out.reserveLength();
    this.#out.raw(both.subarray(position));
  }

  #send(message: Buffer): void {
    if (!this.#open) return;
    message.writeUInt32LE(message.length - LENGTH_BYTES, 0);
    this.#messagesOut++;
    this.#socket.write(message);
    const waiting = this.#socket.writableLength;
    const limit = this.#limits.maxQueuedBytes + this.#limits.maxMessageBytes;
    if (waiting > limit)
      this.destroy(new Error(`the peer does not read: ${waiting} bytes wait for it, more than ${limit}`));
  }

  #onData(chunk: Buffer): void {
    let bytes = chunk;
    if (this.#partBytes > 0) {
      this.#parts.push(chunk);
      this.#partBytes += chunk.length;
      if (this.#partBytes < this.#needed) return;
      bytes = Buffer.concat(this.#parts, this.#partBytes);
      this.#parts = [];
      this.#partBytes = 0;
    }
    const at = this.#readMessages(bytes);
    if (!this.#open || at === bytes.length) return;
    this.#parts.push(bytes.subarray(at));
    this.#partBytes = bytes.length - at;
  }

  /** Hands over the messages that are there as a whole; answers with where the rest begins. */
  #readMessages(bytes: Buffer): number {
    let at = 0;
    this.#needed = LENGTH_BYTES;
    while (this.#open && bytes.length - at >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(at);
      if (length > this.#maxInbound) {
        this.destroy(new Error(`a message of ${length} bytes, where ${this.#maxInbound} is the limit`));
        return at;
      }
      const end = at + LENGTH_BYTES + length;
      if (end > bytes.length) {
        this.#needed = end - at;
        return at;
      }
      const wrong = this.#owner.onMessage(new Reader(bytes.subarray(at + LENGTH_BYTES, end)));
      if (wrong !== undefined) {
        this.destroy(new Error(wrong));
        return at;
      }
      at = end;
    }
    return at;
  }

  #onClose(): void {
    this.#open = false;
    this.#out.cut(0);
    this.#complete = 0;
    this.#parts = [];
    this.#owner.onClosed(this.#reason);
  }
}
