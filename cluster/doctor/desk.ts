import type { IncomingMessage, Server as HttpServer, ServerResponse } from "node:http";
import type { Server } from "../../src/index";
import { NODE_HEADER, ORDER_HEADER, readOrder, type Order, type Told } from "./orders";

export interface DeskOptions {
  /** Below which path a doctor is answered. */
  readonly path: string;
  readonly secret: string;
  /** What this node is called to the doctor. */
  readonly node: string;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => void;

/** Runs whose counts are kept. */
const RUNS_KEPT = 32;

/**
 * Answers requests that carry a doctor's order, and leaves all others to those who listened before. To be called last, when
 * the engine is attached. Without the secret nobody can have a connection broken here, and then it is his own.
 */
export function openDesk(http: HttpServer, engine: Server, options: DeskOptions): void {
  const desk = new Desk(options);
  const others = http.listeners("request") as Listener[];
  http.removeAllListeners("request");
  http.on("request", (request: IncomingMessage, response: ServerResponse) => {
    if (!desk.take(request, response)) for (const other of others) other.call(http, request, response);
  });
  // A websocket has no response that a header could be set on.
  engine.on("headers", (headers: Record<string, unknown>, request: IncomingMessage) => {
    if (desk.orderOf(request) !== undefined) headers[NODE_HEADER] = options.node;
  });
}

class Desk {
  readonly #options: DeskOptions;
  readonly #met = new Map<string, number>();

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  orderOf(request: IncomingMessage): Order | undefined {
    const { path, secret } = this.#options;
    const header = request.headers[ORDER_HEADER];
    if (header === undefined || request.url?.startsWith(path) !== true) return undefined;
    return readOrder(header, secret);
  }

  /** Whether nobody else is to answer it. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const order = this.orderOf(request);
    if (order === undefined) return false;
    if (order.kind === "who") {
      response.setHeader(NODE_HEADER, this.#options.node);
      return false;
    }
    // Only when it is here as a whole, as it is when a node dies that handles it.
    request.on("error", () => undefined);
    request.resume().once("end", () => {
      this.#answer(order, request, response);
    });
    return true;
  }

  #answer({ kind, node, run }: Order, request: IncomingMessage, response: ServerResponse): void {
    const mine = node === this.#options.node;
    if (mine && kind !== "tell") this.#count(run);
    if (mine && kind === "break") {
      request.socket.destroy();
    } else if (mine && kind === "busy") {
      response.writeHead(503, { "retry-after": "1" }).end();
    } else {
      const told: Told = { node: this.#options.node, met: this.#met.get(run) ?? 0 };
      response.writeHead(200, { "content-type": "application/json", "cache-control": "no-store" });
      response.end(JSON.stringify(told));
    }
  }

  #count(run: string): void {
    this.#met.set(run, (this.#met.get(run) ?? 0) + 1);
    const [oldest] = this.#met.keys();
    if (this.#met.size > RUNS_KEPT && oldest !== undefined) this.#met.delete(oldest);
  }
}
