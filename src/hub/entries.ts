import type { Reader } from "../bus/frame";
import type { NodeId } from "../store/port";
import type { ByteWriter } from "./bytes";
import { readText } from "./bytes";

/**
 * The first byte of each entry. Store operations are answered in the order in which they were asked, by an entry of
 * the same kind, so no number ties the two together. Kinds are never given a second meaning; `HELLO` carries the version.
 */
export const EntryKind = {
  /** To the primary: who speaks. The first entry of a connection, alone in its message. */
  HELLO: 1,
  /** To the worker: the token was right. */
  WELCOME: 2,
  /** To the worker: what was wrong, in words. The connection ends. */
  REFUSED: 3,

  OPEN: 16,
  LOOK: 17,
  COMMIT: 18,
  CLAIM: 19,
  RESTORE: 20,
  RENEW: 21,
  LEASE: 22,
  RELEASE: 23,
  INDEX: 24,
  INDEX_SLICE: 25,
  HANDSHAKE: 26,

  /** Bus: both ways; the primary answers with whether the name could be taken. */
  JOIN: 32,
  /** Bus: both ways. */
  LEAVE: 33,
  SEND: 34,
  BROADCAST: 35,
  /** To the worker: a message for it. */
  MESSAGE: 36,
  /** To the worker: nobody listens under this name. */
  NO_RESPONDER: 37,
} as const;

export function isBusKind(kind: number): boolean {
  return kind >= EntryKind.JOIN && kind <= EntryKind.NO_RESPONDER;
}

/** Names the format of all entries; raised when one changes. */
export const HUB_VERSION = 2;
const MAGIC = "engine.io-cluster hub";
/** More than a `HELLO` takes, and little enough for anyone to send us. */
export const HELLO_BYTES = 1024;

export function writeHello(out: ByteWriter, token: string): void {
  out.text(MAGIC);
  out.varint(HUB_VERSION);
  out.text(token);
}

export type Hello =
  | { readonly kind: "hello"; readonly token: string }
  | { readonly kind: "foreign" }
  | { readonly kind: "version"; readonly version: number };

export function readHello(message: Reader): Hello {
  if (message.byte() !== EntryKind.HELLO || readText(message) !== MAGIC) return { kind: "foreign" };
  const version = message.varint();
  if (version !== HUB_VERSION) return message.failed ? { kind: "foreign" } : { kind: "version", version };
  const token = readText(message);
  return message.failed ? { kind: "foreign" } : { kind: "hello", token };
}

/**
 * Writes and reads names of nodes: nearly all operations of one worker name the same one, so a name is sent when it
 * is another than the last. 0 says "as before", 1 that it follows.
 *
 * Both sides must have seen the same entries: one on each end of a connection.
 */
export class NodeNames {
  #last: NodeId | undefined;

  write(out: ByteWriter, node: NodeId): void {
    if (node === this.#last) {
      out.byte(0);
      return;
    }
    out.byte(1);
    out.text(node);
  }

  /** The entry that named the node has been sent: it counts as known from now on. */
  sent(node: NodeId): void {
    this.#last = node;
  }

  read(reader: Reader): NodeId {
    const code = reader.byte();
    if (code === 1) this.#last = readText(reader);
    else if (code !== 0 || this.#last === undefined) reader.failed = true;
    return this.#last ?? "";
  }
}
