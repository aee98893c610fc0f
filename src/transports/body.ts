import type { IncomingMessage } from "node:http";
import { BINARY_PAYLOAD } from "./request";

export interface BodyListener {
  onBody(body: string | Buffer): void;
  /** It was longer than allowed. The rest is read and thrown away. */
  onTooLarge(): void;
  /** The connection broke before the body was whole. */
  onAborted(): void;
}

export function isBinaryBody(request: IncomingMessage): boolean {
  return request.headers["content-type"] === BINARY_PAYLOAD;
}

/** Reads the body of a POST, within `maxBytes`. Tells the listener exactly one thing, once. */
export class BodyReader {
  readonly #request: IncomingMessage;
  readonly #maxBytes: number;
  readonly #listener: BodyListener;
  #chunks: Buffer[] = [];
  #length = 0;
  /** The listener was told. The request's own listeners stay: taking them off costs more than one that finds this. */
  #done = false;

  constructor(request: IncomingMessage, maxBytes: number, listener: BodyListener) {
    this.#request = request;
    this.#maxBytes = maxBytes;
    this.#listener = listener;
    const announced = Number(request.headers["content-length"]);
    if (announced > maxBytes) {
      // Nothing of it is kept; it is still read, since a client that is writing does not see an answer.
      request.resume();
      listener.onTooLarge();
      return;
    }
    request.on("data", this.#onData);
    request.on("end", this.#onEnd);
    request.on("close", this.#onClose);
  }

  /** Bytes held. */
  get length(): number {
    return this.#length;
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#done) return;
    this.#length += chunk.length;
    if (this.#length > this.#maxBytes) {
      this.#stop();
      this.#listener.onTooLarge();
    } else {
      this.#chunks.push(chunk);
    }
  };

  readonly #onEnd = (): void => {
    if (this.#done) return;
    const chunks = this.#chunks;
    this.#stop();
    const bytes = chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
    this.#listener.onBody(isBinaryBody(this.#request) ? bytes : bytes.toString("utf8"));
  };

  readonly #onClose = (): void => {
    if (this.#done) return;
    this.#stop();
    this.#listener.onAborted();
  };

  #stop(): void {
    this.#done = true;
    this.#chunks = NONE;
  }
}

const NONE: Buffer[] = [];
