import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock } from "../../src/time/clock";
import { FullPause, isQueueFull } from "./full-queue";
import { upgradeHead } from "./headers";
import type { Pool, Upstream, Waiter } from "./pool";

export interface TunnelHost {
  readonly clock: Clock;
  readonly pool: Pool;
  readonly workerWait: number;
  /** Whether the front ends. */
  readonly stopped: boolean;
  /** Sockets that are no longer an HTTP server's, to be ended with the front. */
  readonly tunnels: Set<Duplex>;
}

const UNAVAILABLE =
  "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/** A worker that leaves breaks the request off, and so does one that dies; a request that kills its worker kills two at most. */
const MAX_BREAKS = 1;

/**
 * A request to upgrade, passed on as it is: head written again, then bytes both ways. From the first byte of a worker's answer
 * it belongs to that worker, as a websocket does; until then it goes to another one when the connection breaks, if the client
 * has not said more than its request.
 */
export class Tunnel {
  readonly #host: TunnelHost;
  readonly #client: Duplex;
  readonly #head: string;
  readonly #first: Buffer;
  readonly #tried: Upstream[] = [];
  #worker: Socket | undefined;
  #waiter: Waiter | undefined;
  #giveUpAt: number | undefined;
  #breaks = 0;
  readonly #fullPause = new FullPause();

  constructor(host: TunnelHost, request: IncomingMessage, client: Duplex, first: Buffer) {
    this.#host = host;
    this.#client = client;
    this.#head = upgradeHead(request);
    this.#first = first;
  }

  start(): void {
    this.#host.tunnels.add(this.#client);
    this.#client.on("error", ignore);
    this.#client.once("close", this.#onClientClose);
    this.#try();
  }

  #try(): void {
    const upstream = this.#host.pool.take(this.#tried);
    if (upstream === undefined) {
      this.#wait();
      return;
    }
    this.#tried.push(upstream);
    const worker = connect({ path: upstream.path, allowHalfOpen: true });
    this.#worker = worker;
    let connected = false;
    let answered = false;
    let said = false;
    const onSaid = (): void => void (said = true);
    worker.once("connect", () => {
      connected = true;
      worker.write(this.#head, "latin1");
      if (this.#first.length > 0) worker.write(this.#first);
      this.#client.once("data", onSaid);
      this.#client.pipe(worker);
    });
    worker.once("data", (first: Buffer) => {
      answered = true;
      this.#client.write(first);
      worker.pipe(this.#client);
    });
    // Its answer's end is passed on by the pipe; without an answer there is none.
    worker.once("end", () => {
      if (!answered) worker.destroy();
    });
    let full = false;
    worker.on("error", (error: NodeJS.ErrnoException) => void (full = isQueueFull(error)));
    worker.once("close", () => {
      this.#client.removeListener("data", onSaid);
      if (this.#client.destroyed) return;
      if (full) this.#tryLater();
      else if (!connected || (!answered && !said && this.#breaks++ < MAX_BREAKS)) this.#try();
      // What the worker sent last may still be on its way to the client; its end was passed on already by the pipe.
      else if (answered && worker.readableEnded) this.#client.end(() => this.#client.destroy());
      else this.#client.destroy();
    });
  }

  /** The worker lives, and its accept queue is full. */
  #tryLater(): void {
    const { clock, workerWait } = this.#host;
    this.#tried.pop();
    this.#giveUpAt ??= clock.now() + workerWait;
    if (clock.now() >= this.#giveUpAt) this.#refuse();
    else this.#waiter = clock.after(this.#fullPause.next(clock), () => this.#try());
  }

  #refuse(): void {
    // As of a request: what is in front is to try another machine.
    if (this.#host.stopped) this.#client.destroy();
    else this.#client.end(UNAVAILABLE, () => this.#client.destroy());
  }

  #wait(): void {
    const { clock, pool, workerWait } = this.#host;
    const now = clock.now();
    this.#giveUpAt ??= now + workerWait;
    this.#waiter = pool.wait(this.#giveUpAt - now, (ready) => {
      this.#waiter = undefined;
      if (ready) this.#try();
      else this.#refuse();
    });
  }

  readonly #onClientClose = (): void => {
    this.#host.tunnels.delete(this.#client);
    this.#waiter?.stop();
    this.#worker?.destroy();
  };
}

function ignore(): void {
  // What matters of an error is told by `close`.
}
