import { request as httpRequest, type ClientRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { Clock } from "../../src/time/clock";
import { RequestBody, type BodyBudget, type BodyOutcome } from "./body";
import { FullPause, isQueueFull } from "./full-queue";
import { requestHeaders, responseHeaders } from "./headers";
import type { Held, Pool, Upstream, Waiter } from "./pool";

/** What an exchange needs of its front. */
export interface ExchangeHost {
  readonly clock: Clock;
  readonly pool: Pool;
  readonly bodies: BodyBudget;
  /** How long a request waits for a worker in all. */
  readonly workerWait: number;
  readonly counters: FrontCounters;
  /** Whether the front ends. */
  readonly stopped: boolean;
  /** Whether a request may reach two workers. */
  mayRepeat(request: IncomingMessage): boolean;
  /** What a request of the engine is to be called at each attempt, where no balancer before has named it. */
  nameOf(request: IncomingMessage): string | undefined;
}

export interface FrontCounters {
  requests: number;
  /** Requests sent again because a worker died under them, or refused the connection. */
  retries: number;
  /** Answered by the front itself: no worker in time, or one died under a request that cannot be sent again. */
  failed: number;
  /** Bodies that were larger than it takes, or for which it had no room. */
  bodiesRefused: number;
  upgrades: number;
}

/**
 * A response of at most so many bytes is held until it is complete, and leaves in one write: if the worker dies while it
 * answers, the client has seen nothing yet and the request can be sent again. Polls are answered in one piece by the
 * engine, so that holding them costs no time. Larger ones, and those of unknown length, are streamed.
 */
const HELD_RESPONSE = 1024 * 1024;

/**
 * A request under which so many workers died, each within this time, is taken for the cause: sent on and on it would kill
 * them all, and those that replace them.
 */
const DEATHS_AT_MOST = 5;
const QUICK_DEATH = 1000;

/** One request of a client, and the tries to have it answered. */
export class Exchange implements Held {
  readonly #host: ExchangeHost;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  #tried: Upstream[] = [];
  #body: RequestBody | undefined;
  #content: Buffer | undefined;
  #headers: string[] = [];
  /** The try that is under way. Events of earlier ones are not heard. */
  #current: ClientRequest | undefined;
  #upstream: Upstream | undefined;
  #sentAt = 0;
  /** Whether the try that is under way has a connection of its own. */
  #isFresh = false;
  #quickDeaths = 0;
  /** Workers among those tried that live, and whose accept queues were full. */
  #full: Upstream[] = [];
  #fullSince: number | undefined;
  readonly #fullPause = new FullPause();
  #waiter: Waiter | undefined;
  /** How long it has waited for a worker, in all its waits. */
  #waited = 0;
  #over = false;

  constructor(host: ExchangeHost, request: IncomingMessage, response: ServerResponse) {
    this.#host = host;
    this.#request = request;
    this.#response = response;
    host.counters.requests++;
  }

  start(): void {
    // `close` comes after a complete response as well as when the client goes away.
    this.#response.once("close", this.#onClose);
    // Node tells the client's going away by an error here too, which would be thrown if nobody listened.
    this.#request.on("error", ignore);
    this.#response.on("error", ignore);
    const { headers, method } = this.#request;
    if (headers["content-length"] === undefined && headers["transfer-encoding"] === undefined) {
      const bodiless = method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "DELETE";
      this.#prepare(bodiless ? undefined : 0);
      return;
    }
    this.#body = new RequestBody(this.#request, this.#host.bodies, this.#onBody);
  }

  readonly #onBody = (outcome: BodyOutcome): void => {
    switch (outcome.kind) {
      case "complete":
        this.#content = outcome.content;
        this.#prepare(outcome.content.length);
        return;
      case "too large":
        this.#host.counters.bodiesRefused++;
        this.#answer(413, "Request body larger than the front takes (BODY_LIMIT)");
        return;
      case "no room":
        this.#host.counters.bodiesRefused++;
        this.#answer(503, "Too many request bodies at once");
        return;
    }
  };

  #prepare(length: number | undefined): void {
    this.#headers = requestHeaders(this.#request, length, this.#host.nameOf(this.#request));
    this.#try();
  }

  #try(): void {
    const upstream = this.#host.pool.take(this.#tried);
    if (upstream === undefined) {
      if (this.#full.length > 0) this.#waitForRoom();
      else this.#wait();
      return;
    }
    if (this.#tried.length > 0) this.#host.counters.retries++;
    this.#tried.push(upstream);
    this.#upstream = upstream;
    this.#sentAt = this.#host.clock.now();
    if (this.#host.mayRepeat(this.#request)) upstream.held.add(this);
    try {
      this.#send(upstream);
    } catch {
      // Node's client is stricter than its server about what a path or a header may hold.
      this.#answer(400, "Bad request");
    }
  }

  /** `fresh`: on a connection of its own. */
  #send(upstream: Upstream, fresh = false): void {
    this.#isFresh = fresh;
    const attempt = httpRequest({
      agent: fresh ? false : upstream.agent,
      socketPath: upstream.path,
      method: this.#request.method,
      path: this.#request.url,
      headers: this.#headers,
      setHost: false,
    });
    this.#current = attempt;
    attempt.once("response", (answer) => {
      if (this.#current === attempt) this.#onResponse(attempt, answer);
    });
    attempt.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#current !== attempt) return;
      if (isQueueFull(error)) this.#onFull(upstream);
      // The worker has closed a connection that was idle for long, and this was under way to it.
      else if (attempt.reusedSocket && this.#isQuick && this.#host.mayRepeat(this.#request)) this.#send(upstream, true);
      else this.#onFailure(error.syscall === "connect");
    });
    attempt.end(this.#content);
  }

  /** No worker is left that was not tried: one that died is replaced in a moment, and all may be starting. */
  #wait(): void {
    const { clock, pool, workerWait } = this.#host;
    const since = clock.now();
    this.#waiter = pool.wait(workerWait - this.#waited, (ready) => {
      this.#waiter = undefined;
      this.#waited += clock.now() - since;
      if (ready) this.#try();
      else this.#answer(503, "No worker is ready");
    });
  }

  /** The worker lives, and has not taken the connections that wait for it: it was sent what another one held that died. */
  #onFull(upstream: Upstream): void {
    this.#leave();
    if (this.#over) return;
    this.#full.push(upstream);
    this.#try();
  }

  get #isQuick(): boolean {
    return this.#host.clock.now() - this.#sentAt < QUICK_DEATH;
  }

  #waitForRoom(): void {
    const { clock, workerWait } = this.#host;
    this.#fullSince ??= clock.now();
    if (clock.now() - this.#fullSince >= workerWait) {
      this.#answer(503, "No worker takes connections");
      return;
    }
    this.#tried = this.#tried.filter((upstream) => !this.#full.includes(upstream));
    this.#full = [];
    this.#waiter = clock.after(this.#fullPause.next(clock), () => {
      this.#waiter = undefined;
      this.#try();
    });
  }

  /**
   * A worker's connection broke before the client was sent anything. The request goes to another worker, even if this one
   * had it whole and may have handled it. RFC 9110 (9.2.2) forbids a proxy to do so with a POST unless it knows the POST to be
   * idempotent. The engine's POSTs are: the engine handles a POST once per session and `t`, whichever worker gets
   * it, and the record of that survives its worker. Of other POSTs, the application's, nothing is known: they are sent again
   * only when the connection was refused, since then nothing was sent.
   */
  #onFailure(refused: boolean): void {
    this.#leave();
    if (this.#over) return;
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    // One that refuses a connection of the request's own has died under it on the kept one before.
    if ((!refused || this.#isFresh) && this.#isQuick) this.#quickDeaths++;
    if (this.#quickDeaths >= DEATHS_AT_MOST) this.#answer(502, "Worker after worker died under this request");
    else if (refused || this.#host.mayRepeat(this.#request)) this.#try();
    else this.#answer(502, "The worker died while it handled the request, which must not be handled twice");
  }

  /** Its worker does not move any more, and is not waited for. */
  onStall(): void {
    const attempt = this.#leave();
    attempt?.destroy();
    if (this.#over) return;
    if (this.#response.headersSent) this.#response.destroy();
    else this.#try();
  }

  /** The try that is under way is not any more. */
  #leave(): ClientRequest | undefined {
    const attempt = this.#current;
    this.#current = undefined;
    this.#upstream?.held.delete(this);
    return attempt;
  }

  #onResponse(attempt: ClientRequest, answer: IncomingMessage): void {
    answer.on("error", ignore);
    const length = bodyLength(this.#request, answer);
    if (length === undefined || length > HELD_RESPONSE) this.#stream(answer);
    else this.#hold(attempt, answer);
  }

  #hold(attempt: ClientRequest, answer: IncomingMessage): void {
    const chunks: Buffer[] = [];
    answer.on("data", (chunk: Buffer) => chunks.push(chunk));
    answer.once("close", () => {
      if (this.#current !== attempt) return;
      if (!answer.complete) {
        this.#onFailure(false);
        return;
      }
      if (!this.#writeHead(answer)) return;
      this.#response.end(chunks.length === 1 ? chunks[0] : Buffer.concat(chunks));
    });
  }

  #stream(answer: IncomingMessage): void {
    if (!this.#writeHead(answer)) return;
    // Whoever streams wants its head to arrive before the first piece of the body.
    this.#response.flushHeaders();
    answer.once("close", () => {
      // Bytes went out, nothing can be taken back: the client must see that the response is not whole.
      if (!answer.complete) this.#response.destroy();
    });
    answer.pipe(this.#response);
  }

  #writeHead(answer: IncomingMessage): boolean {
    if (this.#host.stopped) this.#response.shouldKeepAlive = false;
    try {
      this.#response.writeHead(answer.statusCode ?? 502, answer.statusMessage, responseHeaders(answer));
      return true;
    } catch {
      this.#answer(502, "The worker's response cannot be passed on");
      return false;
    }
  }

  /** The front's own answer. */
  #answer(status: number, text: string): void {
    if (this.#over || this.#response.headersSent) return;
    if (status === 503 && this.#host.stopped) {
      // Whatever is in front sends it to another machine; a 503 it would pass on to the client, unless it is told otherwise.
      this.#response.destroy();
      return;
    }
    if (status !== 413) this.#host.counters.failed++;
    this.#current?.destroy();
    if (this.#host.stopped) this.#response.shouldKeepAlive = false;
    const body = `${text}\n`;
    this.#response.writeHead(status, {
      "Content-Type": "text/plain; charset=utf-8",
      "Content-Length": body.length,
      "Cache-Control": "no-store",
      ...(status === 503 ? { "Retry-After": "1" } : {}),
    });
    this.#response.end(body);
  }

  /** The client was answered, or has gone: nobody waits for what is still under way. */
  readonly #onClose = (): void => {
    this.#over = true;
    this.#waiter?.stop();
    this.#body?.release();
    const attempt = this.#leave();
    // A try that is complete has given its connection back to the agent; destroying it does nothing.
    if (!this.#response.writableFinished) attempt?.destroy();
  };
}

function ignore(): void {
  // What matters of an error is told by `close`.
}

/** How long an answer's body is; `undefined` when it does not say. */
function bodyLength(request: IncomingMessage, answer: IncomingMessage): number | undefined {
  const status = answer.statusCode ?? 0;
  if (request.method === "HEAD" || status === 204 || status === 304) return 0;
  const length = answer.headers["content-length"];
  return length === undefined ? undefined : Number(length);
}
