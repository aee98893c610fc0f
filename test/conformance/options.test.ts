import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type AddressInfo, type Socket as Connection } from "node:net";
import { describe, it } from "node:test";
import { Server as StockServer } from "engine.io";
import { WebSocket } from "ws";
import engine from "../../src/index";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { RawClient, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE } from "../helpers/raw-http";
import { until } from "../helpers/until";

const { OptionError, Server } = engine;

describe("options", () => {
  it("have the defaults of engine.io 6, but for allowEIO3", () => {
    const made = new Server();
    const { opts } = made as unknown as { opts: Record<string, unknown> };
    const stock = (new StockServer() as unknown as { opts: Record<string, unknown> }).opts;
    for (const name of ["pingTimeout", "pingInterval", "upgradeTimeout", "maxHttpBufferSize", "allowUpgrades"])
      assert.equal(opts[name], stock[name], name);
    for (const name of ["perMessageDeflate", "cors", "cookie"]) {
      assert.equal(Boolean(stock[name]), false, name);
      assert.equal(opts[name], false, name);
    }
    assert.deepEqual(opts["transports"], ["polling", "websocket"]);
    assert.equal(opts["allowEIO3"], true);
    made.close();
  });

  const refused: Readonly<Record<string, readonly unknown[]>> = {
    pingTimeout: [0, -1, NaN, Infinity, "20000"],
    pingInterval: [0, -1, 2 ** 31],
    upgradeTimeout: [0],
    maxHttpBufferSize: [0, NaN, "1mb"],
    transports: [[], ["tobi"], "polling", ["polling", "webtransport"]],
    cors: [5, "http://a"],
    cookie: [5],
    httpCompression: [5, { threshold: -1 }, { threshold: "1kb" }],
    cluster: [
      { redis: "redis://a", nats: "a", prefix: "with space" },
      { redis: "redis://a", nats: "a", leaseTtl: 0 },
      { redis: "redis://a", nats: "a", takeover: "maybe" },
      { redis: "redis://a", nats: "a", maxRelayedSize: 599_999 },
      { redis: "redis://a", nats: "a", pollGrace: 10, beatInterval: 10 },
      { redis: "redis://a", nats: "a", storeAwayAfter: 60_000 },
    ],
  };
  for (const [name, values] of Object.entries(refused)) {
    it(`${name} that cannot be meant is refused, and the error says what may be`, () => {
      for (const value of values) {
        assert.throws(
          () => new Server({ [name]: value }),
          (error: unknown) =>
            error instanceof OptionError && error instanceof TypeError && error.message.includes(name),
          JSON.stringify(value),
        );
      }
    });
  }
  it("that are unknown are ignored", () => {
    new Server({ tobi: 1 } as object).close();
  });
});

describe("maxHttpBufferSize beyond what 32 bits hold", () => {
  // 2 ** 32 + 1 is 1 in 32 bits, which is how ws keeps its own limit.
  for (const maxHttpBufferSize of [1e10, 2 ** 32 + 1, Infinity]) {
    behaviour(
      `${String(maxHttpBufferSize)} lets messages in by both transports`,
      async (engines) => {
        const polling = await RawClient.open(engines);
        assert.equal((await polling.post(`4${"x".repeat(2000)}`)).body, "ok");
        const websocket = new WebSocket(`${engines.next()}/engine.io/?EIO=4&transport=websocket`);
        await once(websocket, "open");
        const [socket] = Object.values(engines.engines[0]?.clients ?? {}).filter(
          ({ transport }) => transport.name === "websocket",
        );
        assert.ok(socket !== undefined);
        const message = once(socket, "message");
        websocket.send(`4${"y".repeat(2000)}`);
        assert.deepEqual(await message, ["y".repeat(2000)]);
        websocket.close();
      },
      { maxHttpBufferSize },
      ["local"],
    );
  }
});

behaviour(
  "maxHttpBufferSize: Infinity lets in nothing that is longer than a string can be",
  async (engines) => {
    const [port = 0] = engines.ports;
    const { sid } = await RawClient.open(engines);
    const connection = connect(port, "127.0.0.1");
    connection.write(
      `POST /engine.io/?EIO=4&transport=polling&sid=${sid}&t=1 HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(2 ** 29)}\r\n\r\n`,
    );
    assert.match(String((await once(connection, "data"))[0]), /^HTTP\/1\.1 413 /);
    connection.destroy();
    assert.throws(() => Buffer.alloc(2 ** 29).toString("utf8"), /Cannot create a string longer/);
    assert.ok((engines.engines[0]?.ws?.options.maxPayload ?? 2 ** 29) < 2 ** 29);
  },
  { maxHttpBufferSize: Infinity },
  ["local"],
);

describe("cookie, as engine.io 3 names it", () => {
  for (const [options, expected] of [
    [{ cookie: "io" }, "io=<sid>; Path=/; HttpOnly; SameSite=Lax"],
    [{ cookie: "io", cookiePath: "/app" }, "io=<sid>; Path=/app; HttpOnly; SameSite=Lax"],
    [{ cookie: "io", cookieHttpOnly: false }, "io=<sid>; Path=/; SameSite=Lax"],
    [{ cookie: "io", cookiePath: false }, "io=<sid>; SameSite=Lax"],
    [{ cookiePath: "/app" }, undefined],
  ] as const) {
    behaviour(
      JSON.stringify(options),
      async (engines) => {
        const { headers } = await raw(`${engines.next()}/engine.io/?EIO=4&transport=polling`);
        assert.equal(headers["set-cookie"]?.[0]?.replace(/=[\w-]{20}/, "=<sid>"), expected);
      },
      options,
      ["local", "next"],
    );
  }
});

describe("allowEIO3: false", () => {
  behaviour(
    "refuses clients of protocol 3 by both transports, with code 5",
    async (engines) => {
      const refused: unknown[] = [];
      engines.on("connection_error", ({ code, context }: { code: number; context: object }) =>
        refused.push([code, context]),
      );
      const base = (): string => `${engines.next()}/engine.io/?EIO=3&transport=`;
      const poll = await raw(`${base()}polling`);
      assert.deepEqual([poll.status, poll.text], [400, '{"code":5,"message":"Unsupported protocol version"}']);
      const websocket = await raw(`${base()}websocket`, { headers: UPGRADE });
      assert.deepEqual([websocket.status, websocket.text], [400, "Unsupported protocol version"]);
      assert.deepEqual(refused, [
        [5, { protocol: 3 }],
        [5, { protocol: 3 }],
      ]);
      await RawClient.open(engines);
    },
    { allowEIO3: false },
  );
});

describe("perMessageDeflate", () => {
  /** How many bytes a message of so many costs on its way to the client. */
  async function cost(websocket: WebSocket, socket: Socket, length: number, compress = true): Promise<number> {
    const { _socket: connection } = websocket as unknown as { _socket: Connection };
    const before = connection.bytesRead;
    const message = once(websocket, "message");
    socket.send("a".repeat(length - 1), { compress });
    assert.equal(String((await message)[0]).length, length);
    return connection.bytesRead - before;
  }

  async function open(engines: TestEngines, query: string): Promise<WebSocket> {
    const websocket = new WebSocket(
      `${engines.next().replace("http", "ws")}/engine.io/?EIO=4&transport=websocket${query}`,
    );
    await once(websocket, "open");
    return websocket;
  }

  for (const [perMessageDeflate, from] of [
    [true, 1024],
    [{ threshold: 100 }, 100],
  ] as const) {
    behaviour(
      `compresses messages from ${String(from)} bytes on, those of a relayed websocket too`,
      async (engines) => {
        const sockets: Socket[] = [];
        engines.on("connection", (socket: Socket) => {
          sockets.push(socket);
          socket.on("message", (data: string) => socket.send(String(data.length)));
        });
        const direct = await open(engines, "");
        const { sid } = await RawClient.open(engines);
        const upgraded = await open(engines, `&sid=${sid}`);
        upgraded.send("2probe");
        await once(upgraded, "message");
        upgraded.send("5");
        await until("it is upgraded", () => sockets.at(-1)?.upgraded === true);
        for (const [i, websocket] of [direct, upgraded].entries()) {
          const socket = sockets[i] ?? assert.fail();
          assert.match(websocket.extensions, /permessage-deflate/);
          assert.ok((await cost(websocket, socket, from - 1)) > from - 1);
          assert.ok((await cost(websocket, socket, from)) < from);
          assert.ok((await cost(websocket, socket, 50_000)) < 1000);
          // Compressed by the client.
          const answer = once(websocket, "message");
          websocket.send(`4${"b".repeat(40_000)}`);
          assert.equal(String((await answer)[0]), "440000");
        }
        // A packet's own wish is heard where the websocket is at the session's owner.
        assert.ok((await cost(direct, sockets[0] ?? assert.fail(), 50_000, false)) > 50_000);
        for (const websocket of [direct, upgraded]) websocket.terminate();
      },
      { perMessageDeflate },
    );
  }
  behaviour("is off by default", async (engines) => {
    const websocket = await open(engines, "");
    assert.equal(websocket.extensions, "");
    websocket.terminate();
  });
});

describe("destroyUpgrade", () => {
  /** A connection that asks for a websocket where the engine is not. */
  async function astray(
    options: object,
    test: (connection: Connection, server: ReturnType<typeof createServer>) => Promise<void>,
  ): Promise<void> {
    const server = createServer();
    const made = engine(server, options);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const connection = connect((server.address() as AddressInfo).port, "127.0.0.1");
    connection.on("error", () => undefined);
    const lines = Object.entries({ host: "a", ...UPGRADE }).map(([name, value]) => `${name}: ${value}`);
    connection.write(`GET /elsewhere HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
    try {
      await test(connection, server);
    } finally {
      connection.destroy();
      made.close();
      server.close();
    }
  }

  it("closes websocket requests that nobody takes, after destroyUpgradeTimeout", async () => {
    const from = performance.now();
    await astray({ destroyUpgradeTimeout: 60 }, async (connection) => {
      connection.resume();
      await once(connection, "end");
      assert.ok(performance.now() - from >= 50);
    });
  });
  it("leaves those alone that another listener takes", async () => {
    await astray({ destroyUpgradeTimeout: 10 }, async (connection, server) => {
      server.on("upgrade", (_request, socket: Connection) => socket.write("taken"));
      let ended = false;
      connection.on("end", () => (ended = true));
      const [said] = (await once(connection, "data")) as [Buffer];
      assert.equal(String(said), "taken");
      await new Promise((resolve) => setTimeout(resolve, 60));
      assert.equal(ended, false);
    });
  });
  it("false leaves all of them to others", async () => {
    await astray({ destroyUpgrade: false, destroyUpgradeTimeout: 10 }, async (connection) => {
      let ended = false;
      connection.resume().on("end", () => (ended = true));
      await once(connection, "connect");
      await new Promise((resolve) => setTimeout(resolve, 80));
      assert.equal(ended, false);
    });
  });
});
