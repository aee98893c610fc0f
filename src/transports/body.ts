import { constants } from "node:buffer";
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { Bodies, BeingRead } from "./bodies";
import { Pieces } from "./pieces";
import { BINARY_PAYLOAD } from "./request";

/** The longest message, in bytes: the runtime has no longer strings, and what throws while a message is read ends the process. */
export const LONGEST_MESSAGE = constants.MAX_STRING_LENGTH;

/** Why a body is not read to its end, as its request is answered. */
export interface BodyRefusal {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

/** The rest is read and thrown away: a client that is writing does not see an answer. */
const TOO_LARGE: BodyRefusal = { status: 413, headers: { Connection: "close" } };
const TOO_SLOW: BodyRefusal = { status: 408, headers: { Connection: "close" } };
const NO_ROOM: BodyRefusal = { status: 503, headers: { Connection: "close", "Retry-After": "1" } };

export interface BodyListener {
  /** `bytes`: how long it was on the wire. */
  onBody(body: string | Buffer, bytes: number): void;
  /** It was longer than allowed, or took too long, or there is no room for it. */
  onRefused(refusal: BodyRefusal): void;
  /** The connection broke before the body was whole. */
  onAborted(): void;
}

export function isBinaryBody(request: IncomingMessage): boolean {
  return request.headers["content-type"] === BINARY_PAYLOAD;
}

/** Reads the body of a POST, within `maxBytes`. Tells the listener exactly one thing, once. */
export class BodyReader implements BeingRead {
  previous: BeingRead | undefined;
  next: BeingRead | undefined;
  round = 0;
  readonly #request: IncomingMessage;
  readonly #maxBytes: number;
  readonly #listener: BodyListener;
  readonly #bodies: Bodies | undefined;
  #pieces: Pieces | undefined = new Pieces();
  #length = 0;
  /** The listener was told. The request's own listeners stay: taking them off costs more than one that finds this. */
  #done = false;

  /** `bodies`: all that are being read, which have limits of their own together. */
  constructor(request: IncomingMessage, maxBytes: number, listener: BodyListener, bodies?: Bodies) {
    this.#request = request;
    this.#maxBytes = Math.min(maxBytes, LONGEST_MESSAGE);
    this.#listener = listener;
    this.#bodies = bodies;
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > this.#maxBytes || bodies?.hasRoomFor(announced) === false) {
      // Nothing of it is kept.
      request.resume();
      this.#done = true;
      this.#refuse(announced > this.#maxBytes ? TOO_LARGE : NO_ROOM);
      return;
    }
    request.on("data", this.#onData);
    request.on("end", this.#onEnd);
    request.on("close", this.#onClose);
    bodies?.add(this);
  }

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#done) return;
    const bodies = this.#bodies;
    if (this.#length + chunk.length > this.#maxBytes) this.#stopAndRefuse(TOO_LARGE);
    else if (bodies?.hasRoomFor(chunk.length) === false) this.#stopAndRefuse(NO_ROOM);
    else {
      this.#length += chunk.length;
      if (bodies !== undefined) bodies.load.bodyBytes += chunk.length;
      this.#pieces?.add(chunk);
    }
  };

  readonly #onEnd = (): void => {
    if (this.#done) return;
    const bytes = this.#pieces?.whole() ?? NOTHING;
    this.#stop();
    this.#listener.onBody(isBinaryBody(this.#request) ? bytes : bytes.toString("utf8"), this.#length);
  };

  readonly #onClose = (): void => {
    if (this.#done) return;
    this.#stop();
    this.#listener.onAborted();
  };

  onTooSlow(): void {
    if (!this.#done) this.#stopAndRefuse(TOO_SLOW);
  }

  #stopAndRefuse(refusal: BodyRefusal): void {
    this.#stop();
    this.#refuse(refusal);
  }

  #refuse(refusal: BodyRefusal): void {
    const refused = this.#bodies?.load.refused;
    if (refused !== undefined) {
      if (refusal === TOO_LARGE) refused.bodySize++;
      else if (refusal === NO_ROOM) refused.bodyBytes++;
      else refused.bodyTimeout++;
    }
    this.#listener.onRefused(refusal);
  }

  #stop(): void {
    this.#done = true;
    this.#pieces = undefined;
    if (this.#bodies === undefined) return;
    this.#bodies.load.bodyBytes -= this.#length;
    this.#bodies.remove(this);
  }
}

const NOTHING = Buffer.alloc(0);
