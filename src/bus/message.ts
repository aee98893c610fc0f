import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import type { NodeId } from "../store/port";
import { Reader, varint } from "./frame";

/**
 * The bytes of a bus message:
 *
 *   version, flags, sender, incarnation | link, number, missed, payload | MAC   frames for one node
 *   version, flags, sender, incarnation | (peer, link, number, missed)… | MAC   a beat for all
 *
 * Numbers are varints, names are a varint length and UTF-8. The MAC is there when the cluster has a secret. It also
 * covers the name of the receiver, which is not sent: a message recorded on its way to one node is worth nothing at another.
 */

const VERSION = 1;
/** A node reads its own version and the one before. There was none before the first. */
const OLDEST_READ = Math.max(1, VERSION - 1);

const BEAT = 1;
const MORE = 2;
const CONTINUED = 4;
const SIGNED = 8;
const STORELESS = 16;
const KNOWN_FLAGS = BEAT | MORE | CONTINUED | SIGNED | STORELESS;

const MAC_BYTES = 32;
const VARINT_BYTES = 8;

/** Where one direction of a link stands, as its sender sees it. */
export interface LinkPosition {
  /** Names one beginning of the numbers: higher than any that the sender used before, for any peer. */
  readonly link: number;
  /** Of a message: its own number. In a beat: the last number sent. */
  readonly number: number;
  /** How many losses the sender has noticed in what comes from the peer, since the beginning of this link. */
  readonly missed: number;
}

export interface FramesMessage extends LinkPosition {
  readonly beat: false;
  readonly from: NodeId;
  readonly incarnation: number;
  /** The payload goes on in the next message. */
  readonly more: boolean;
  /** The payload is what went on from the message before. */
  readonly continued: boolean;
  readonly payload: Buffer;
}

export interface BeatMessage {
  readonly beat: true;
  readonly from: NodeId;
  readonly incarnation: number;
  /** What the sender says of its link with the reader; none if there was no traffic. */
  readonly position: LinkPosition | undefined;
  /** The store does not answer the sender. */
  readonly storeless: boolean;
}

/** Why a message was dropped. */
export type Rejection =
  /** Of a version that is not read here, or with flags that are not known. */
  | "version"
  /** It has no MAC, and this node has a secret. */
  | "unsigned"
  /** It has one, and this node has no secret. */
  | "signed"
  /** Its MAC is of none of the secrets, or of another receiver. */
  | "forged"
  | "unreadable";

export class MessageCodec {
  readonly #node: NodeId;
  readonly #name: Buffer;
  /** Of each secret, in their order. */
  readonly #keys: readonly KeyObject[];
  /** Of the first one, which signs. */
  readonly #key: KeyObject | undefined;
  #prefix: Buffer;

  /** The first secret signs, and each is good for what is read; without any nothing is signed. */
  constructor(node: NodeId, secrets: readonly string[]) {
    this.#node = node;
    this.#name = Buffer.from(node);
    this.#keys = secrets.map((secret) => createSecretKey(Buffer.from(secret)));
    this.#key = this.#keys[0];
    this.#prefix = this.#makePrefix(0);
  }

  /** Bytes of a message that are not payload, at most. */
  get overhead(): number {
    return this.#prefix.length + 3 * VARINT_BYTES + (this.#key === undefined ? 0 : MAC_BYTES);
  }

  /** From now on, this node's messages carry this incarnation. */
  begin(incarnation: number): void {
    this.#prefix = this.#makePrefix(incarnation);
  }

  frames(to: NodeId, at: LinkPosition, continued: boolean, more: boolean, payload: Uint8Array): Buffer {
    const message = Buffer.allocUnsafe(this.overhead + payload.length);
    let end = this.#start(message, (continued ? CONTINUED : 0) | (more ? MORE : 0));
    end = writePosition(message, end, at);
    message.set(payload, end);
    return this.#sign(to, message, end + payload.length);
  }

  /** Writes a beat, in as many messages as the limit asks for; one at least, since a beat also says "alive". */
  beats(peers: Iterable<readonly [NodeId, LinkPosition]>, maxBytes: number, storeless = false): Buffer[] {
    const flags = BEAT | (storeless ? STORELESS : 0);
    const messages: Buffer[] = [];
    let entries: Buffer[] = [];
    let bytes = this.overhead;
    for (const [peer, position] of peers) {
      const entry = beatEntry(peer, position);
      if (bytes + entry.length > maxBytes && entries.length > 0) {
        messages.push(this.#beat(flags, entries, bytes));
        entries = [];
        bytes = this.overhead;
      }
      entries.push(entry);
      bytes += entry.length;
    }
    messages.push(this.#beat(flags, entries, bytes));
    return messages;
  }

  /** The reason, for anything that is not a message of this cluster to this node. Never throws. */
  read(bytes: Uint8Array): FramesMessage | BeatMessage | Rejection {
    const message = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const version = message[0] ?? 0;
    const flags = message[1] ?? 0;
    if (version > VERSION || version < OLDEST_READ || (flags & ~KNOWN_FLAGS) !== 0) return "version";
    const beat = (flags & BEAT) !== 0;
    const content = this.#verify(message, beat ? "" : this.#node, (flags & SIGNED) !== 0);
    if (typeof content === "string") return content;
    const reader = new Reader(content);
    reader.bytes(2);
    const from = reader.text(reader.varint());
    const incarnation = reader.varint();
    if (reader.failed || from === "") return "unreadable";
    return beat
      ? this.#readBeat(reader, from, incarnation, (flags & STORELESS) !== 0)
      : (readFramesMessage(reader, from, incarnation, flags, content) ?? "unreadable");
  }

  #readBeat(reader: Reader, from: NodeId, incarnation: number, storeless: boolean): BeatMessage | "unreadable" {
    let position: LinkPosition | undefined;
    // The names of the others are compared as bytes and never made into strings: every node reads every beat.
    while (!reader.done) {
      const mine = reader.bytes(reader.varint()).equals(this.#name);
      const entry = readPosition(reader);
      if (mine) position = entry;
    }
    return reader.failed ? "unreadable" : { beat: true, from, incarnation, position, storeless };
  }

  #beat(flags: number, entries: readonly Buffer[], bytes: number): Buffer {
    const message = Buffer.allocUnsafe(bytes);
    let end = this.#start(message, flags);
    for (const entry of entries) {
      message.set(entry, end);
      end += entry.length;
    }
    return this.#sign("", message, end);
  }

  #start(message: Buffer, flags: number): number {
    message.set(this.#prefix);
    message[1] = flags | (this.#key === undefined ? 0 : SIGNED);
    return this.#prefix.length;
  }

  #sign(to: NodeId, message: Buffer, end: number): Buffer {
    if (this.#key === undefined) return message.subarray(0, end);
    message.set(mac(this.#key, to, message.subarray(0, end)), end);
    return message.subarray(0, end + MAC_BYTES);
  }

  /** The message without its MAC. A signed message is refused where no secret is set: half a cluster with one shows at once. */
  #verify(message: Buffer, to: NodeId, signed: boolean): Buffer | Rejection {
    if (this.#key === undefined) return signed ? "signed" : message;
    if (!signed) return "unsigned";
    if (message.length < MAC_BYTES) return "unreadable";
    const content = message.subarray(0, message.length - MAC_BYTES);
    const given = message.subarray(content.length);
    for (const key of this.#keys) if (timingSafeEqual(mac(key, to, content), given)) return content;
    return "forged";
  }

  #makePrefix(incarnation: number): Buffer {
    const prefix = Buffer.alloc(2 + 2 * VARINT_BYTES + this.#name.length);
    prefix[0] = VERSION;
    let end = varint(prefix, 2, this.#name.length);
    prefix.set(this.#name, end);
    end = varint(prefix, end + this.#name.length, incarnation);
    return prefix.subarray(0, end);
  }
}

function readFramesMessage(
  reader: Reader,
  from: NodeId,
  incarnation: number,
  flags: number,
  content: Buffer,
): FramesMessage | undefined {
  const { link, number, missed } = readPosition(reader);
  // Links and numbers start at 1: 0 would be taken for "nothing yet".
  if (reader.failed || link === 0 || number === 0) return undefined;
  const more = (flags & MORE) !== 0;
  const continued = (flags & CONTINUED) !== 0;
  return {
    beat: false,
    from,
    incarnation,
    link,
    number,
    missed,
    more,
    continued,
    payload: content.subarray(reader.at),
  };
}

function mac(key: KeyObject, to: NodeId, content: Buffer): Buffer {
  return createHmac("sha256", key).update(`${to}\n`).update(content).digest();
}

function beatEntry(peer: NodeId, position: LinkPosition): Buffer {
  const name = Buffer.from(peer);
  const entry = Buffer.allocUnsafe(name.length + 4 * VARINT_BYTES);
  const end = varint(entry, 0, name.length);
  entry.set(name, end);
  return entry.subarray(0, writePosition(entry, end + name.length, position));
}

function writePosition(buffer: Buffer, at: number, position: LinkPosition): number {
  at = varint(buffer, at, position.link);
  at = varint(buffer, at, position.number);
  return varint(buffer, at, position.missed);
}

function readPosition(reader: Reader): LinkPosition {
  const link = reader.varint();
  const number = reader.varint();
  return { link, number, missed: reader.varint() };
}
