import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { describe, it } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import engine from "../../src/index";
import type { Socket } from "../../src/session/socket";
import { Polling } from "../../src/transports/polling";
import type { Transport } from "../../src/transports/transport";
import { http } from "../helpers/engines";
import { next, OwnServer } from "../helpers/own-server";
import { raw, UPGRADE } from "../helpers/raw-http";

/** What programs call, replace, set or look at of the server of engine.io, in one process. */

type Options = NonNullable<Parameters<typeof OwnServer.start>[0]>;

async function withServer(test: (own: OwnServer) => Promise<void>, options: Options = {}): Promise<void> {
  const own = await OwnServer.start(options);
  try {
    await test(own);
  } finally {
    await own.stop();
  }
}

/** Serves with an engine of a program's own class. */
async function withEngine(server: engine.Server, test: (base: string) => Promise<void>): Promise<void> {
  const httpServer = createServer();
  server.attach(httpServer);
  await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
  const address = httpServer.address();
  assert.ok(typeof address === "object" && address !== null);
  try {
    await test(`http://127.0.0.1:${String(address.port)}/engine.io/?`);
  } finally {
    server.close();
    httpServer.close();
    httpServer.closeAllConnections();
  }
}

const POLLING = "EIO=4&transport=polling";
const WEBSOCKET = "EIO=4&transport=websocket";

describe("Server", () => {
  it("can be called without new", () => {
    const made = engine.Server({ pingInterval: 1234 });
    assert.ok(made instanceof engine.Server);
    assert.equal(made.constructor, engine.Server);
    assert.equal(made.pingInterval, 1234);
    made.close();
  });

  it("is a base for classes, whose methods are called", async () => {
    const calls: string[] = [];
    class Own extends engine.Server {
      protected override init(): void {
        calls.push("init");
        super.init();
      }
      protected override cleanup(): void {
        calls.push("cleanup");
        super.cleanup();
      }
      protected override _computePath(options: engine.AttachOptions): string {
        calls.push(`_computePath ${options.path ?? ""}`);
        return super._computePath({ ...options, path: "/engine.io" });
      }
      protected override createTransport(name: string, request: Parameters<engine.Server["prepare"]>[0]): Transport {
        calls.push(`createTransport ${name}`);
        return super.createTransport(name, this.prepare(request));
      }
    }
    const own = new Own();
    assert.deepEqual(calls, ["init"]);
    await withEngine(own, async (base) => {
      assert.equal((await http(base + POLLING)).status, 200);
      const websocket = new WebSocket(base.replace("http", "ws") + WEBSOCKET);
      await next(websocket, "open");
      websocket.terminate();
    });
    // A server that listens is inited again.
    assert.deepEqual(calls, [
      "init",
      "_computePath ",
      "init",
      "createTransport polling",
      "createTransport websocket",
      "cleanup",
    ]);
  });

  it("takes null for no options", () => {
    const made = new engine.Server(null);
    assert.equal(made.opts.pingInterval, 25_000);
    made.close();
    const attached = engine.attach(createServer(), null);
    assert.equal(attached.opts.path, undefined);
    attached.close();
  });

  it("has all that was given among its options", () => {
    const made = new engine.Server({ path: "/there", perMessageDeflate: true });
    assert.equal(made.opts.path, "/there");
    assert.deepEqual(made.opts.perMessageDeflate, { threshold: 1024 });
    made.close();
  });
});

describe("methods that a program puts in the place of the server's", () => {
  it("prepare: it may return nothing", async () => {
    await withServer(async (own) => {
      Reflect.set(own.server, "prepare", (request: IncomingMessage) => {
        engine.Server.prototype.prepare.call(own.server, request);
        request.headers.origin = "http://a\n";
      });
      const errors: unknown[] = [];
      own.server.on("connection_error", ({ context }: { context: unknown }) => errors.push(context));
      for (const headers of [{}, UPGRADE]) {
        const { status, text } = await raw(own.url(WEBSOCKET), { headers });
        assert.equal(status, 400);
        assert.match(text, /Bad request/);
      }
      const context = { name: "INVALID_ORIGIN", origin: "http://a\n" };
      assert.deepEqual(errors, [context, context]);
    });
  });

  it("verify, as it is in engine.io 6 and in 3", async () => {
    await withServer(async (own) => {
      type Say = (code?: unknown, about?: unknown) => void;
      const says: Record<string, Parameters<Say>> = {
        a: [],
        b: [null, true],
        c: [3, { name: "OWN" }],
        d: [2, false],
        e: ["not you", false],
        f: [null, false],
      };
      Reflect.set(own.server, "verify", (request: IncomingMessage, _upgrade: boolean, say: Say) => {
        say(...(says[/say=(\w)/.exec(request.url ?? "")?.[1] ?? ""] ?? []));
      });
      const replies: string[] = [];
      const contexts: unknown[] = [];
      own.server.on("connection_error", ({ context }: { context: unknown }) => contexts.push(context));
      for (const name of Object.keys(says)) {
        const { status, text } = await raw(own.url(`${POLLING}&say=${name}`));
        replies.push(`${String(status)} ${status === 200 ? "" : text}`);
      }
      assert.deepEqual(replies, [
        "200 ",
        "200 ",
        '400 {"code":3,"message":"Bad request"}',
        '400 {"code":2,"message":"Bad handshake method"}',
        '403 {"code":4,"message":"not you"}',
        '403 {"code":4,"message":"Forbidden"}',
      ]);
      assert.deepEqual(contexts, [{ name: "OWN" }, {}, { message: "not you" }, { message: null }]);
      for (const name of ["c", "e"])
        assert.equal((await raw(own.url(`${WEBSOCKET}&say=${name}`), { headers: UPGRADE })).status, 400);
    });
  });

  it("_applyMiddlewares, of polls and of websockets", async () => {
    await withServer(async (own) => {
      Reflect.set(
        own.server,
        "_applyMiddlewares",
        function (this: unknown, _request: IncomingMessage, response: ServerResponse, done: (error?: unknown) => void) {
          response.setHeader("x-passed", "1");
          done(_request.url?.includes("no=1") === true ? new Error("no") : undefined);
        },
      );
      assert.equal((await raw(own.url(POLLING))).headers["x-passed"], "1");
      assert.equal((await raw(own.url(WEBSOCKET), { headers: UPGRADE })).headers["x-passed"], "1");
      assert.equal((await raw(own.url(`${POLLING}&no=1`))).status, 400);
    });
  });

  it("_applyMiddlewares tells what went wrong", async () => {
    class Own extends engine.Server {
      readonly errors: unknown[] = [];
      protected override _applyMiddlewares(
        request: IncomingMessage,
        response: ServerResponse,
        done: (error?: unknown) => void,
      ): void {
        super._applyMiddlewares(request, response, (error) => {
          this.errors.push(error);
          done(error);
        });
      }
      get count(): number {
        return this.middlewares.length;
      }
    }
    const own = new Own();
    assert.equal(own.count, 0);
    own.use((request, _response, go) => {
      if (request.url?.includes("throw=1") === true) throw new Error("thrown");
      go(request.url?.includes("fail=1") === true ? "failed" : null);
    });
    assert.equal(own.count, 1);
    await withEngine(own, async (base) => {
      assert.equal((await raw(base + POLLING)).status, 200);
      assert.equal((await raw(`${base}${POLLING}&fail=1`)).status, 400);
      assert.equal((await raw(`${base}${POLLING}&throw=1`)).status, 400);
    });
    assert.deepEqual(own.errors, [undefined, "failed", new Error("thrown")]);
  });

  it("handshake, which resolves when the session is open", async () => {
    class Own extends engine.Server {
      readonly log: string[] = [];
      protected override async handshake(...args: Parameters<engine.Server["handshake"]>): Promise<void> {
        this.log.push(`handshake ${args[0]} ${String(this.clientsCount)}`);
        await super.handshake(...args);
        this.log.push(`opened ${String(this.clientsCount)}`);
      }
    }
    const own = new Own();
    await withEngine(own, async (base) => {
      assert.equal((await http(base + POLLING)).status, 200);
      assert.deepEqual(own.log, ["handshake polling 0", "opened 1"]);
    });
  });
});

describe("onWebSocket", () => {
  for (const version of [6, 3]) {
    it(`takes websockets whose handshake the program has completed, as in ${String(version)}`, async () => {
      const server = new engine.Server({ allowEIO3: false });
      const errors: number[] = [];
      server.on("connection_error", ({ code }: { code: number }) => errors.push(code));
      const own = new WebSocketServer({ noServer: true });
      const httpServer = createServer();
      httpServer.on("upgrade", (request, socket, head) => {
        own.handleUpgrade(request, socket, head, (websocket) => {
          if (version === 6) server.onWebSocket(request, socket, websocket);
          else server.onWebSocket(request, websocket);
        });
      });
      await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
      const address = httpServer.address();
      assert.ok(typeof address === "object" && address !== null);
      const base = `ws://127.0.0.1:${String(address.port)}/?`;
      try {
        const websocket = new WebSocket(base + WEBSOCKET);
        assert.match(String((await next(websocket, "message"))[0]), /^0/);
        server.generateId = () => Promise.reject(new Error("no id"));
        const refused = new WebSocket(base + WEBSOCKET);
        refused.on("error", () => undefined);
        await next(refused, "close");
        assert.deepEqual(errors, [3]);
        websocket.terminate();
      } finally {
        server.close();
        httpServer.close();
        httpServer.closeAllConnections();
      }
    });
  }
});

describe("an HTTP server that listens again", () => {
  it("finds its engine ready, for both transports", async () => {
    await withServer(async (own) => {
      const before = await own.open();
      const { port, server, httpServer } = own;
      httpServer.close();
      httpServer.closeAllConnections();
      const closed = next(before.socket, "close");
      await next(httpServer, "close");
      assert.deepEqual((await closed)[0], "forced close");
      assert.equal(server.clientsCount, 0);
      await new Promise<void>((resolve) => httpServer.listen(port, resolve));
      const { socket, transport } = await own.open();
      assert.ok(transport instanceof Polling);
      assert.equal(server.clients[socket.id], socket);
      const websocket = new WebSocket(own.url(WEBSOCKET).replace("http", "ws"));
      const [second] = (await next(server, "connection")) as [Socket];
      const got = next(websocket, "message");
      assert.match(String((await got)[0]), /^0/);
      // It closes again, and its heart still beats.
      assert.notEqual(second.pingIntervalTimer, null);
      server.close();
      assert.equal(server.clientsCount, 0);
    });
  });

  it("and closes what was opened after its close", async () => {
    await withServer(async (own) => {
      own.server.close();
      const { socket } = await own.open();
      own.server.close();
      assert.equal(socket.readyState, "closed");
      assert.equal(own.server.clientsCount, 0);
    });
  });

  it("at once: closed and listening in one call", async () => {
    await withServer(
      async (own) => {
        const { port, httpServer } = own;
        httpServer.close();
        httpServer.listen(port);
        await next(httpServer, "listening");
        const websocket = new WebSocket(own.url(WEBSOCKET).replace("http", "ws"));
        const [socket] = (await next(own.server, "connection")) as [Socket];
        const closed = next(websocket, "close");
        // The ping comes: nothing has stopped the heartbeat behind the back of the new start.
        await next(socket, "packetCreate");
        socket.close();
        await closed;
      },
      { transports: ["websocket"], pingInterval: 50 },
    );
  });
});
