import { once } from "node:events";
import {
  Agent,
  createServer,
  request,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** When a request is sent to a second node although the first has it. */
export type Resends =
  /** The first node has answered, and its answer is thrown away. */
  | "answered"
  /** The first node is still at it; both answers are waited for, and the second one counts. */
  | "under way"
  /** The first node is still at it, and its connection is broken. */
  | "broken";

interface Whole {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

interface Attempt {
  readonly answer: Promise<Whole>;
  readonly abort: () => void;
}

/** A balancer that sends every so many requests twice, each time to another node. */
export class ResendingProxy {
  readonly url: string;
  /** Requests that were sent twice, by method. */
  readonly resent = { GET: 0, POST: 0 };
  /** Where both attempts were answered 200: with different bodies. */
  readonly different: string[] = [];
  readonly #server;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Infinity });
  readonly #ports: readonly number[];
  readonly #every: number;
  readonly #how: Resends;
  #count = 0;
  #named = 0;
  #turn = 0;

  private constructor(ports: readonly number[], how: Resends, every: number) {
    this.#ports = ports;
    this.#how = how;
    this.#every = every;
    this.#server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      void this.#pass(request, response).catch(() => response.destroy());
    });
    this.#server.listen(0, "127.0.0.1");
    this.url = "";
  }

  static async start(ports: readonly number[], how: Resends, every: number): Promise<ResendingProxy> {
    const proxy = new ResendingProxy(ports, how, every);
    await once(proxy.#server, "listening");
    return Object.assign(proxy, { url: `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}` });
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#agent.destroy();
    await once(this.#server, "close");
  }

  get #next(): number {
    return this.#ports[this.#turn++ % this.#ports.length] ?? 0;
  }

  async #pass(client: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of client) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const known = new URL(client.url ?? "", "http://localhost").searchParams.has("sid");
    const twice = known && ++this.#count % this.#every === 0;
    // As nginx does: who goes away is not waited for.
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    // What all attempts are called, for clients that send no `t`.
    client.headers["x-eio-request-id"] = `resending-${String(++this.#named)}`;
    const answer = await (twice ? this.#twice(client, body, gone.signal) : this.#ask(client, body, gone.signal).answer);
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body);
  }

  async #twice(client: IncomingMessage, body: Buffer, gone: AbortSignal): Promise<Whole> {
    this.resent[client.method === "POST" ? "POST" : "GET"]++;
    const first = this.#ask(client, body, gone);
    const dropped = first.answer.catch(() => undefined);
    if (this.#how === "answered") await dropped;
    const second = this.#ask(client, body, gone);
    if (this.#how === "broken") first.abort();
    const [one, other] = await Promise.all([dropped, second.answer]);
    if (one !== undefined && !(one.status === other.status && one.body.equals(other.body))) {
      this.different.push(`${client.method} ${client.url}: ${describe(one)}, then ${describe(other)}`);
    }
    return other;
  }

  #ask(client: IncomingMessage, body: Buffer, gone: AbortSignal): Attempt {
    const { method, url, headers } = client;
    const sent = request({
      host: "127.0.0.1",
      port: this.#next,
      method,
      path: url,
      headers,
      agent: this.#agent,
      signal: gone,
    });
    const answer = new Promise<Whole>((resolve, reject) => {
      sent.once("error", reject);
      sent.once("response", (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.once("error", reject);
        answer.once("end", () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
        );
      });
    });
    sent.end(body);
    return { answer, abort: () => sent.destroy() };
  }
}

function describe({ status, body }: Whole): string {
  return `${status} ${body.toString().slice(0, 200)}`;
}
