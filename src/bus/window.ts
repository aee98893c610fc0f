import type { Frame } from "./frame";

/**
 * Kinds of frames that are between links, and that whoever is above them never sees. The numbers are part of the format between
 * versions; a node of one that does not know them ignores them.
 */
const HOW_FAR = 254;
const SO_FAR = 255;

/** The peer is asked how far it is after so many bytes. */
const ASK_EVERY = 256 * 1024;

const MIB = 1024 * 1024;
/** All peers together, each, and each at least. NATS takes a connection for dead that needs two seconds for what is written to it. */
const ALL_PEERS = 16 * MIB;
const MOST = 8 * MIB;
const LEAST = 2 * ASK_EVERY;

/** What may be under way to one of so many peers, in bytes. */
export function windowOf(peers: number): number {
  return Math.max(LEAST, Math.min(MOST, ALL_PEERS / peers));
}

/**
 * How much of what was said to a peer may not be with it yet. It is asked by a frame behind the others, and its answer says that its
 * process has taken all before that. A lost question or answer is a gap, of which both ends are told within two beats.
 *
 * Counts in bytes of frames, since ever.
 */
export class Window {
  #written = 0;
  #asked = 0;
  #handled = 0;
  /** The peer has answered once. One of an older version never does, and nobody would ever go on that waited for it. */
  #answers = false;
  /** Somebody was told to wait. */
  #waited = false;

  /** So much more was written. Whether the peer is to be asked now how far it is; `size` of the window. */
  wrote(bytes: number, size: number): boolean {
    this.#written += bytes;
    // With the first frame, to know whether it answers at all before much is written.
    return this.#asked === 0 || this.#written - this.#asked >= Math.min(ASK_EVERY, size / 2);
  }

  /** Asks the peer how far it is. */
  question(): Frame {
    this.#asked = this.#written;
    return between(HOW_FAR, this.#written);
  }

  /** Whether nothing is to be said now that can wait. Where it is, those who asked are told when that is over. */
  get isFull(): boolean {
    return this.#waited;
  }

  /** Looks whether it is full now: `isFull` until half of it is free. */
  look(size: number): boolean {
    if (!this.#answers || this.#written - this.#handled < size) return false;
    this.#waited = true;
    return true;
  }

  /** The peer has come so far. Whether those who wait may go on: not at the first bytes, which would be gone at once. */
  reached(written: number, size: number): boolean {
    this.#answers = true;
    this.#handled = Math.max(this.#handled, Math.min(written, this.#written));
    if (!this.#waited || this.#written - this.#handled > size / 2) return false;
    this.#waited = false;
    return true;
  }

  /** What was under way is lost, or may be. Whether somebody waits, and may go on. */
  settle(): boolean {
    this.#asked = this.#written;
    this.#handled = this.#written;
    const waited = this.#waited;
    this.#waited = false;
    return waited;
  }
}

/** What a peer says of windows. */
export function ofWindows(frame: Frame): "question" | "answer" | undefined {
  if (frame.kind === HOW_FAR) return "question";
  return frame.kind === SO_FAR ? "answer" : undefined;
}

/** The answer to a question: all before it was taken. */
export function answerTo(question: Frame): Frame {
  return between(SO_FAR, question.n);
}

function between(kind: number, n: number): Frame {
  return { kind, sid: "", t: "", n, body: "" };
}
