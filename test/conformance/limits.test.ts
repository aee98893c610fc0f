import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, type Socket as Connection } from "node:net";
import { describe, it } from "node:test";
import engine from "../../src/index";
import { OverloadedError } from "../../src/routing/remote-sends";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE, type RawReply } from "../helpers/raw-http";
import { until } from "../helpers/until";

/** A POST whose body comes when the test says so. */
class SlowPost {
  readonly connection: Connection;
  readonly #chunks: Buffer[] = [];

  constructor(port: number, sid: string, length: number) {
    this.connection = connect(port, "127.0.0.1");
    this.connection.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
    this.connection.on("error", () => undefined);
    this.connection.write(
      `POST /engine.io/?EIO=4&transport=polling&sid=${sid}&t=slow HTTP/1.1\r\nHost: a\r\n` +
        `Content-Type: text/plain\r\nContent-Length: ${String(length)}\r\n\r\n`,
    );
  }

  write(text: string): void {
    this.connection.write(text);
  }

  get answer(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  async answered(): Promise<string> {
    await until("it is answered", () => this.answer.includes("\r\n\r\n"));
    return this.answer;
  }
}

function port(engines: TestEngines): number {
  return engines.ports[0] ?? assert.fail();
}

function handshake(engines: TestEngines, headers: Record<string, string> = {}): Promise<RawReply> {
  return raw(`http://127.0.0.1:${String(port(engines))}/engine.io/?EIO=4&transport=polling`, { headers });
}

function echo(engines: TestEngines): void {
  engines.on("connection", (socket: Socket) => {
    socket.on("message", (data: string) => socket.send(data));
  });
}

/** The session goes on: what it says is answered. */
async function goesOn(client: RawClient, text: string): Promise<void> {
  assert.equal((await client.post(`4${text}`)).status, 200);
  assert.equal((await client.poll()).body, `4${text}`);
}

/** Nothing is held any more at any node. */
async function isEmpty(engines: TestEngines): Promise<void> {
  await until("nothing is under way", () =>
    engines.engines.every(({ load }) => load.requests === 0 && load.bodyBytes === 0),
  );
}

function refused(engines: TestEngines, limit: keyof TestEngines["engines"][0]["load"]["refused"]): number {
  return engines.engines.reduce((sum, { load }) => sum + load.refused[limit], 0);
}

describe("limits", () => {
  behaviour(
    "a body that takes too long is answered 408 and its connection closed; the session lives",
    async (engines) => {
      echo(engines);
      const client = await RawClient.open(engines);
      const post = new SlowPost(port(engines), client.sid, 100);
      const started = Date.now();
      const drip = setInterval(() => post.write("4"), 50);
      const closed = once(post.connection, "close");
      const answer = await post.answered().finally(() => clearInterval(drip));
      assert.match(answer, /^HTTP\/1\.1 408 /);
      assert.match(answer, /connection: close/i);
      await closed;
      assert.ok(Date.now() - started >= 400);
      assert.equal(refused(engines, "bodyTimeout"), 1);
      await goesOn(client, "after");
      await isEmpty(engines);
    },
    { limits: { bodyTimeout: 400 } },
  );

  behaviour(
    "bodies beyond what all may hold are answered 503, and taken again when there is room",
    async (engines) => {
      echo(engines);
      const [slow, other] = [await RawClient.open(engines), await RawClient.open(engines)];
      const post = new SlowPost(port(engines), slow.sid, 950);
      const url = `http://127.0.0.1:${String(port(engines))}/engine.io/?EIO=4&transport=polling&sid=${other.sid}`;
      post.write(`4${"x".repeat(899)}`);
      await until("it is read", () => engines.engines[0]?.load.bodyBytes === 900);
      const body = `4${"y".repeat(199)}`;
      const headers = { "content-type": "text/plain", "transfer-encoding": "chunked" };
      for (const chunked of [false, true]) {
        const reply = await raw(`${url}&t=a`, { method: "POST", body, ...(chunked ? { headers } : {}) });
        assert.equal(reply.status, 503);
        assert.equal(reply.headers["retry-after"], "1");
        assert.equal(reply.headers.connection, "close");
      }
      assert.equal(refused(engines, "bodyBytes"), 2);
      post.write("x".repeat(50));
      assert.match(await post.answered(), /^HTTP\/1\.1 200 /);
      post.connection.destroy();
      await until("there is room", () => engines.engines[0]?.load.bodyBytes === 0);
      assert.equal((await raw(`${url}&t=b`, { method: "POST", body })).status, 200);
      assert.equal((await other.poll()).body, body);
      await isEmpty(engines);
    },
    { limits: { bodyBytes: 1000 } },
  );

  behaviour(
    "a body longer than a node can say to another is answered 413 where its owner is elsewhere, and sends are refused",
    async (engines) => {
      const lengths: number[] = [];
      engines.on("connection", (socket: Socket) => {
        socket.on("message", (data: string) => lengths.push(data.length));
      });
      const client = await RawClient.open(engines);
      const size = 64 * 1024 * 1024 + 1;
      const text = "x".repeat(size);
      // At three nodes one after the other: one of them is its owner.
      const statuses: number[] = [];
      for (let n = 0; n < 3; n++) statuses.push((await client.post(`4${text}`)).status);
      assert.deepEqual(statuses.sort(), [200, 413, 413]);
      assert.deepEqual(lengths, [size]);
      assert.equal((await client.post("4goes on")).status, 200);
      await until("it is handled", () => lengths.length === 2);
      const elsewhere = engines.nodes.find((node) => node.session(client.sid) === undefined) ?? assert.fail();
      await assert.rejects(elsewhere.sends.send(client.sid, text, undefined), /RangeError.*64 MiB/);
    },
    { maxHttpBufferSize: 100_000_000 },
    ["next"],
  );

  behaviour("a body whose connection breaks is let go", async (engines) => {
    const client = await RawClient.open(engines);
    const post = new SlowPost(port(engines), client.sid, 950);
    post.write("4x");
    await until("it is read", () => engines.engines[0]?.load.bodyBytes === 2);
    post.connection.destroy();
    await isEmpty(engines);
  });

  behaviour(
    "requests beyond those that may be under way are answered 503, whatever they want",
    async (engines) => {
      const clients = [await RawClient.open(engines), await RawClient.open(engines)];
      const base = `http://127.0.0.1:${String(port(engines))}/engine.io/?EIO=4&transport=`;
      const parked = clients.map(({ sid }) => raw(`${base}polling&sid=${sid}&t=parked`));
      await until("they are parked", () => engines.engines[0]?.load.requests === 2);
      const sid = clients[0]?.sid ?? "";
      for (const [url, request] of [
        [`polling&sid=${sid}&t=other`, {}],
        [`polling&sid=${sid}&t=other`, { method: "POST", body: "4x" }],
        ["polling", {}],
        ["websocket", { headers: { ...UPGRADE } }],
        [`websocket&sid=${sid}`, { headers: { ...UPGRADE } }],
      ] as const) {
        const reply = await raw(`${base}${url}`, request);
        assert.equal(reply.status, 503, url);
        assert.equal(reply.headers["retry-after"], "1");
      }
      assert.equal(refused(engines, "requests"), 5);
      for (const one of engines.engines) for (const socket of Object.values(one.clients)) socket.send("x");
      for (const reply of await Promise.all(parked)) assert.equal(reply.status, 200);
      await isEmpty(engines);
      assert.equal((await raw(`${base}polling`)).status, 200);
    },
    { limits: { requests: 2 } },
    CLUSTERED,
  );

  behaviour(
    "sessions beyond those that may be here are answered 503 until one of them ends",
    async (engines) => {
      const sockets: Socket[] = [];
      engines.on("connection", (socket: Socket) => sockets.push(socket));
      for (let i = 0; i < 2; i++) assert.equal((await handshake(engines)).status, 200);
      const reply = await handshake(engines);
      assert.equal(reply.status, 503);
      assert.equal(reply.headers["retry-after"], "1");
      const websocket = `http://127.0.0.1:${String(port(engines))}/engine.io/?EIO=4&transport=websocket`;
      const answer = await raw(websocket, { headers: { ...UPGRADE } });
      assert.equal(answer.status, 503);
      assert.equal(answer.headers["retry-after"], "1");
      assert.equal(refused(engines, "sessions"), 2);
      sockets[0]?.close(true);
      await until("it has ended", () => sockets[0]?.readyState === "closed");
      assert.equal((await raw(websocket, { headers: { ...UPGRADE } })).status, 101);
      // Its connection is gone, and its session with it.
      await until("there is room again", () => engines.engines[0]?.load.sessions === 1);
      assert.equal((await handshake(engines)).status, 200);
    },
    { limits: { sessions: 2 } },
  );

  behaviour(
    "sessions of one address beyond its share are answered 429, others let in",
    async (engines) => {
      const from = (address: string): Promise<number> =>
        handshake(engines, { "x-forwarded-for": address }).then(({ status }) => status);
      // Only what the one trusted proxy says counts: the last.
      assert.equal(await from("1.1.1.1, 2.2.2.2"), 200);
      assert.equal(await from("3.3.3.3, 2.2.2.2"), 200);
      assert.equal(await from("4.4.4.4, 2.2.2.2"), 429);
      assert.equal(await from("1.1.1.1"), 200);
      assert.equal(await from("2001:db8:1:2::1"), 200);
      assert.equal(await from("2001:db8:1:2:ffff::2"), 200);
      assert.equal(await from("2001:db8:1:2:3::3"), 429);
      assert.equal(await from("2001:db8:1:3::3"), 200);
      assert.equal(refused(engines, "sessionsPerAddress"), 2);
    },
    { limits: { sessionsPerAddress: 2 }, trustProxy: 1 },
  );

  behaviour(
    "the address of the connection counts where no proxy is trusted",
    async (engines) => {
      for (const [address, status] of [
        ["1.1.1.1", 200],
        ["2.2.2.2", 429],
      ] as const)
        assert.equal((await handshake(engines, { "x-forwarded-for": address })).status, status);
    },
    { limits: { sessionsPerAddress: 1 } },
  );

  for (const [name, tuning] of [
    ["maxWaitingSends", { maxWaitingSends: 2 }],
    ["maxWaitingSendSize", { maxWaitingSendSize: 6 }],
  ] as const) {
    it(`cluster.send takes no more than ${name}, and goes on when there is room`, async () => {
      const engines = await startEngines("next", {}, tuning);
      try {
        const client = await RawClient.open(engines);
        const [node] = engines.nodes;
        assert.ok(node !== undefined);
        const sent = [1, 2, 3].map((i) => node.sends.send(client.sid, `m${String(i)}`, undefined));
        const results = await Promise.allSettled(sent);
        assert.deepEqual(
          results.map(({ status }) => status),
          ["fulfilled", "fulfilled", "rejected"],
        );
        assert.ok(results[2]?.status === "rejected" && results[2].reason instanceof OverloadedError);
        assert.equal(node.sends.refused, 1);
        assert.equal(node.sends.waiting, 0);
        assert.equal(await node.sends.send(client.sid, "m4", undefined), true);
        assert.equal((await client.poll()).body, "4m1\x1e4m2\x1e4m4");
      } finally {
        await engines.stop();
      }
    });
  }

  for (const [name, values] of Object.entries({
    limits: [5, [], { requests: 0 }, { bodyBytes: "1mb" }, { bodyTimeout: Infinity }, { sessions: -1 }],
    trustProxy: [true, -1, 1.5, [], "10.0.0.0/33", ["nonsense"], "10.0.0.1/8/9", [5]],
  })) {
    it(`${name} that cannot be meant is refused, and the error says what may be`, () => {
      for (const value of values)
        assert.throws(
          () => new engine.Server({ [name]: value }),
          (error: unknown) => error instanceof engine.OptionError && error.message.includes(name),
          JSON.stringify(value),
        );
    });
  }
});
