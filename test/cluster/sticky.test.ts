import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test, type TestContext } from "node:test";
import { Socket } from "engine.io-client";
import { until } from "../helpers/until";
import type { LineProcess } from "./helpers/line-process";
import { accounts, ask, portOf, serve, TEST_APP } from "./helpers/serve-kit";

const WORKERS = 3;
const SESSIONS = 30;
const MESSAGES = 10;

async function start(t: TestContext): Promise<{ readonly started: LineProcess; readonly port: number }> {
  const started = serve(t, { WORKERS: String(WORKERS), APP: TEST_APP }, ["--balancer", "sticky"]);
  return { started, port: await portOf(started) };
}

/** A stock client that sends numbered messages, text and binary, and keeps what comes back. */
class Client {
  readonly socket: Socket;
  readonly received: unknown[] = [];
  readonly closes: string[] = [];

  constructor(t: TestContext, port: number, transports: ("polling" | "websocket")[]) {
    this.socket = new Socket(`http://127.0.0.1:${String(port)}`, { transports });
    this.socket.on("message", (data) => this.received.push(data));
    this.socket.on("close", (reason) => this.closes.push(reason));
    t.after(() => this.socket.close());
  }

  /** Each message is sent when the one before has come back, so that many requests are made. */
  async talk(): Promise<void> {
    if (this.socket.readyState !== "open") await once(this.socket as unknown as NodeJS.EventEmitter, "open");
    const sent: unknown[] = [];
    for (let n = 0; n < MESSAGES; n++) {
      const message = n % 2 === 0 ? `message ${String(n)}` : Buffer.from([n, 0, 255]);
      sent.push(message);
      this.socket.send(message);
      await until(`message ${String(n)} is echoed`, () => this.received.length === sent.length);
    }
    assert.deepEqual(this.received, sent);
    assert.deepEqual(this.closes, []);
  }
}

/** One request of a polling session, made by hand. */
class RawSession {
  readonly #port: number;
  readonly sid: string;
  #t = 0;

  private constructor(port: number, sid: string) {
    this.#port = port;
    this.sid = sid;
  }

  static async open(port: number): Promise<RawSession> {
    const { status, body } = await ask(port, "GET", "/engine.io/?EIO=4&transport=polling");
    assert.equal(status, 200);
    return new RawSession(port, (JSON.parse(body.slice(1)) as { sid: string }).sid);
  }

  get path(): string {
    return `/engine.io/?EIO=4&transport=polling&sid=${this.sid}&t=r${String(this.#t++)}`;
  }

  async echo(text: string): Promise<void> {
    assert.equal((await ask(this.#port, "POST", this.path, `4${text}`)).status, 200);
    let packets: string[] = [];
    while (packets.length === 0) {
      const { status, body } = await ask(this.#port, "GET", this.path);
      assert.equal(status, 200);
      // A new owner pings soon.
      packets = body.split("\x1e").filter((packet) => packet !== "2");
    }
    assert.deepEqual(packets, [`4${text}`]);
  }
}

/** Requests of one session that the balancer gives to each worker in turn. */
async function toElsewhere(port: number): Promise<void> {
  const session = await RawSession.open(port);
  const first = session.sid.charCodeAt(0).toString(16);
  // The same id in other letters is none that the balancer knows.
  const path = session.path.replace(session.sid, `%${first}${session.sid.slice(1)}`);
  for (let n = 0; n < WORKERS; n++) {
    assert.equal((await ask(port, "POST", `${path}${String(n)}`, `4message ${String(n)}`)).status, 200);
    assert.equal((await ask(port, "GET", `${path}${String(n)}`)).body, `4message ${String(n)}`);
  }
  const counts = (await accounts(port, WORKERS)).map(({ stats }) => stats!.counts);
  const remote = counts.reduce((all, of) => all + (of["polls.remote"] ?? 0) + (of["posts.remote"] ?? 0), 0);
  assert.ok(remote >= WORKERS, `remote ${String(remote)}`);
}

describe("--balancer sticky", { concurrency: 2 }, () => {
  for (const transports of [["polling"], ["polling", "websocket"]] as ("polling" | "websocket")[][]) {
    test(`stock clients: ${transports.join(", ")}`, async (t) => {
      const { started, port } = await start(t);
      const clients = Array.from({ length: SESSIONS }, () => new Client(t, port, transports));
      await Promise.all(clients.map((client) => client.talk()));
      if (transports.includes("websocket")) {
        await until("all have upgraded", () => clients.every(({ socket }) => socket.transport.name === "websocket"));
      }
      const counts = (await accounts(port, WORKERS)).map(({ stats }) => stats!.counts);
      const sum = (name: string): number => counts.reduce((all, of) => all + (of[name] ?? 0), 0);
      const local = sum("polls.local") + sum("posts.local");
      const remote = sum("polls.remote") + sum("posts.remote");
      t.diagnostic(`requests: ${String(local)} local, ${String(remote)} remote; ${String(sum("relayed"))} relayed`);
      assert.ok(local > 10 * remote, `local ${String(local)}, remote ${String(remote)}`);
      assert.ok(sum("relayed") <= SESSIONS / 10, `websockets that came to another worker: ${String(sum("relayed"))}`);
      for (const { socket } of clients) socket.close();
      started.kill("SIGTERM");
      assert.equal(await started.exit(), 0);
    });
  }

  test("sessions are spread, bodies of many chunks arrive whole, requests that come elsewhere are served", async (t) => {
    const { port } = await start(t);
    const sessions = await Promise.all(Array.from({ length: 9 }, () => RawSession.open(port)));
    await Promise.all(sessions.map((session) => session.echo("x".repeat(300_000))));
    const owned = (await accounts(port, WORKERS)).map(({ sids }) => sids.length);
    assert.deepEqual(owned, [3, 3, 3]);
    await toElsewhere(port);
    // So that each request is sorted anew.
    assert.equal((await ask(port, "GET", "/engine.io/?EIO=4&transport=polling")).connection, "close");
  });

  test("a killed worker's polling sessions go on elsewhere", async (t) => {
    const { started, port } = await start(t);
    const sessions = await Promise.all(Array.from({ length: 12 }, () => RawSession.open(port)));
    await Promise.all(sessions.map((session) => session.echo("before")));
    const [victim] = await accounts(port, WORKERS);
    assert.equal(victim!.sids.length, 4);
    process.kill(victim!.pid, "SIGKILL");
    await started.logged(/worker ended/);
    // Its place is taken at once by a process that cannot serve yet, and gets no requests until it can.
    await Promise.all(sessions.map((session) => session.echo("after")));
    await started.logged(/worker ready/, WORKERS + 1);
    await Promise.all(sessions.map((session) => session.echo("later")));
    const taken = (await accounts(port, WORKERS)).flatMap(({ takeovers }) => takeovers.map(({ sid }) => sid));
    assert.deepEqual(taken.sort(), [...victim!.sids].sort());
  });
});
