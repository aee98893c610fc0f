import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { connect, type Socket as NetSocket } from "node:net";
import { afterEach, describe, test } from "node:test";
import { Socket as StockSocket } from "engine.io-client";
import type { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { startServe, type ServeProcess } from "../helpers/cluster";
import { startEngines, type TestEngines } from "../helpers/engines";
import { waitFor } from "../helpers/wait-for";
import { within } from "../helpers/within";
import { RawClient, RawWebSocket } from "./raw";

/** More than the kernel takes for a client that does not read: 4 MB and a little. */
const CHUNK = 900_000;
const CHUNKS = 9;

let engines: TestEngines | undefined;
let server: ServeProcess | undefined;

afterEach(async () => {
  await engines?.stop();
  await server?.stop();
  engines = server = undefined;
});

/** A poll whose client reads when it is told to. */
class SlowPoll {
  readonly connection: NetSocket;
  #text = "";

  constructor(port: number, sid: string) {
    this.connection = connect(port, "127.0.0.1");
    this.connection.on("error", () => undefined);
    this.connection.pause();
    this.connection.write(`GET /engine.io/?EIO=4&transport=polling&t=slow&sid=${sid} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }

  /** All that comes until the connection ends. */
  async read(): Promise<string> {
    this.connection.setEncoding("latin1");
    this.connection.on("data", (text: string) => {
      this.#text += text;
    });
    const closed = new Promise((resolve) => this.connection.once("close", resolve));
    this.connection.resume();
    await within("the answer to be read to its end", closed, 60_000);
    return this.#text;
  }
}

function assertWhole(answer: string): void {
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  assert.match(head, /^HTTP\/1.1 200 /);
  assert.equal(body.length, CHUNKS * (CHUNK + 1) + CHUNKS - 1);
}

async function connection(engine: Engine, open: () => unknown): Promise<Socket> {
  const connected = once(engine, "connection") as Promise<[Socket]>;
  open();
  const [socket] = await connected;
  return socket;
}

/** A node of its own whose answer to a poll is on its way, to a client that does not read. */
async function slowReader() {
  const { engines: all, servers, ports } = (engines = await startEngines("next"));
  const [engine, http, port] = [all[0]!, servers[0]!, ports[0]!];
  const socket = await connection(engine, () => void RawClient.open(`http://127.0.0.1:${port}`));
  for (let i = 0; i < CHUNKS; i++) socket.send("x".repeat(CHUNK));
  const taken = once(http, "connection") as Promise<[NetSocket]>;
  const poll = new SlowPoll(port, socket.id);
  const [held] = await taken;
  await waitFor("the answer to be on its way", () => held.writableLength > 0);
  return { engine, http, poll, held };
}

describe("a node that leaves while a client reads slowly", () => {
  test("lets the answer to its poll be read to its end, and ends behind it", async () => {
    const { engine, http, poll, held } = await slowReader();
    const closed = once(http, "close");
    const drained = engine.drain({ timeout: 30_000 });
    await waitFor("the node to take no more connections", () => !http.listening);
    assert.ok(held.writableLength > 0);
    assertWhole(await poll.read());
    await Promise.all([drained, closed]);
  });

  test("is not held up by it for longer than its time to leave", async () => {
    const { engine, poll, held } = await slowReader();
    await within("it to have left", engine.drain({ timeout: 1_500 }), 10_000);
    assert.ok(held.writableLength > 0);
    poll.connection.destroy();
  });

  test("closes its websocket when the time is over, though what was sent to it was not read", async () => {
    const { engines: all, ports } = (engines = await startEngines("next"));
    const [engine, port] = [all[0]!, ports[0]!];
    let opened: ReturnType<typeof RawWebSocket.session> | undefined;
    const socket = await connection(engine, () => (opened = RawWebSocket.session(`http://127.0.0.1:${port}`)));
    const { websocket } = await opened!;
    websocket.socket.pause();
    for (let i = 0; i < CHUNKS; i++) socket.send("x".repeat(CHUNK));
    await waitFor("all of it to be with the kernel and the connection", () => socket.writeBuffer.length === 0);
    socket.send("behind it");
    await within("it to have left", engine.drain({ timeout: 1_500 }), 10_000);
    assert.equal(socket.transport.readyState, "closing");
    websocket.socket.terminate();
    await waitFor("the session to have ended", () => socket.readyState === "closed");
  });

  test("is not held up by idle connections", async () => {
    const { engines: all, servers, ports } = (engines = await startEngines("local"));
    const [engine, http, port] = [all[0]!, servers[0]!, ports[0]!];
    http.keepAliveTimeout = 600_000;
    const agent = new Agent({ keepAlive: true });
    const [answer] = (await once(get({ port, host: "127.0.0.1", agent }), "response")) as [NodeJS.ReadableStream];
    answer.resume();
    await once(answer, "end");
    const closed = once(http, "close");
    await within("it to have left", Promise.all([engine.drain({ timeout: 20_000 }), closed]), 10_000);
    agent.destroy();
  });

  test("and so does the command serve at SIGTERM", async () => {
    server = await startServe();
    const client = await RawClient.open(server.url);
    for (let i = 0; i < CHUNKS; i++) assert.equal((await client.post(server.url, `4${"x".repeat(CHUNK)}`)).body, "ok");
    const poll = new SlowPoll(server.port, client.sid);
    await once(poll.connection, "readable");
    server.process.signal("SIGTERM");
    await server.process.prints(/stopping/);
    // Longer than the last responses get when everything else is done.
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assertWhole(await poll.read());
    const { code } = await server.process.ended;
    assert.equal(code, 0);
  });
});

describe("a node that leaves while a client goes over to a websocket there", () => {
  test("waits until it has, and closes the websocket then: the stock client does not hang", async () => {
    const { engines: all, ports } = (engines = await startEngines("next"));
    const engine = all[0]!;
    let drained: Promise<void> | undefined;
    engine.on("connection", (socket: Socket) => {
      socket.once("upgrading", () => {
        drained = engine.drain({ timeout: 6000 });
      });
    });
    const client = new StockSocket(`http://127.0.0.1:${ports[0]!}`);
    const events: string[] = [];
    for (const event of ["upgrade", "upgradeError", "close"] as const)
      client.on(event, () => {
        events.push(event);
      });
    await waitFor("the client to hear of its end", () => events.includes("close"));
    assert.deepEqual(events, ["upgrade", "close"]);
    await drained;
  });

  test("its session goes on at another node where the websocket is there", async () => {
    const { engines: all, nodes, ports } = (engines = await startEngines("next"));
    const [a, b] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string];
    for (const engine of all)
      engine.on("connection", (socket: Socket) => socket.on("message", (data) => socket.send(data)));
    const client = await RawClient.open(a);
    const websocket = await client.websocket(b);
    websocket.send("2probe");
    assert.equal(await websocket.next(), "3probe");
    const drained = all[0]!.drain({ timeout: 6000 });
    await waitFor("another node to own it", () => nodes.slice(1).some((node) => node.session(client.sid)));
    // Let go by the upgrade, or by the ping that follows a takeover.
    assert.match((await client.poll(b)).body, /^[26]/);
    websocket.send("5");
    websocket.send("4x");
    const messages: (string | undefined)[] = [];
    while (messages.at(-1) !== "4x") {
      assert.equal(websocket.isClosed, false);
      messages.push(await websocket.next());
    }
    await drained;
  });

  test("a gateway that leaves closes the websocket when its client has gone over to it, and not before", async () => {
    const { engines: all, ports } = (engines = await startEngines("next"));
    const [a, b] = ports.map((port) => `http://127.0.0.1:${port}`) as [string, string];
    const client = await RawClient.open(a);
    const websocket = await client.websocket(b);
    websocket.send("2probe");
    assert.equal(await websocket.next(), "3probe");
    const drained = all[1]!.drain({ timeout: 2000 });
    assert.equal((await client.poll(a)).body, "6");
    // More than half of the time, by which the others would be closed; and long before its end.
    await new Promise((resolve) => setTimeout(resolve, 1050));
    assert.equal(websocket.isClosed, false);
    websocket.send("5");
    assert.equal(await websocket.closed, 1001);
    await drained;
  });
});
