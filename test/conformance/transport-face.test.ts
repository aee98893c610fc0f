import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WebSocket } from "ws";
import engine from "../../src/index";
import type { Socket } from "../../src/session/socket";
import { JsonpPolling } from "../../src/transports/jsonp-polling";
import { Polling } from "../../src/transports/polling";
import { WebSocketTransport } from "../../src/transports/websocket";
import { next, OwnServer, replace } from "../helpers/own-server";
import { until } from "../helpers/until";

/** What programs call, replace or look at of the transports of engine.io, in one process. */

async function withServer(
  test: (own: OwnServer) => Promise<void>,
  options: Parameters<typeof OwnServer.start>[0] = {},
): Promise<void> {
  const own = await OwnServer.start(options);
  try {
    await test(own);
  } finally {
    await own.stop();
  }
}

/** Opens a websocket's session; resolves with both ends. */
async function websocketOf(own: OwnServer, query = "EIO=4"): Promise<{ websocket: WebSocket; socket: Socket }> {
  const websocket = new WebSocket(own.url(`${query}&transport=websocket`).replace("http", "ws"));
  const [socket] = (await next(own.server, "connection")) as [Socket];
  await until("it is open", () => socket.transport.writable);
  return { websocket, socket };
}

describe("polling", () => {
  it("shows the requests that it has in its hands", async () => {
    await withServer(async (own) => {
      const { transport, poll, post, socket } = bound(await own.open());
      assert.deepEqual([transport.req, transport.res, transport.dataReq, transport.dataRes], [null, null, null, null]);
      const parked = poll();
      await until("it is parked", () => transport.req !== null);
      assert.equal(transport.req?.method, "GET");
      assert.equal(transport.res?.writableEnded, false);
      let method: string | undefined;
      socket.on("message", () => (method = transport.dataReq?.method));
      assert.equal((await post("4x")).body, "ok");
      assert.equal(method, "POST");
      assert.equal(transport.dataRes, null);
      socket.send("y");
      assert.equal((await parked).body, "4y");
      assert.equal(transport.req, null);
    });
  });

  it("takes its requests by methods that can be replaced", async () => {
    await withServer(async (own) => {
      const { transport, poll, post, socket } = bound(await own.open());
      const calls: string[] = [];
      replace(transport, "onPollRequest", (onPollRequest) => (request, response) => {
        calls.push("poll");
        onPollRequest(request, response);
      });
      replace(transport, "onDataRequest", (onDataRequest) => (request, response) => {
        calls.push("data request");
        onDataRequest(request, response);
      });
      replace(transport, "onData", (onData) => (data) => {
        calls.push(`data ${typeof data === "string" ? data : "bytes"}`);
        onData(data);
      });
      socket.on("message", (data: string) => socket.send(data));
      await post("4x");
      assert.equal((await poll()).body, "4x");
      assert.deepEqual(calls, ["data request", "data 4x", "poll"]);
    });
  });

  it("answers with the headers of a function of the program's own", async () => {
    await withServer(async (own) => {
      const { transport, poll, post, socket } = bound(await own.open());
      const seen: string[] = [];
      own.server.on("headers", (_headers: unknown, { method }: { method: string }) => seen.push(method));
      replace(transport, "headers", (headers) => (request, given) => ({ ...headers(request, given), "x-own": "1" }));
      socket.send("x");
      for (const reply of [await poll(), await post("4y")]) {
        assert.equal(reply.status, 200);
        assert.equal(reply.headers["x-own"], "1");
      }
      assert.deepEqual(seen, ["GET", "POST"]);
    });
  });

  it("gives up a POST that is still coming when the session closes", async () => {
    await withServer(async (own) => {
      const { transport, post, socket } = bound(await own.open());
      let destroyed: boolean | undefined;
      replace(transport, "onDataRequest", (onDataRequest) => (request, response) => {
        onDataRequest(request, response);
        request.removeAllListeners();
        socket.close();
        ({ destroyed } = request);
      });
      await assert.rejects(post("4x"), /ECONNRESET|socket hang up/);
      assert.equal(destroyed, true);
      socket.onClose("transport close");
    });
  });

  it("answers a POST whose message closes the session", async () => {
    await withServer(async (own) => {
      const { post, socket } = bound(await own.open());
      socket.on("message", () => {
        socket.close(true);
      });
      assert.equal((await post("4x")).body, "ok");
      assert.equal(socket.readyState, "closed");
    });
  });

  it("waits for a poll to carry a close as long as closeTimeout says", async () => {
    await withServer(async (own) => {
      const { transport, socket } = await own.open();
      transport.closeTimeout = 50;
      const closed = next(socket, "close");
      assert.equal(transport.shouldClose, null);
      socket.close();
      assert.equal(typeof transport.shouldClose, "function");
      assert.equal((await closed)[0], "forced close");
      assert.equal(transport.shouldClose, null);
    });
  });

  it("takes and compresses by properties of its own", async () => {
    await withServer(async (own) => {
      const { transport, post, poll, socket } = bound(await own.open());
      assert.equal(transport.maxHttpBufferSize, 1e6);
      transport.maxHttpBufferSize = 3;
      assert.equal((await post("4xyz")).status, 413);
      assert.deepEqual(transport.httpCompression, { threshold: 1024 });
      transport.httpCompression = { threshold: 1 };
      socket.send("abc");
      assert.equal((await poll({ headers: { "accept-encoding": "gzip" } })).headers["content-encoding"], "gzip");
    });
  });

  it("by JSONP has what stands around its payloads", async () => {
    await withServer(async (own) => {
      const { transport, opened, socket } = await own.open("EIO=4&j=7");
      assert.ok(transport instanceof JsonpPolling);
      assert.equal(transport.head, "___eio[7](");
      assert.ok(opened.body.startsWith(transport.head) && opened.body.endsWith(transport.foot));
      const got = next(socket, "message");
      transport.onData("d=4hello");
      assert.deepEqual(await got, ["hello"]);
    });
  });
});

/** The methods of an object, to be taken apart. */
function bound(session: Awaited<ReturnType<OwnServer["open"]>>): Pick<typeof session, "transport" | "socket"> & {
  poll: (typeof session)["poll"];
  post: (typeof session)["post"];
} {
  return {
    transport: session.transport,
    socket: session.socket,
    poll: session.poll.bind(session),
    post: session.post.bind(session),
  };
}

describe("websocket", () => {
  it("takes what arrives by onData", async () => {
    await withServer(async (own) => {
      const { websocket, socket } = await websocketOf(own);
      const calls: unknown[] = [];
      replace(socket.transport, "onData", (onData) => (data) => {
        calls.push(data);
        onData(data);
      });
      const got = next(socket, "message");
      websocket.send("4x");
      assert.deepEqual(await got, ["x"]);
      assert.deepEqual(calls, ["4x"]);
      websocket.terminate();
    });
  });

  for (const query of ["EIO=4", "EIO=3"]) {
    it(`sends binary data as text to a client that asks for that: ${query}`, async () => {
      await withServer(async (own) => {
        const { websocket, socket } = await websocketOf(own, `${query}&b64=1`);
        assert.equal(socket.transport.supportsBinary, false);
        let got = next(websocket, "message");
        socket.send(Buffer.from([1, 2]));
        assert.equal(String((await got)[0]), query === "EIO=4" ? "bAQI=" : "b4AQI=");
        socket.transport.supportsBinary = true;
        assert.equal(socket.transport.supportsBinary, true);
        got = next(websocket, "message");
        socket.send(Buffer.from([1, 2]));
        assert.deepEqual(await got, [query === "EIO=4" ? Buffer.from([1, 2]) : Buffer.from([4, 1, 2]), true]);
        websocket.terminate();
      });
    });
  }

  it("compresses as perMessageDeflate says", async () => {
    await withServer(
      async (own) => {
        const { websocket, socket } = await websocketOf(own);
        const { transport } = socket;
        assert.ok(transport instanceof WebSocketTransport);
        assert.deepEqual(transport.perMessageDeflate, { threshold: 10 });
        const compressed: unknown[] = [];
        Reflect.set(transport.socket, "send", (_data: string, options: { compress?: boolean } | undefined) => {
          compressed.push(options?.compress);
          transport.writable = true;
        });
        socket.send("12345678");
        socket.send("123456789");
        socket.send("123456789", { compress: false });
        transport.perMessageDeflate = true;
        assert.deepEqual(transport.perMessageDeflate, { threshold: 1024 });
        socket.send("123456789");
        transport.perMessageDeflate = false;
        assert.equal(transport.perMessageDeflate, false);
        socket.send("123456789");
        assert.deepEqual(compressed, [false, true, false, false, undefined]);
        websocket.terminate();
      },
      { perMessageDeflate: { threshold: 10 } },
    );
  });
});

describe("the classes", () => {
  it("tell of what they can", () => {
    const { transports, Transport } = engine;
    assert.equal(transports.websocket.prototype.handlesUpgrades, true);
    assert.deepEqual(Transport.upgradesTo, []);
    const polling = new transports.polling({ _query: { EIO: "3", b64: "1" } });
    assert.ok(polling instanceof Polling);
    assert.equal(polling.handlesUpgrades, false);
    assert.equal(polling.supportsFraming, false);
    assert.equal(polling.supportsBinary, false);
    assert.equal(polling.parser.protocol, 3);
    const jsonp = transports.polling({ _query: { EIO: "4", j: "0" } });
    assert.ok(jsonp instanceof JsonpPolling);
    assert.equal(jsonp.parser.protocol, 4);
  });

  it("are made of a request, as those of engine.io", () => {
    const listeners: string[] = [];
    const websocket = {
      on: (event: string) => listeners.push(event),
      send: () => undefined,
      close: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
    const transport = new engine.transports.websocket({ _query: { EIO: "3" }, websocket });
    assert.equal(transport.protocol, 3);
    assert.equal(transport.socket, websocket);
    assert.deepEqual(listeners.sort(), ["close", "error", "message"]);
    assert.throws(() => new engine.transports.websocket({ _query: { EIO: "4" } }), /no websocket/);
  });
});
