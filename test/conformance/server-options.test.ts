import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import * as ws from "ws";
import engine from "../../src/index";
import { http } from "../helpers/engines";
import { next, OwnServer } from "../helpers/own-server";
import { raw, UPGRADE } from "../helpers/raw-http";

/** Options as properties of the server, set while it runs, and the server of websockets that it uses; in one process. */

type Options = NonNullable<Parameters<typeof OwnServer.start>[0]>;

async function withServer(test: (own: OwnServer) => Promise<void>, options: Options = {}): Promise<void> {
  const own = await OwnServer.start(options);
  try {
    await test(own);
  } finally {
    await own.stop();
  }
}

const POLLING = "EIO=4&transport=polling";
const WEBSOCKET = "EIO=4&transport=websocket";

describe("options that are set on the running server", () => {
  it("are those of what comes from then on", async () => {
    await withServer(async ({ server, ...own }) => {
      const url = (query: string): string => `http://127.0.0.1:${String(port)}/engine.io/?${query}`;
      const address = own.httpServer.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      const open = async (): Promise<Record<string, unknown>> =>
        JSON.parse((await http(url(POLLING))).body.slice(1).split("\x1e")[0] ?? "") as Record<string, unknown>;
      server.pingInterval = 1111;
      server.pingTimeout = 2222;
      server.maxHttpBufferSize = 3333;
      server.allowUpgrades = false;
      const { sid: _sid, ...said } = await open();
      assert.deepEqual(said, { upgrades: [], pingInterval: 1111, pingTimeout: 2222, maxPayload: 3333 });
      server.initialPacket = "first";
      assert.match((await http(url(POLLING))).body, /\x1e4first$/);
      server.allowRequest = (_request, decide) => {
        decide("not you", false);
      };
      assert.equal((await http(url(POLLING))).body, '{"code":4,"message":"not you"}');
      server.transports = ["websocket"];
      assert.equal((await http(url(POLLING))).body, '{"code":0,"message":"Transport unknown"}');
      assert.deepEqual(server.opts.transports, ["websocket"]);
      assert.throws(() => {
        server.pingInterval = -1;
      }, /pingInterval/);
      assert.throws(() => {
        server.upgradeTimeout = 0;
      }, /upgradeTimeout/);
    });
  });

  it("read as they are, by the names of engine.io 3", () => {
    const server = new engine.Server({
      cookie: "name",
      cookiePath: "/p",
      cookieHttpOnly: false,
      httpCompression: false,
    });
    assert.equal(server.cookie, "name");
    assert.equal(server.cookiePath, "/p");
    assert.equal(server.cookieHttpOnly, false);
    assert.equal(server.httpCompression, false);
    assert.equal(server.perMessageDeflate, false);
    assert.equal(server.upgradeTimeout, 10_000);
    assert.equal(server.initialPacket, undefined);
    assert.equal(server.allowRequest, undefined);
    assert.equal(server.allowUpgrades, true);
    assert.equal(server.wsEngine, "ws");
    server.httpCompression = true;
    assert.deepEqual(server.opts.httpCompression, { threshold: 1024 });
    server.close();
  });

  it("change the cookie", async () => {
    await withServer(async (own) => {
      const cookie = async (): Promise<string | undefined> => {
        const { opened, socket } = await own.open();
        return opened.headers["set-cookie"]?.toString().replace(socket.id, "<sid>");
      };
      assert.equal(await cookie(), undefined);
      own.server.cookie = "first";
      assert.equal(await cookie(), "first=<sid>; Path=/; HttpOnly; SameSite=Lax");
      own.server.cookiePath = "/there";
      own.server.cookieHttpOnly = false;
      assert.equal(await cookie(), "first=<sid>; Path=/there; SameSite=Lax");
      own.server.cookiePath = false;
      assert.equal(await cookie(), "first=<sid>; SameSite=Lax");
      own.server.opts.cookie = { name: "second", maxAge: 5 };
      assert.equal(await cookie(), "second=<sid>; Max-Age=5");
      own.server.cookie = false;
      assert.equal(await cookie(), undefined);
    });
  });

  it("change the heartbeat of the sessions that are there", async () => {
    await withServer(
      async (own) => {
        const { socket } = await own.open();
        // It waits by the former interval, which is not over.
        own.server.pingInterval = 30;
        assert.notEqual(socket.pingIntervalTimer, null);
        const created = next(socket, "packetCreate");
        socket.onPacket({ type: "pong" });
        const [ping] = (await created) as [{ type: string }];
        assert.equal(ping.type, "ping");
      },
      { pingInterval: 20_000 },
    );
  });

  it("negotiate compression when init is called", async () => {
    await withServer(async (own) => {
      const asks = { ...UPGRADE, "sec-websocket-extensions": "permessage-deflate" };
      assert.equal((await raw(own.url(WEBSOCKET), { headers: asks })).headers["sec-websocket-extensions"], undefined);
      own.server.perMessageDeflate = true;
      (own.server as unknown as { init(): void }).init();
      assert.match(
        (await raw(own.url(WEBSOCKET), { headers: asks })).headers["sec-websocket-extensions"] ?? "",
        /permessage-deflate/,
      );
    });
  });
});

describe("wsEngine", () => {
  class OwnWebSocketServer extends WebSocketServer {}

  for (const [name, wsEngine, expected] of [
    ["the name of a module", "ws", WebSocketServer],
    ["a module", ws, WebSocketServer],
    ["a module that says Server", { Server: OwnWebSocketServer }, OwnWebSocketServer],
    ["a class", OwnWebSocketServer, OwnWebSocketServer],
  ] as const) {
    it(`is ${name}`, async () => {
      await withServer(
        async (own) => {
          assert.ok(own.server.ws instanceof expected);
          const websocket = new WebSocket(own.url(WEBSOCKET).replace("http", "ws"));
          assert.match(String((await next(websocket, "message"))[0]), /^0/);
          websocket.terminate();
        },
        { wsEngine },
      );
    });
  }

  it("is refused where it is none", () => {
    for (const wsEngine of ["no-such-module-of-websockets", "node:path", 5, {}]) {
      assert.throws(() => new engine.Server({ wsEngine }), engine.OptionError);
    }
  });
});
