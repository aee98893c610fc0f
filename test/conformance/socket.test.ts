import assert from "node:assert/strict";
import { describe } from "node:test";
import { Socket } from "../../src/session/socket";
import type { Transport } from "../../src/transports/transport";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, RawClient, type TestEngines } from "../helpers/engines";
import { contents, PlainClient, REVISIONS, type PlainWebSocket } from "../helpers/plain-client";
import { until } from "../helpers/until";

async function open(engines: TestEngines): Promise<{ client: RawClient; socket: Socket }> {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  const client = await RawClient.open(engines);
  return { client, socket: sockets[0] ?? assert.fail() };
}

async function park({ client, socket }: { client: RawClient; socket: Socket }): Promise<Promise<{ body: string }>[]> {
  const reply = client.poll();
  await until("the poll is parked", () => socket.transport.writable);
  // In a list, since a promise that is returned by itself would be awaited.
  return [reply];
}

/** Goes over to a websocket at the next node. */
async function upgrade(client: PlainClient, socket: Socket): Promise<PlainWebSocket> {
  const websocket = await client.websocket();
  websocket.packet("ping", "probe");
  await until("the pong is there", () => websocket.got.length > 0);
  websocket.got.length = 0;
  websocket.packet("upgrade");
  await until("it is upgraded", () => socket.upgraded);
  return websocket;
}

describe("a socket", () => {
  for (const revision of REVISIONS) {
    behaviour(`is what its handshake was, protocol ${String(revision)}`, async (engines) => {
      const seen: [unknown, Socket][] = [];
      const opens: unknown[] = [];
      for (const engine of engines.engines)
        engine.on("connection", (socket: Socket) => {
          seen.push([engine, socket]);
          // Emitted before anybody could listen.
          socket.on("open", () => opens.push(1));
        });
      const client = await PlainClient.open(engines, revision);
      await client.send("x");
      const [engine, socket] = seen[0] ?? assert.fail();
      assert.ok(socket instanceof Socket);
      assert.equal(socket.id, client.sid);
      assert.equal(socket.protocol, revision);
      assert.equal(socket.server, engine);
      assert.equal(socket.readyState, "open");
      assert.match(socket.remoteAddress, /^(::ffff:)?127\.0\.0\.1$/);
      assert.deepEqual([socket.upgrading, socket.upgraded, socket.recovered], [false, false, false]);
      const { request } = socket;
      assert.equal(request.method, "GET");
      assert.match(request.url ?? "", /^\/engine\.io\/\?EIO=[34]&transport=polling&t=/);
      assert.equal(request.headers.connection, "close");
      const { _query: query, res } = request as unknown as { _query: Record<string, string>; res: unknown };
      assert.deepEqual([query["EIO"], query["transport"]], [String(revision), "polling"]);
      assert.equal(res, null);
      const { transport } = socket;
      assert.deepEqual(
        [transport.name, transport.sid, transport.protocol, transport.readyState, transport.discarded],
        ["polling", client.sid, revision, "open", false],
      );
      assert.equal(transport.supportsFraming, false);
      assert.deepEqual(opens, []);
    });
  }
});

describe("sends", () => {
  behaviour("in all forms, write being send", async (engines) => {
    const session = await open(engines);
    const { socket } = session;
    const called: unknown[] = [];
    const callback =
      (name: string) =>
      (transport: Transport): void => {
        called.push([name, transport === socket.transport]);
      };
    const [reply] = await park(session);
    socket.send("a", callback("a"));
    assert.equal((await reply)?.body, "4a");
    const options = Object.freeze({ compress: false });
    assert.equal(socket.send("b", options, callback("b")), socket);
    assert.equal(socket.write("c", callback("c")), socket);
    socket.write("d", null, callback("d")).send("e", undefined).send("f");
    socket.sendPacket("noop");
    socket.sendPacket("message", "g", {}, callback("g"));
    assert.equal((await session.client.poll()).body, "4b\x1e4c\x1e4d\x1e4e\x1e4f\x1e6\x1e4g");
    await until("all are called", () => called.length === 5);
    assert.deepEqual(
      called,
      ["a", "b", "c", "d", "g"].map((name) => [name, true]),
    );
  });
  behaviour("wait in writeBuffer, and flush does no harm", async (engines) => {
    const session = await open(engines);
    const { socket } = session;
    const created: unknown[] = [];
    socket.on("packetCreate", ({ type, data }: { type: string; data: unknown }) => created.push([type, data]));
    socket.send("a", { compress: false });
    socket.send(Buffer.of(1));
    socket.flush();
    assert.deepEqual(created, [
      ["message", "a"],
      ["message", Buffer.of(1)],
    ]);
    assert.deepEqual(socket.writeBuffer, [
      { type: "message", data: "a", options: { compress: false } },
      { type: "message", data: Buffer.of(1), options: { compress: true } },
    ]);
    assert.equal(socket.buffered, 2);
    assert.equal((await session.client.poll()).body, "4a\x1ebAQ==");
    assert.equal(socket.buffered, 0);
  });
  behaviour("are dropped silently while it closes and when it has", async (engines) => {
    const { client, socket } = await open(engines);
    const created: unknown[] = [];
    socket.on("packetCreate", () => created.push(1));
    socket.close();
    for (const state of ["closing", "closed"]) {
      assert.equal(socket.readyState, state);
      assert.equal(socket.send("x"), socket);
      assert.deepEqual([created, socket.buffered], [[], 0]);
      if (state === "closing") assert.equal((await client.poll()).body, "6\x1e1");
      await until("it has closed", () => socket.readyState === "closed");
    }
  });
});

describe("events", () => {
  behaviour("of what a client says, in order", async (engines) => {
    const { client, socket } = await open(engines);
    const events: unknown[] = [];
    for (const event of ["packet", "data", "message", "heartbeat", "close", "error"])
      socket.on(event, (argument: unknown) => events.push([event, argument]));
    await client.post("4hi\x1ebAQ==\x1e3\x1e6");
    assert.deepEqual(events, [
      ["packet", { type: "message", data: "hi" }],
      ["data", "hi"],
      ["message", "hi"],
      ["packet", { type: "message", data: Buffer.of(1) }],
      ["data", Buffer.of(1)],
      ["message", Buffer.of(1)],
      ["packet", { type: "pong" }],
      ["heartbeat", undefined],
      ["packet", { type: "noop" }],
    ]);
  });
  behaviour("of a send to a parked poll", async (engines) => {
    const session = await open(engines);
    const { socket } = session;
    const [reply] = await park(session);
    const events: unknown[] = [];
    socket.on("packetCreate", () => events.push("packetCreate"));
    socket.on("flush", (packets: readonly { data: unknown }[]) => events.push(["flush", packets.length]));
    socket.on("drain", () => events.push("drain"));
    socket.send("x", undefined, () => events.push("callback"));
    assert.equal((await reply)?.body, "4x");
    await until("it has drained", () => events.includes("drain"));
    assert.deepEqual(events, ["packetCreate", ["flush", 1], "callback", "drain"]);
  });
  for (const revision of REVISIONS) {
    behaviour(`of an upgrade, and what the transports are, protocol ${String(revision)}`, async (engines) => {
      const sockets: Socket[] = [];
      engines.on("connection", (socket: Socket) => sockets.push(socket));
      const client = await PlainClient.open(engines, revision);
      const [socket = assert.fail()] = sockets;
      const { transport: polling } = socket;
      const events: unknown[] = [];
      for (const event of ["upgrading", "upgrade"])
        socket.on(event, (transport: Transport) =>
          events.push([event, transport.name, socket.transport === transport, socket.upgrading, socket.upgraded]),
        );
      const websocket = await upgrade(client, socket);
      assert.deepEqual(events, [
        ["upgrading", "websocket", false, true, false],
        ["upgrade", "websocket", true, false, true],
      ]);
      const { transport } = socket;
      assert.notEqual(transport, polling);
      assert.deepEqual(
        [transport.name, transport.sid, transport.protocol, transport.supportsFraming, transport.writable],
        ["websocket", client.sid, revision, true, true],
      );
      // Only where the websocket is in this process's hands.
      const spread = engines.balanced.length > 1;
      assert.equal("socket" in transport, !spread);
      const heard: unknown[] = [];
      transport.on("packet", ({ type }: { type: string }) => heard.push(`packet ${type}`));
      transport.on("drain", () => heard.push("drain"));
      transport.on("close", () => heard.push("close"));
      websocket.send("x");
      await until("it is there", () => heard.length > 0);
      socket.send("y");
      await until("it has drained", () => heard.length > 1);
      await until("it is there", () => contents(websocket.got).length > 0);
      const reason = new Promise((resolve) => socket.once("close", resolve));
      websocket.socket.close();
      assert.equal(await reason, "transport close");
      assert.deepEqual(heard, ["packet message", "drain", "close"]);
      assert.equal(transport.readyState, "closed");
    });
  }
});

describe("what programs tell a socket", () => {
  behaviour("onPacket is as if the client had said it", async (engines) => {
    const { client, socket } = await open(engines);
    const messages: unknown[] = [];
    socket.on("message", (data: unknown) => messages.push(data));
    socket.onPacket({ type: "message", data: "injected" });
    assert.deepEqual(messages, ["injected"]);
    await client.post("4own");
    assert.deepEqual(messages, ["injected", "own"]);
  });
  behaviour(
    "that closes, and whose client does not come for the close, ends when a silent client would",
    async (engines) => {
      const { socket } = await open(engines);
      const reasons: string[] = [];
      socket.on("close", (reason: string) => reasons.push(reason));
      socket.close();
      await until("it has closed", () => reasons.length > 0);
      assert.deepEqual(reasons, [engines.mode === "local" ? "ping timeout" : "forced close"]);
    },
    { pingInterval: 300, pingTimeout: 300 },
  );
  behaviour("onError and onClose end it in the call, once, and its client is told", async (engines) => {
    for (const end of ["onError", "onClose"] as const) {
      const { client, socket } = await openAnother(engines);
      const closes: unknown[] = [];
      socket.on("close", (...args: unknown[]) => closes.push(args));
      const error = new Error("own");
      if (end === "onError") socket.onError(error);
      else socket.onClose("own reason", "own description");
      socket.onClose("again");
      const expected = end === "onError" ? ["transport error", error] : ["own reason", "own description"];
      assert.deepEqual(closes, [expected]);
      assert.equal(socket.readyState, "closed");
      await until("the session is unknown", async () => (await client.poll()).status === 400);
    }
  });
});

async function openAnother(engines: TestEngines): Promise<{ client: RawClient; socket: Socket }> {
  const client = await RawClient.open(engines);
  const socket = engines.engines.map((engine) => engine.clients[client.sid]).find((found) => found !== undefined);
  return { client, socket: socket ?? assert.fail() };
}

describe("the transport of a polling session in a cluster", () => {
  behaviour(
    "only shows its state",
    async (engines) => {
      const { client, socket } = await open(engines);
      const { transport } = socket;
      assert.throws(() => transport.send([{ type: "message", data: "x" }]), /use socket\.send/);
      assert.throws(() => transport.onRequest({}), /use server\.handleRequest/);
      transport.close();
      assert.equal((await client.post("4x")).status, 200);
      socket.send("y");
      assert.equal((await client.poll()).body, "4y");
      assert.equal(socket.readyState, "open");
    },
    {},
    CLUSTERED,
  );
});
