import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import { connect, type AddressInfo, type Socket as Connection } from "node:net";
import { operationsHandler, Server, type ClusterOptions, type OperationsHandler } from "../../src/index";
import { randomPrefix } from "../helpers/cluster";
import { until } from "../helpers/until";
import { startBackends, type Backends } from "../e2e/backends";
import { RawClient } from "../e2e/raw";

type ClusterConnection = Pick<Extract<ClusterOptions, { redis: unknown }>, "redis" | "nats">;

/** Bytes of one body, and of all of them together. */
const BODY = 500;
const BODIES = 600;
const BODY_TIMEOUT = 1_500;
const SESSIONS = 3;
const REQUESTS = 3;
const PACKETS = 5;
/** The least that may be under way of a relayed websocket. */
const RELAYED = 600_000;

/** A node in this process whose limits are soon met. */
export class LimitedEngine {
  readonly #backends: Backends;
  readonly #engine: Server;
  readonly #http: HttpServer;
  readonly #cluster: ClusterConnection;
  readonly #operations: OperationsHandler;

  private constructor(backends: Backends, engine: Server, http: HttpServer, cluster: ClusterConnection) {
    this.#cluster = cluster;
    this.#backends = backends;
    this.#engine = engine;
    this.#http = http;
    this.#operations = operationsHandler(engine, { process: false });
  }

  static async start(): Promise<LimitedEngine> {
    const backends = await startBackends();
    const http = createServer();
    const { redisUrl: redis, natsUrl: nats } = backends.urls;
    const cluster = { redis, nats, prefix: randomPrefix() };
    const engine = new Server({
      maxHttpBufferSize: BODY,
      trustProxy: 1,
      limits: {
        sessions: SESSIONS,
        sessionsPerAddress: 2,
        requests: REQUESTS,
        bodyBytes: BODIES,
        bodyTimeout: BODY_TIMEOUT,
      },
      cluster: { ...cluster, maxWaitingSends: 1, maxBufferedPackets: PACKETS, maxRelayedSize: RELAYED },
    });
    const limited = new LimitedEngine(backends, engine, http, cluster);
    engine.attach(http);
    await engine.ready();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    return limited;
  }

  async stop(): Promise<void> {
    this.#engine.close();
    await this.#engine.closed();
    this.#http.closeAllConnections();
    this.#http.close();
    await this.#backends.stop();
  }

  readonly metrics = (): Promise<string> => this.#operations.metrics.text();

  /** Each limit, and what meets it. Every one ends the sessions that it needed. */
  static readonly limits: readonly (readonly [string, (engine: LimitedEngine) => Promise<void>])[] = [
    ["sessionsPerAddress", (engine) => engine.#manyOf(() => "1.1.1.1", 2, 429)],
    ["sessions", (engine) => engine.#manyOf((i) => `1.1.1.${i}`, SESSIONS, 503)],
    ["requests", (engine) => engine.#manyPolls()],
    ["bodySize", (engine) => engine.#largeBody()],
    ["bodyBytes", (engine) => engine.#largeBodies()],
    ["bodyTimeout", (engine) => engine.#slowestBody()],
    ["sends", (engine) => engine.#manySends()],
    ["writeBuffer", (engine) => engine.#manyPackets()],
    ["relayedSize", (engine) => engine.#manyProbes()],
    ["linkWindow", (engine) => engine.#muchForOther()],
  ];

  /** A POST of which so much comes, and the rest does not. */
  async slowBody(bytes: number): Promise<Connection> {
    const sid = await this.#open("9.9.9.9");
    const connection = connect(this.#port, "127.0.0.1");
    connection.on("error", () => undefined);
    await once(connection, "connect");
    connection.write(
      `POST /engine.io/?EIO=4&transport=polling&sid=${sid}&t=slow HTTP/1.1\r\nHost: localhost\r\n` +
        `Content-Type: text/plain\r\nContent-Length: ${bytes + 50}\r\n\r\n${"4".padEnd(bytes, "x")}`,
    );
    connection.once("close", () => {
      this.#end();
    });
    return connection;
  }

  async #manyOf(address: (i: number) => string, allowed: number, refusal: number): Promise<void> {
    for (let i = 0; i < allowed; i++) assert.equal((await this.#handshake(address(i))).status, 200);
    assert.equal((await this.#handshake(address(allowed))).status, refusal);
    this.#end();
  }

  async #manyPolls(): Promise<void> {
    const sids = [await this.#open("1.1.1.1"), await this.#open("1.1.1.2"), await this.#open("1.1.1.3")];
    const polls = sids.map((sid) => fetch(this.#url(sid, "parked")));
    while (this.#engine.load.requests < REQUESTS) await new Promise(setImmediate);
    assert.equal((await fetch(this.#url(sids[0]!, "other"))).status, 503);
    for (const sid of sids) this.#engine.clients[sid]?.close();
    await Promise.all(polls);
  }

  async #largeBody(): Promise<void> {
    const sid = await this.#open("1.1.1.1");
    assert.equal((await this.#post(sid, BODY + 1)).status, 413);
    this.#end();
  }

  async #largeBodies(): Promise<void> {
    const slow = await this.slowBody(BODY - 50);
    while (this.#engine.load.bodyBytes === 0) await new Promise(setImmediate);
    const sid = await this.#open("1.1.1.1");
    assert.equal((await this.#post(sid, BODY)).status, 503);
    slow.destroy();
    this.#end();
  }

  async #slowestBody(): Promise<void> {
    const slow = await this.slowBody(10);
    const [answer] = (await once(slow, "data")) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 408 /);
    slow.destroy();
  }

  async #manySends(): Promise<void> {
    const sid = await this.#open("1.1.1.1");
    const { cluster } = this.#engine;
    const [first, second] = await Promise.allSettled([cluster?.send(sid, "a"), cluster?.send(sid, "b")]);
    assert.deepEqual([first.status, second.status], ["fulfilled", "rejected"]);
    this.#end();
  }

  async #manyPackets(): Promise<void> {
    const socket = this.#engine.clients[await this.#open("1.1.1.1")]!;
    const closed = once(socket, "close");
    for (let i = 0; i <= PACKETS; i++) socket.send("x");
    await closed;
  }

  /** Of a websocket whose session is another node's: nothing that it says counts as handled before its upgrade is recorded. */
  async #manyProbes(): Promise<void> {
    await this.#withOther(async (other) => {
      const websocket = await (await RawClient.open(other)).websocket(`http://127.0.0.1:${this.#port}`);
      // 6 characters, and what each message counts besides.
      for (let probes = 0; probes <= RELAYED / 70; probes++) websocket.send("2probe");
      await until("the websocket is not read on", () => (this.#engine.cluster?.stats().counts["relayPauses"] ?? 0) > 0);
      websocket.terminate();
    });
  }

  /** To one websocket at another node more than may be under way to that node, and to a second one something more. */
  async #muchForOther(): Promise<void> {
    await this.#withOther(async (other) => {
      const clients = [await this.#open("1.1.1.1"), await this.#open("1.1.1.2")].map((sid) => new RawClient(sid));
      const websockets = await Promise.all(clients.map((client) => client.upgrade(other)));
      const sockets = clients.map(({ sid }) => this.#engine.clients[sid]!);
      await until("both have gone over", () => sockets.every(({ upgraded }) => upgraded));
      for (const [i, length] of [9_000_000, 1].entries()) sockets[i]?.send("x".repeat(length));
      assert.deepEqual(
        await Promise.all(websockets.map((websocket) => websocket.next().then((text) => text?.length))),
        [9_000_001, 2],
      );
      for (const websocket of websockets) websocket.terminate();
    });
    this.#end();
  }

  /** With another node of the same cluster. */
  async #withOther(act: (url: string) => Promise<void>): Promise<void> {
    const http = createServer();
    const other = new Server({ cluster: this.#cluster });
    other.attach(http);
    await other.ready();
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    try {
      await act(`http://127.0.0.1:${(http.address() as AddressInfo).port}`);
    } finally {
      other.close();
      await other.closed();
      http.closeAllConnections();
      http.close();
    }
  }

  get #port(): number {
    return (this.#http.address() as AddressInfo).port;
  }

  #url(sid: string, t: string): string {
    return `http://127.0.0.1:${this.#port}/engine.io/?EIO=4&transport=polling&sid=${sid}&t=${t}`;
  }

  #handshake(address: string): Promise<Response> {
    const headers = { "x-forwarded-for": address };
    return fetch(`http://127.0.0.1:${this.#port}/engine.io/?EIO=4&transport=polling`, { headers });
  }

  async #open(address: string): Promise<string> {
    const response = await this.#handshake(address);
    assert.equal(response.status, 200);
    return (JSON.parse((await response.text()).slice(1)) as { sid: string }).sid;
  }

  #post(sid: string, bytes: number): Promise<Response> {
    const headers = { "content-type": "text/plain" };
    return fetch(this.#url(sid, `p${bytes}`), { method: "POST", body: "4".padEnd(bytes, "x"), headers });
  }

  #end(): void {
    for (const socket of Object.values(this.#engine.clients)) socket.close(true);
  }
}
