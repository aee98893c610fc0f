import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, IncomingMessage, type Server as HttpServer } from "node:http";
import { connect, Socket as Connection, type AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { describe } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import type { EngineOptions } from "../../src/options";
import type { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, http, RawClient, type TestEngines } from "../helpers/engines";
import { PlainClient, contents } from "../helpers/plain-client";
import { until } from "../helpers/until";

interface Seen {
  readonly engine: Engine;
  readonly socket: Socket;
}

function connections(engines: TestEngines): Seen[] {
  const seen: Seen[] = [];
  for (const engine of engines.engines) engine.on("connection", (socket: Socket) => seen.push({ engine, socket }));
  return seen;
}

/** Engines whose applications are asked about each request, and others. */
const LEAVERS: readonly [string, EngineOptions][] = [
  ["", {}],
  [" (authorizeRequest)", { authorizeRequest: () => true }],
];

/** A request that a node has taken before it left, and that is whole behind that. */
class Late {
  readonly #connection: Connection;
  readonly #closed: Promise<unknown>;
  readonly #rest: string;
  #said = "";

  /** `rest`: what comes late; where the head was not ended its end comes before. */
  constructor(port: number, begin: string, rest = "") {
    this.#rest = begin.includes("\r\n\r\n") ? rest : `\r\nHost: a\r\n\r\n${rest}`;
    this.#connection = connect(port, "127.0.0.1");
    this.#connection.setEncoding("utf8").on("data", (chunk: string) => (this.#said += chunk));
    this.#closed = once(this.#connection, "close");
    this.#connection.write(begin);
  }

  taken(): Promise<unknown> {
    return once(this.#connection, "connect");
  }

  /** What it was answered. */
  async goOn(): Promise<string> {
    this.#connection.write(this.#rest);
    await this.#closed;
    return this.#said;
  }
}

/** The engines behind HTTP servers of a program's own, which hands requests over itself. */
async function handedOver(
  engines: TestEngines,
  test: (engines: TestEngines) => Promise<void>,
  upgrade = (engine: Engine, request: IncomingMessage, socket: Duplex, head: Buffer): void =>
    engine.handleUpgrade(request, socket, head),
): Promise<void> {
  const servers: HttpServer[] = [];
  for (const engine of engines.engines) {
    const server = createServer((request, response) => engine.handleRequest(request, response));
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      upgrade(engine, request, socket, head),
    );
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  // As the engines' own servers take turns.
  const next = (): string =>
    `http://127.0.0.1:${String(ports[engines.ports.indexOf(Number(new URL(engines.next()).port))])}`;
  try {
    await test({ ...engines, next });
  } finally {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  }
}

function requestOf(url: string, method = "GET"): IncomingMessage {
  return Object.assign(new IncomingMessage(new Connection()), { url, method });
}

/** An echo by polling, through an upgrade, and by websocket. */
async function echoes(engines: TestEngines): Promise<void> {
  const seen = connections(engines);
  const client = await PlainClient.open(engines, 4);
  const { socket } = seen[0] ?? assert.fail();
  socket.on("message", (data: unknown) => socket.send(data));
  await client.send("by polling");
  assert.deepEqual(await client.messages(), ["by polling"]);
  const websocket = await client.websocket();
  websocket.packet("ping", "probe");
  await until("the pong is there", () => websocket.got.length > 0);
  websocket.packet("upgrade");
  websocket.send("by websocket");
  await until("it has come back", () => websocket.got.length > 1);
  assert.deepEqual(contents(websocket.got), ["by websocket"]);
  assert.equal(socket.upgraded, true);
  websocket.socket.terminate();
  // A session that has a websocket from the start.
  const direct = new WebSocket(`${engines.next().replace("http", "ws")}/engine.io/?EIO=4&transport=websocket`);
  await once(direct, "message");
  await until("the session is there", () => seen.length > 1);
  seen[1]?.socket.send("hello");
  assert.equal(String((await once(direct, "message"))[0]), "4hello");
  direct.terminate();
}

describe("clients and clientsCount", () => {
  behaviour("are the sessions whose sockets are in this process", async (engines) => {
    const seen = connections(engines);
    const clients = [await RawClient.open(engines), await RawClient.open(engines), await RawClient.open(engines)];
    for (const { engine, socket } of seen) assert.equal(engine.clients[socket.id], socket);
    const count = (): number => engines.engines.reduce((sum, { clientsCount }) => sum + clientsCount, 0);
    assert.equal(count(), 3);
    const keys = engines.engines.flatMap((engine) => Object.keys(engine.clients));
    assert.deepEqual(keys.sort(), clients.map(({ sid }) => sid).sort());
    let inListener: number | undefined;
    seen[0]?.socket.on("close", () => (inListener = count()));
    await clients[0]?.post("1");
    assert.equal(inListener, 2);
    assert.equal(count(), 2);
  });
});

describe("handleRequest and handleUpgrade", () => {
  behaviour("serve what a program hands over", (engines) => handedOver(engines, echoes));
});

describe("onWebSocket", () => {
  behaviour("takes a websocket whose handshake a program has completed", (engines) => {
    const websockets = new WebSocketServer({ noServer: true });
    return handedOver(engines, echoes, (engine, request, socket, head) => {
      engine.prepare(request);
      websockets.handleUpgrade(request, socket, head, (websocket) => engine.onWebSocket(request, socket, websocket));
    });
  });
});

describe("prepare, verify and upgrades", () => {
  behaviour(
    "prepare gives the request its query, and keeps one that it has",
    async ({ engines: [engine = assert.fail()] }) => {
      const request = requestOf("/engine.io/?a=1&b=%20");
      const prepared = engine.prepare(request);
      assert.equal(prepared, request);
      assert.deepEqual({ ...prepared._query }, { a: "1", b: " " });
      const given = { own: "1" };
      const has = Object.assign(requestOf("/?a=1"), { _query: given });
      assert.equal(engine.prepare(has)._query, given);
      await Promise.resolve();
    },
  );
  behaviour("verify tells what is wrong with a request, inside the call", async (engines) => {
    const client = await RawClient.open(engines);
    const [engine = assert.fail()] = engines.engines;
    const verdict = (query: string, upgrade = false, method = "GET"): unknown[] => {
      const request = engine.prepare(requestOf(`/engine.io/?${query}`, method));
      let told: unknown[] | undefined;
      // Protected, as in engine.io's types; programs of version 3 call it all the same.
      Reflect.apply(methodOf(engine, "verify"), engine, [request, upgrade, (...args: unknown[]) => (told = args)]);
      return told ?? assert.fail("not told inside the call");
    };
    assert.deepEqual(verdict("EIO=4&transport=polling"), []);
    assert.deepEqual(verdict("EIO=4&transport=websocket", true), []);
    assert.deepEqual(verdict("EIO=4&transport=none"), [0, { transport: "none" }]);
    assert.deepEqual(verdict("EIO=4&transport=polling", false, "POST"), [2, { method: "POST" }]);
    assert.deepEqual(verdict("EIO=4&transport=websocket"), [3, { name: "TRANSPORT_HANDSHAKE_ERROR" }]);
    assert.deepEqual(verdict(`EIO=4&transport=polling&sid=${client.sid}`), []);
    // In a cluster its owner knows, which is asked later.
    const unknown = verdict("EIO=4&transport=polling&sid=nobody");
    assert.deepEqual(unknown, engines.mode === "local" ? [1, { sid: "nobody" }] : []);
  });
  behaviour("upgrades are those of a transport; init can be called", async ({ engines: [engine = assert.fail()] }) => {
    assert.deepEqual([engine.upgrades("polling"), engine.upgrades("websocket")], [["websocket"], []]);
    Reflect.apply(methodOf(engine, "init"), engine, []);
    assert.ok(engine.ws instanceof WebSocketServer);
    await Promise.resolve();
  });
});

describe("generateId", () => {
  behaviour("makes the ids, asynchronously too, and sees the request", async (engines) => {
    let made = 0;
    for (const engine of engines.engines)
      engine.generateId = async (request) => {
        await Promise.resolve();
        return `${new URL(request.url ?? "", "http://a").searchParams.get("name") ?? ""} ${String(++made)} é/?&`;
      };
    const seen = connections(engines);
    const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling&name=ada`);
    const client = new RawClient(engines);
    client.sid = encodeURIComponent((JSON.parse(reply.body.slice(1)) as { sid: string }).sid);
    const { socket } = seen[0] ?? assert.fail();
    assert.equal(socket.id, "ada 1 é/?&");
    assert.equal((await client.post("4x")).status, 200);
    socket.send("y");
    assert.equal((await client.poll()).body, "4y");
  });
  behaviour(
    "is asked three times where ids are taken in the cluster, or too long",
    async (engines) => {
      const asked: string[] = [];
      const errors: unknown[] = [];
      engines.on("connection_error", ({ context }: { context: { name: string; error: Error } }) =>
        errors.push(context.name, context.error.message),
      );
      let ids = ["one"];
      for (const engine of engines.engines)
        engine.generateId = () => {
          asked.push(ids[0] ?? "");
          return ids.length > 1 ? (ids.shift() ?? "") : (ids[0] ?? "");
        };
      const handshake = (): ReturnType<typeof http> => http(`${engines.next()}/engine.io/?EIO=4&transport=polling`);
      assert.match((await handshake()).body, /"sid":"one"/);
      ids = ["one", "two"];
      assert.match((await handshake()).body, /"sid":"two"/);
      asked.length = 0;
      ids = ["one"];
      const taken = await handshake();
      assert.deepEqual([taken.status, taken.body], [400, '{"code":3,"message":"Bad request"}']);
      assert.deepEqual(asked, ["one", "one", "one"]);
      ids = ["x".repeat(129)];
      assert.equal((await handshake()).status, 400);
      ids = ["x".repeat(128)];
      assert.equal((await handshake()).status, 200);
      assert.deepEqual(errors, [
        "ID_GENERATION_ERROR",
        "the session ids generated were taken",
        "ID_GENERATION_ERROR",
        "a session id has 1 to 128 characters",
      ]);
    },
    {},
    CLUSTERED,
  );
});

describe("close", () => {
  behaviour("ends the sessions that are here, in the call, and those of other nodes live", async (engines) => {
    const seen = connections(engines);
    const clients = [await RawClient.open(engines), await RawClient.open(engines), await RawClient.open(engines)];
    const [closing = assert.fail()] = engines.engines;
    const reasons = new Map<string, unknown>();
    for (const { socket } of seen) socket.on("close", (reason: string) => reasons.set(socket.id, reason));
    const here = seen.filter(({ engine }) => engine === closing).map(({ socket }) => socket.id);
    assert.ok(here.length > 0);
    assert.equal(closing.close(), closing);
    assert.equal(closing.clientsCount, 0);
    assert.deepEqual([...reasons.keys()].sort(), here.sort());
    for (const reason of reasons.values()) assert.equal(reason, "forced close");
    assert.equal(closing.close(), closing);
    await closing.closed();
    for (const { engine, socket } of seen) {
      if (engine === closing) continue;
      assert.equal(socket.readyState, "open");
      const port = engines.ports[engines.engines.indexOf(engine)];
      const url = `http://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=polling&sid=${socket.id}`;
      socket.send("alive");
      assert.equal((await http(url)).body, "4alive");
    }
    // A session that was closed is unknown to all that are left.
    if (engines.mode === "local" || engines.mode === "owner") return;
    const gone = clients.find(({ sid }) => here.includes(sid))?.sid ?? "";
    for (const port of engines.ports.slice(1)) {
      const reply = await http(`http://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=polling&sid=${gone}`);
      assert.deepEqual([reply.status, reply.body], [400, '{"code":1,"message":"Session ID unknown"}']);
    }
  });
  behaviour(
    "a node that has closed answers 503, and says when to come again",
    async (engines) => {
      const [closing = assert.fail()] = engines.engines;
      const client = await RawClient.open(engines);
      closing.close();
      await closing.closed();
      const base = `http://127.0.0.1:${String(engines.ports[0])}/engine.io/?EIO=4&transport=polling`;
      for (const url of [base, `${base}&sid=${client.sid}`]) {
        const { status, headers } = await http(url);
        assert.deepEqual([status, headers["retry-after"]], [503, "1"]);
      }
    },
    {},
    CLUSTERED,
  );
  for (const [what, options] of LEAVERS) {
    behaviour(
      `a node that has left breaks off what comes late, so that a balancer sends it to another node${what}`,
      async (engines) => {
        const [leaving = assert.fail()] = engines.engines;
        const port = engines.ports[0] ?? assert.fail();
        const client = await RawClient.open(engines);
        const path = "/engine.io/?EIO=4&transport=polling";
        const late = [
          new Late(port, `GET ${path} HTTP/1.1`),
          new Late(port, `GET ${path}&sid=${client.sid} HTTP/1.1`),
          new Late(port, `POST ${path}&sid=${client.sid} HTTP/1.1\r\nContent-Length: 2`, "4x"),
          new Late(port, `POST ${path}&sid=${client.sid} HTTP/1.1\r\nContent-Length: 2\r\nHost: a\r\n\r\n4`, "x"),
        ];
        await Promise.all(late.map((one) => one.taken()));
        await leaving.drain({ timeout: 3000 });
        for (const one of late) assert.equal(await one.goOn(), "");
      },
      options,
      ["next"],
    );
  }
});

describe("flush and drain of the server", () => {
  behaviour("tell the socket, and the packets that leave", async (engines) => {
    const seen = connections(engines);
    const events: unknown[] = [];
    const client = await RawClient.open(engines);
    const { socket } = seen[0] ?? assert.fail();
    engines.on("flush", (from: Socket, packets: { type: string; data: unknown }[]) =>
      events.push(["flush", from === socket, packets.map(({ type, data }) => [type, data])]),
    );
    engines.on("drain", (from: Socket) => events.push(["drain", from === socket]));
    const poll = client.poll();
    await until("the poll is parked", () => socket.transport.writable);
    socket.send("x");
    assert.equal((await poll).body, "4x");
    await until("it has drained", () => events.length > 1);
    assert.deepEqual(events, [
      ["flush", true, [["message", "x"]]],
      ["drain", true],
    ]);
  });
});

function methodOf(of: object, name: string): () => unknown {
  const method: unknown = Reflect.get(of, name);
  assert.ok(typeof method === "function", `${name} is no method`);
  return method as () => unknown;
}
