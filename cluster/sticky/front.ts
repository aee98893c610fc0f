import type { Worker } from "node:cluster";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { isStickyMessage, sticky, type StickyMessage } from "./package";

/** A message's handle and callback, as `worker.send` takes them. */
type SendRest = readonly unknown[];
type RawSend = (message: unknown, ...rest: SendRest) => boolean;

/** A connection that the primary keeps, because its request has a body. */
interface Kept {
  /** Undefined while it waits for a worker. */
  worker: Worker | undefined;
  /** Ends the client's connection. */
  readonly fail: (error: Error) => void;
}

/** Node's own bound of a request. Here it is one of silence: this process reads no requests. */
const SILENCE = 300_000;

/** Messages that may wait for a worker to be ready. */
const MAX_WAITING = 10_000;

/**
 * The primary's server where the package sends requests to the worker that has the session, as far as it knows. Nothing depends
 * on that, so that this class may send them to another one: the package counts a worker in from its fork to its end, when it does not
 * hear yet or is about to leave, and what it sends there would be lost.
 */
export class StickyFront {
  readonly #server: HttpServer;
  readonly #sends = new WeakMap<Worker, RawSend>();
  #ready: Worker[] = [];
  #next = 0;
  /** What waits for a worker, in the order in which it came. */
  #waiting: (() => void)[] = [];
  readonly #kept = new Map<string, Kept>();

  constructor() {
    this.#server = createServer({ headersTimeout: 0, requestTimeout: 0 });
    this.#server.timeout = SILENCE;
    // By turns and not by the fewest sessions: those are counted when they are there, and a burst of handshakes is over by then.
    sticky.setupMaster(this.#server, { loadBalancingMethod: "round-robin" });
  }

  listen(port: number, host: string | undefined): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ port, host }, () => {
        this.#server.off("error", reject);
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  /** To be called with each worker that was forked. What the package sends it goes through here. */
  fork(worker: Worker): void {
    const send = worker.send.bind(worker) as RawSend;
    this.#sends.set(worker, send);
    const routed: RawSend = (message, ...rest) =>
      isStickyMessage(message) ? this.#route(worker, message, rest) : send(message, ...rest);
    worker.send = routed;
    worker.on("message", this.#onMessage);
  }

  /** It serves requests from now on. */
  add(worker: Worker): void {
    this.remove(worker);
    this.#ready.push(worker);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const send of waiting) send();
  }

  /** No new connections for it. */
  remove(worker: Worker): void {
    this.#ready = this.#ready.filter((other) => other !== worker);
  }

  /** Nothing more is expected from it: those who wait for its answer are told. */
  lose(worker: Worker): void {
    this.remove(worker);
    for (const [id, kept] of this.#kept) {
      if (kept.worker !== worker) continue;
      this.#kept.delete(id);
      kept.fail(new Error("the worker is gone"));
    }
  }

  /** No new connections from outside. */
  stop(): void {
    this.#server.close();
  }

  /** Ends what is left. */
  close(): void {
    this.stop();
    this.#server.closeAllConnections();
  }

  #route(chosen: Worker, message: StickyMessage, rest: SendRest): boolean {
    const { type, connectionId: id } = message;
    const fail = failure(rest);
    if (id === undefined) this.#begin(chosen, fail, (worker) => this.#send(worker, message, rest));
    else if (type === "sticky:http-chunk-start") {
      const kept: Kept = { worker: undefined, fail };
      this.#kept.set(id, kept);
      this.#begin(chosen, fail, (worker) => {
        kept.worker = worker;
        this.#send(worker, message, rest);
      });
    } else this.#follow(id, message, rest);
    return true;
  }

  /** A new connection: to the worker that the package chose, or to another one that is in service. */
  #begin(chosen: Worker, fail: Kept["fail"], send: (worker: Worker) => void): void {
    const worker = this.#ready.includes(chosen) ? chosen : this.#ready[this.#next++ % this.#ready.length];
    if (worker !== undefined) send(worker);
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(() => this.#begin(chosen, fail, send));
    else fail(new Error("no worker is ready"));
  }

  /** More of a body, or its end: to where the connection went. */
  #follow(id: string, message: StickyMessage, rest: SendRest): void {
    const kept = this.#kept.get(id);
    if (kept === undefined) {
      failure(rest)(new Error("the worker is gone"));
    } else if (kept.worker === undefined) {
      this.#waiting.push(() => this.#follow(id, message, rest));
    } else {
      if (message.type === "sticky:abort") this.#kept.delete(id);
      this.#send(kept.worker, message, rest);
    }
  }

  #send(worker: Worker, message: StickyMessage, rest: SendRest): void {
    this.#sends.get(worker)?.(message, ...rest);
  }

  readonly #onMessage = (message: unknown): void => {
    if (!isStickyMessage(message) || message.connectionId === undefined) return;
    const { type, connectionId } = message;
    if (type === "sticky:http-response-end" || type === "sticky:http-response-destroy") this.#kept.delete(connectionId);
  };
}

/** The package gives a callback last, which ends the client's connection when it is told of an error. */
function failure(rest: SendRest): Kept["fail"] {
  const last = rest.at(-1);
  return typeof last === "function" ? (last as Kept["fail"]) : () => undefined;
}
