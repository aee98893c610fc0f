import type { ServerResponse } from "node:http";
import { ErrorCode } from "../errors";
import { AnswerCode, RequestKind, type Answer } from "../session/answers";
import type { ClusterNode } from "../routing/cluster-node";
import type { Held, WaitingConnection } from "../routing/held";
import { behindStandstill } from "../routing/standstill";
import type { Load } from "../telemetry/load";
import type { Bodies } from "../transports/bodies";
import { BodyReader, type BodyListener, type BodyRefusal } from "../transports/body";
import { answerPayload, type Compression } from "../transports/compression";
import { answerOk, answerStatus, POST_ANSWER, type EngineRequest, type HeadersHook } from "../transports/request";
import type { Refuse } from "./host";
import { postKey } from "./post-key";
import { sendUnavailable } from "./responses";
import { revisionOf } from "./verify";

/** What exchanges need of where the sessions live. */
export interface ExchangeHost {
  /** Has counted the exchange as a request under way. */
  readonly load: Load;
  readonly bodies: Bodies;
  /** There while the process is in service. */
  readonly node: ClusterNode | undefined;
  /** Whether the engine is being closed. */
  readonly closing: boolean;
  /** See `SessionHost`. */
  readonly breaksOff: boolean;
  readonly headers: HeadersHook;
  readonly httpCompression: Compression | false;
}

/** One HTTP request of a polling session in a cluster, from its arrival to its answer (H3). */
export class Exchange implements WaitingConnection, BodyListener {
  readonly #host: ExchangeHost;
  readonly #node: ClusterNode;
  readonly #request: EngineRequest;
  readonly #response: ServerResponse;
  readonly #sid: string;
  readonly #t: string;
  readonly #refuse: Refuse;
  #held: Held | undefined;
  #answered = false;
  /** Whether it is still counted as under way, and with so many bytes of a body. */
  #counted = true;
  #bytes = 0;

  constructor(
    host: ExchangeHost,
    node: ClusterNode,
    request: EngineRequest,
    response: ServerResponse,
    sid: string,
    t: string,
    refuse: Refuse,
  ) {
    this.#host = host;
    this.#node = node;
    this.#request = request;
    this.#response = response;
    this.#sid = sid;
    this.#t = t;
    this.#refuse = refuse;
  }

  poll(): void {
    this.#response.on("close", this.#onBroken);
    this.#hold(RequestKind.Get, this.#t, "");
  }

  /** Sessions have polls and POSTs, and nothing else. */
  notAllowed(): void {
    this.#over();
    answerStatus(this.#response, 500);
  }

  post(maxBytes: number): void {
    new BodyReader(this.#request, maxBytes, this, this.#host.bodies);
  }

  onBody(body: string | Buffer, bytes: number): void {
    this.#response.on("close", this.#onBroken);
    this.#bytes = bytes;
    this.#host.load.bodyBytes += bytes;
    this.#hold(RequestKind.Post, postKey(this.#t, body), body);
  }

  #hold(kind: RequestKind, t: string, body: string | Buffer): void {
    const { pause, clock } = this.#node;
    if (pause === 0 || this.#host.breaksOff) this.#holdNow(kind, t, body);
    else {
      behindStandstill(clock, pause, () => {
        // H6. And where the node was stopped meanwhile there is nobody to ask.
        if (this.#isGivenUp || this.#host.node === undefined) this.abandon();
        else this.#holdNow(kind, t, body);
      });
    }
  }

  /** Whoever sent it has closed the connection: a balancer that has had it handled elsewhere, or a client that is gone. */
  get #isGivenUp(): boolean {
    const { socket } = this.#request;
    return socket.destroyed || socket.readableEnded;
  }

  #holdNow(kind: RequestKind, t: string, body: string | Buffer): void {
    // Asked here, since a node can withdraw, or have left, while a request waits.
    if (this.#host.breaksOff) this.abandon();
    else this.#held = this.#node.hold({ kind, sid: this.#sid, t, body, revision: revisionOf(this.#request) }, this);
  }

  /** The session lives: it was this request that was wrong. */
  onRefused({ status, headers }: BodyRefusal): void {
    this.#over();
    answerStatus(this.#response, status, headers);
  }

  onAborted(): void {
    this.#over();
    // Nothing was asked of anybody yet; the client, or a balancer, sends it again if it matters.
  }

  /** It is not under way any more: answered, given up, or broken. */
  #over(): void {
    if (!this.#counted) return;
    this.#counted = false;
    const { load } = this.#host;
    load.requests--;
    load.bodyBytes -= this.#bytes;
  }

  answer(answer: Answer): void {
    this.#answered = true;
    this.#over();
    // Leaving: the client, or the balancer, is to take another connection for the next one, and so another node. Closing:
    // whoever closes the HTTP server behind the engine has closed the idle connections before this one becomes idle.
    if (this.#node.leaving || this.#host.closing) this.#response.shouldKeepAlive = false;
    switch (answer.code) {
      case AnswerCode.Packets: {
        const body = typeof answer.body === "string" ? answer.body : Buffer.from(answer.body);
        const { headers, httpCompression } = this.#host;
        answerPayload(this.#request, this.#response, body, answer.compress, headers, httpCompression);
        return;
      }
      case AnswerCode.Ok:
        answerOk(this.#request, this.#response, POST_ANSWER, "ok", this.#host.headers);
        return;
      case AnswerCode.UnknownSid:
        this.#refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid: this.#sid } });
        return;
      case AnswerCode.BadRequest:
        this.#refuse({
          code: ErrorCode.BAD_REQUEST,
          context: { name: "TRANSPORT_MISMATCH", transport: "polling", previousTransport: "websocket" },
        });
        return;
      case AnswerCode.OtherProtocol: {
        const protocol = revisionOf(this.#request);
        const context = { name: "PROTOCOL_MISMATCH", protocol, previousProtocol: protocol === 4 ? 3 : 4 };
        this.#refuse({ code: ErrorCode.BAD_REQUEST, context });
        return;
      }
      case AnswerCode.Refused:
        answerStatus(this.#response, 400);
        return;
      case AnswerCode.TooLarge:
        answerStatus(this.#response, 413);
        return;
      case AnswerCode.Unavailable:
        sendUnavailable(this.#response);
    }
  }

  abandon(): void {
    this.#answered = true;
    this.#over();
    this.#response.destroy();
  }

  readonly #onBroken = (): void => {
    this.#over();
    if (this.#held !== undefined && !this.#answered) this.#node.release(this.#held, this);
  };
}
