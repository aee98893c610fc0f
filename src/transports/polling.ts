import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { Encoding } from "../protocol/encoding";
import { toBuffer, type Packet, type RawData } from "../protocol/packet";
import type { Clock, Timer } from "../time/clock";
import type { Bodies } from "./bodies";
import { BodyReader, isBinaryBody, type BodyListener, type BodyRefusal } from "./body";
import { answerCompressed, chooseEncoding, compress, type Compression, type ContentEncoding } from "./compression";
import { answerOk, answerStatus, payloadType, POST_ANSWER, type EngineRequest } from "./request";
import { Transport } from "./transport";

export interface PollingOptions {
  readonly clock: Clock;
  readonly maxHttpBufferSize: number;
  /** How answers are compressed; false where none is. */
  readonly httpCompression: Compression | false;
  /** All bodies that are being read in the process; without them this one's have no limits together. */
  readonly bodies?: Bodies | undefined;
}

/** A poll whose answer waits. */
interface Poll {
  readonly request: EngineRequest;
  readonly response: ServerResponse;
}

const CLOSE: Packet = Object.freeze({ type: "close" });

/** Packets of the transport's own have no options and need none. */
function mayCompress(packet: Packet): boolean {
  return packet.options?.compress === true;
}

/** How long a close waits for a poll to carry it, in milliseconds. */
export const CLOSE_TIMEOUT = 30_000;

/** Long-polling, by XHR or JSONP, whose requests all come to this process: the parked GET is in its hands. */
export class Polling extends Transport {
  /** The longest body of a POST, in bytes. */
  maxHttpBufferSize: number;
  /** How answers are compressed; false where none is. */
  httpCompression: Compression | false;
  /** How long a close waits for a poll to carry it, in milliseconds. */
  closeTimeout = CLOSE_TIMEOUT;
  /** Set while a close waits for the next poll: ends the wait. */
  shouldClose: (() => void) | null = null;
  readonly #clock: Clock;
  readonly #bodies: Bodies | undefined;
  #poll: Poll | undefined;
  #post: Post | undefined;
  #writable = false;
  #closeTimer: Timer | undefined;

  constructor(encoding: Encoding, options: PollingOptions) {
    super(encoding.revision, encoding);
    this.#clock = options.clock;
    this.maxHttpBufferSize = options.maxHttpBufferSize;
    this.httpCompression = options.httpCompression;
    this.#bodies = options.bodies;
  }

  override get name(): "polling" {
    return "polling";
  }

  override get writable(): boolean {
    return this.#writable;
  }

  override set writable(writable: boolean) {
    this.#writable = writable;
  }

  /** The poll that waits for its answer. */
  get req(): EngineRequest | null {
    return this.#poll?.request ?? null;
  }

  get res(): ServerResponse | null {
    return this.#poll?.response ?? null;
  }

  /** The POST that is being read or handled. */
  get dataReq(): EngineRequest | null {
    return this.#post?.request ?? null;
  }

  get dataRes(): ServerResponse | null {
    return this.#post?.response ?? null;
  }

  override onRequest(request: EngineRequest): void {
    const response = request.res;
    // An answered request must not keep its response alive through the socket's `request`.
    request.res = null;
    if (response === null) return;
    if (request.method === "GET") this.onPollRequest(request, response);
    else if (request.method === "POST") this.onDataRequest(request, response);
    else answerStatus(response, 500);
  }

  /** Takes a poll. */
  onPollRequest(request: EngineRequest, response: ServerResponse): void {
    if (this.#poll !== undefined) {
      this.onError("overlap from client");
      answerStatus(response, 400);
      return;
    }
    this.#poll = { request, response };
    response.on("close", this.#onPollBroken);
    this.#writable = true;
    this.emit("ready");
    // Nothing to send, but a close that waited for this poll.
    if (this.writable && this.shouldClose !== null) this.send([{ type: "noop" }]);
  }

  readonly #onPollBroken = (): void => {
    this.#forgetPoll();
    this.onError("poll connection closed prematurely");
  };

  #forgetPoll(): void {
    this.#poll?.response.removeListener("close", this.#onPollBroken);
    this.#poll = undefined;
    this.#writable = false;
  }

  /** Takes a POST. */
  onDataRequest(request: EngineRequest, response: ServerResponse): void {
    if (this.#post !== undefined) {
      this.onError("data request overlap from client");
      answerStatus(response, 400);
      return;
    }
    if (!this.encoding.binaryPayloads && isBinaryBody(request)) {
      this.onError("invalid content");
      answerStatus(response, 400);
      return;
    }
    this.#post = new Post(this, request, response);
    this.#post.read(this.maxHttpBufferSize, this.#bodies);
  }

  /** @internal */
  onPostBody(post: Post, body: string | Buffer): void {
    this.onData(body);
    this.onPostOver();
    // The handlers ran and what they sent has left with the parked poll: only now the client may send more.
    answerOk(post.request, post.response, POST_ANSWER, "ok", this.#onHeaders);
  }

  /** @internal */
  onPostOver(): void {
    this.#post = undefined;
  }

  /** Handles the packets of one payload, until one ends the session. */
  override onData(payload: RawData): void {
    const decodable = typeof payload === "string" ? payload : toBuffer(payload);
    for (const packet of this.encoding.decodePayload(decodable)) {
      if (packet.type === "close") {
        // The parked poll is released; the client does not wait for more.
        if (this.#writable) this.send([{ type: "noop" }]);
        this.onClose();
        return;
      }
      this.onPacket(packet);
    }
  }

  override send(packets: readonly Packet[]): void {
    const poll = this.#poll;
    if (poll === undefined) return;
    const closes = this.shouldClose;
    const body = this.encoding.encodePayload(closes === null ? packets : [...packets, CLOSE]);
    this.#writable = false;
    // Before the answer is written, as in engine.io.
    closes?.();
    const { httpCompression } = this;
    if (httpCompression !== false && packets.some(mayCompress)) {
      const encoding = chooseEncoding(poll.request, body, httpCompression);
      if (encoding !== undefined) {
        this.#sendCompressed(poll, body, encoding, httpCompression);
        return;
      }
    }
    this.#forgetPoll();
    answerOk(poll.request, poll.response, payloadType(body), body, this.#onHeaders);
    this.emit("drain");
  }

  /** The poll stays taken until its answer is written: a client that goes away meanwhile has broken it. */
  #sendCompressed(poll: Poll, body: string | Buffer, encoding: ContentEncoding, options: Compression): void {
    compress(body, encoding, options, (compressed) => {
      if (this.#poll !== poll) return;
      this.#forgetPoll();
      answerCompressed(poll.request, poll.response, body, compressed, this.#onHeaders, encoding);
      this.emit("drain");
    });
  }

  /** Headers of an answer, given those of its body: listeners of `headers` may change them. */
  headers(request: EngineRequest, headers: OutgoingHttpHeaders = {}): OutgoingHttpHeaders {
    this.emit("headers", headers, request);
    return headers;
  }

  readonly #onHeaders = (headers: OutgoingHttpHeaders, request: EngineRequest): void => {
    const made = this.headers(request, headers);
    // Whoever put another function in its place may return others.
    if (made !== headers) Object.assign(headers, made);
  };

  override doClose(done: () => void): void {
    const closed = (): void => {
      this.#closeTimer?.stop();
      this.#closeTimer = undefined;
      this.shouldClose = null;
      done();
      this.onClose();
    };
    this.#post?.abort();
    if (this.#writable) {
      this.send([CLOSE]);
      closed();
    } else if (this.discarded) {
      closed();
    } else {
      this.shouldClose = closed;
      this.#closeTimer = this.#clock.afterUnref(this.closeTimeout, closed);
    }
  }
}

/** A POST that is being read. */
class Post implements BodyListener {
  readonly request: EngineRequest;
  readonly response: ServerResponse;
  readonly #transport: Polling;
  #over = false;

  constructor(transport: Polling, request: EngineRequest, response: ServerResponse) {
    this.#transport = transport;
    this.request = request;
    this.response = response;
  }

  read(maxBytes: number, bodies: Bodies | undefined): void {
    new BodyReader(this.request, maxBytes, this, bodies);
  }

  /** The session closes: what is still to come is not read. A POST that is being handled is whole, and is answered. */
  abort(): void {
    this.#over = true;
    this.request.destroy();
  }

  onBody(body: string | Buffer): void {
    if (this.#over) {
      this.#transport.onPostOver();
      answerStatus(this.response, 400);
    } else this.#transport.onPostBody(this, body);
  }

  /** The session lives: it was this request that was wrong. */
  onRefused({ status, headers }: BodyRefusal): void {
    this.#transport.onPostOver();
    if (!this.#over) answerStatus(this.response, status, headers);
  }

  onAborted(): void {
    this.#transport.onPostOver();
    if (!this.#over) this.#transport.onError("data request connection closed prematurely");
  }
}
