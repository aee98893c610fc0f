import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { operationsHandler, Server } from "../../src/index";
import { randomPrefix } from "../helpers/cluster";
import { startBackends, type Backends } from "../e2e/backends";
import { RawClient } from "../e2e/raw";
import { waitFor } from "../helpers/wait-for";

/** More than a node keeps for Redis: commands. */
const COMMANDS = 51_000;
/** More than a node keeps for NATS, 64 MiB, in answers to polls, which wait for nobody; two sessions more than it takes. */
const SESSIONS = 13;
const MESSAGES = 7;
const MESSAGE = "x".repeat(900_000);

interface Node {
  readonly engine: Server;
  readonly http: HttpServer;
  readonly url: string;
}

/** Two nodes in this process, of which the first is told to say more than it keeps while its servers do not read. */
export class FullQueues {
  readonly #backends: Backends;
  readonly #nodes: readonly Node[];
  readonly #text: () => Promise<string>;

  private constructor(backends: Backends, nodes: readonly Node[]) {
    this.#backends = backends;
    this.#nodes = nodes;
    const operations = operationsHandler(nodes[0]!.engine, { process: false });
    this.#text = () => operations.metrics.text();
  }

  static async start(): Promise<FullQueues> {
    const backends = await startBackends();
    const prefix = randomPrefix();
    return new FullQueues(backends, [await startNode(backends, prefix), await startNode(backends, prefix)]);
  }

  readonly metrics = (): Promise<string> => this.#text();

  /** Sessions that nobody has are looked for, all at once. That takes long to be answered, and ends with the node. */
  manyLooks(): Promise<void> {
    const { cluster } = this.#nodes[0]!.engine;
    this.#backends.nats.resume();
    this.#backends.redis.pause();
    for (let i = 0; i < COMMANDS; i++) cluster!.send(`nobody${i}`, "x").catch(() => undefined);
    this.#backends.redis.resume();
    return Promise.resolve();
  }

  /** Polls that the other node holds are answered all at once, while NATS reads nothing. */
  async manyBytes(): Promise<void> {
    const [here, other] = this.#nodes;
    const clients = await Promise.all(Array.from({ length: SESSIONS }, () => RawClient.open(here!.url)));
    // Answered or broken off when the nodes stop.
    for (const client of clients) client.poll(other!.url).catch(() => undefined);
    await waitFor("the polls to be held", () => other!.engine.cluster!.stats().held === SESSIONS);
    // And to have come to their owner: what is said between two nodes comes in order.
    await other!.engine.cluster!.send(clients[0]!.sid, "known");
    this.#backends.nats.pause();
    for (const { sid } of clients.slice(1)) for (let i = 0; i < MESSAGES; i++) here!.engine.clients[sid]!.send(MESSAGE);
  }

  async stop(): Promise<void> {
    this.#backends.nats.resume();
    for (const { engine, http } of this.#nodes) {
      engine.close();
      await engine.closed();
      http.closeAllConnections();
      http.close();
    }
    await this.#backends.stop();
  }
}

async function startNode(backends: Backends, prefix: string): Promise<Node> {
  const http = createServer();
  const { redisUrl: redis, natsUrl: nats } = backends.urls;
  // A server that is paused is not given up while the queue to it fills.
  const engine = new Server({ cluster: { redis, nats: { servers: nats, pingInterval: 60_000 }, prefix } });
  engine.attach(http);
  await engine.ready();
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return { engine, http, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}
