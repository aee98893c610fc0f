import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WebSocket } from "ws";
import { Socket as Client } from "engine.io-client";
import type { Socket } from "../../src/session/socket";
import type { Transport } from "../../src/transports/transport";
import { WebSocketTransport } from "../../src/transports/websocket";
import { behaviour } from "../helpers/behaviour";
import { RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { next, OwnServer, replace } from "../helpers/own-server";
import { until } from "../helpers/until";

/** What programs call, replace or look at of a socket of engine.io, besides what it is for. */

async function opened(engines: TestEngines): Promise<{ client: RawClient; socket: Socket }> {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  const client = await RawClient.open(engines);
  await until("there is a connection", () => sockets.length > 0);
  return { client, socket: sockets[0]! };
}

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

describe("sending", () => {
  behaviour("sendPacket takes its callback in place of options", async (engines) => {
    const { client, socket } = await opened(engines);
    const called: unknown[] = [];
    socket.sendPacket("message", "a", (transport) => called.push(transport));
    socket.sendPacket("message", "b", null, (transport) => called.push(transport));
    let body = "";
    while (!body.includes("4b")) body += (await client.poll()).body;
    await until("both are called", () => called.length === 2);
    assert.deepEqual(called, [socket.transport, socket.transport]);
  });

  behaviour(
    "callbacks can be looked at until they are called, and are gone when the session closes",
    async (engines) => {
      const { socket } = await opened(engines);
      const callback = (): void => assert.fail("no poll has taken the packet");
      socket.send("a");
      socket.send("b", callback);
      assert.deepEqual(socket.packetsFn, [callback]);
      const seen = new Promise((resolve) => {
        socket.on("close", () => {
          resolve([socket.packetsFn, socket.sentCallbackFn]);
        });
      });
      socket.close(true);
      assert.deepEqual(await seen, [[], []]);
    },
  );

  it("callbacks of what a websocket has taken are a list for each take, null where there are none", async () => {
    await withServer(async (own) => {
      const websocket = new WebSocket(own.url("EIO=4&transport=websocket").replace("http", "ws"));
      const opened = next(websocket, "open");
      const [socket] = (await next(own.server, "connection")) as [Socket];
      const callback = (): void => undefined;
      // The open packet is under way.
      assert.deepEqual(socket.sentCallbackFn, [null]);
      socket.send("a", callback);
      const taken = new Promise((resolve) => {
        socket.once("drain", () => {
          resolve(socket.sentCallbackFn);
        });
      });
      assert.deepEqual(await taken, [[callback]]);
      await opened;
      websocket.terminate();
    });
  });

  /** The frame of another message than the packet's, so that one sees which was sent. */
  const wsPreEncodedFrame = [Buffer.from([0x81, 6]), Buffer.from("4frame")];

  for (const [name, options, expected] of [
    ["is sent as it is", {}, "frame"],
    ["is not used where messages are compressed", { perMessageDeflate: true }, "packet"],
  ] as const) {
    for (const mode of ["local", "owner"] as const) {
      it(`a frame that is made already ${name} [${mode}]`, async () => {
        const engines = await startEngines(mode, options);
        const client = new Client(engines.next(), { transports: ["websocket"] });
        try {
          engines.on("connection", (socket: Socket) => socket.send("packet", { wsPreEncodedFrame }));
          const got = await new Promise((resolve) => {
            client.on("message", resolve);
          });
          assert.equal(got, expected);
        } finally {
          client.close();
          await engines.stop();
        }
      });
    }
  }

  behaviour("a frame that is made already is nothing to a poll", async (engines) => {
    const { client, socket } = await opened(engines);
    socket.send("packet", { wsPreEncodedFrame });
    assert.equal((await client.poll()).body, "4packet");
  });
});

describe("readyState", () => {
  behaviour("can be set, and nobody is told", async (engines) => {
    const { socket } = await opened(engines);
    socket.on("close", () => assert.fail("nothing has closed"));
    socket.readyState = "closing";
    assert.equal(socket._readyState, "closing");
    socket.send("not sent");
    assert.equal(socket.writeBuffer.length, 0);
    socket._readyState = "open";
    assert.equal(socket.readyState, "open");
    socket.removeAllListeners("close");
  });

  it("of a transport is the same by both of its names", async () => {
    await withServer(async (own) => {
      const { transport } = await own.open();
      transport._readyState = "closing";
      assert.equal(transport.readyState, "closing");
      transport.readyState = "open";
      assert.equal(transport._readyState, "open");
    });
  });
});

describe("close", () => {
  it("without a poll to carry it waits for the client no longer than the heartbeat does", async () => {
    await withServer(
      async (own) => {
        for (const query of ["EIO=4", "EIO=3"]) {
          const { socket } = await own.open(query);
          const closed = next(socket, "close");
          socket.close();
          assert.equal(socket.readyState, "closing");
          assert.deepEqual((await closed)[0], "ping timeout");
        }
      },
      { pingInterval: 60, pingTimeout: 40 },
    );
  });

  behaviour("closeTransport closes the session", async (engines) => {
    const { client, socket } = await opened(engines);
    const poll = client.poll();
    await until("the poll is parked", () => socket.transport.writable);
    const closed = next(socket, "close");
    socket.closeTransport();
    assert.equal((await poll).body, "1");
    assert.deepEqual((await closed)[0], "forced close");
  });

  it("and what is sent go by flush of a program's own, when a transport is ready", async () => {
    await withServer(async (own) => {
      const session = await own.open();
      const { socket } = session;
      let flushes = 0;
      replace(socket, "flush", (flush) => () => {
        flushes++;
        flush();
      });
      socket.send("a");
      assert.equal(flushes, 1);
      assert.equal((await session.poll()).body, "4a");
      assert.equal(flushes, 2);
    });
  });

  it("goes by closeTransport and clearTransport of a program's own", async () => {
    await withServer(async (own) => {
      const { socket } = await own.open();
      const calls: string[] = [];
      replace(socket, "closeTransport", (closeTransport) => (discard) => {
        calls.push(`closeTransport ${String(discard)}`);
        closeTransport(discard);
      });
      replace(socket, "clearTransport", (clearTransport) => () => {
        calls.push("clearTransport");
        clearTransport();
      });
      socket.cleanupFn.push(() => calls.push("clean up"));
      socket.close(true);
      assert.deepEqual(calls, ["closeTransport true", "clearTransport", "clean up"]);
      assert.equal(socket.readyState, "closed");
      assert.equal(socket.transport.readyState, "closed");
    });
  });
});

describe("the transport", () => {
  behaviour("offers what getAvailableUpgrades says", async (engines) => {
    const { socket } = await opened(engines);
    assert.deepEqual(socket.getAvailableUpgrades(), ["websocket"]);
  });

  it("is another one after setTransport, and the former is not heard after clearTransport", async () => {
    await withServer(async (own) => {
      const { socket, transport: former } = await own.open();
      const { socket: other } = await own.open();
      const heard: unknown[] = [];
      socket.on("message", (data) => heard.push(data));
      const taken = other.transport;
      other.clearTransport();
      taken.readyState = "open";
      socket.clearTransport();
      socket.setTransport(taken);
      assert.equal(socket.transport, taken);
      assert.equal(taken.sid, socket.id);
      assert.equal(former.readyState, "closed");
      former.onPacket({ type: "message", data: "former" });
      taken.onPacket({ type: "message", data: "taken" });
      assert.deepEqual(heard, ["taken"]);
      other.onClose("transport close");
    });
  });

  behaviour(
    "of a polling session in a cluster cannot be set",
    async (engines) => {
      const { socket } = await opened(engines);
      const before = socket.transport;
      assert.throws(() => {
        socket.setTransport(before);
      }, /a polling session in a cluster/);
      assert.equal(socket.transport, before);
      assert.equal(socket.readyState, "open");
    },
    {},
    ["owner", "next"],
  );

  it("is tried for an upgrade by _maybeUpgrade, and maybeUpgrade is the same", async () => {
    await withServer(
      async (own) => {
        const { socket } = await own.open();
        const tried: Transport[] = [];
        let called = 0;
        replace(socket, "maybeUpgrade", (maybeUpgrade) => (transport) => {
          called++;
          maybeUpgrade(transport);
        });
        replace(socket, "_maybeUpgrade", (maybeUpgrade) => (transport) => {
          tried.push(transport);
          maybeUpgrade(transport);
        });
        const url = own.url(`EIO=4&transport=websocket&sid=${socket.id}`).replace("http", "ws");
        const websocket = new WebSocket(url);
        await next(websocket, "open");
        await until("it is tried", () => tried.length === 1);
        assert.equal(called, 1);
        assert.ok(tried[0] instanceof WebSocketTransport);
        assert.equal(socket.upgrading, true);
        assert.ok(!isProbed(socket));
        assert.equal(socket.upgradeTimeoutTimer?.hasRef(), false);
        websocket.send("2probe");
        assert.equal(String((await next(websocket, "message"))[0]), "3probe");
        assert.ok(isProbed(socket));
        assert.equal(socket.checkIntervalTimer?.hasRef(), false);
        // Its time does not run out any more.
        socket.upgradeTimeoutTimer.close();
        await new Promise((resolve) => setTimeout(resolve, 150));
        assert.equal(socket.upgrading, true);
        const upgraded = next(socket, "upgrade");
        websocket.send("5");
        assert.deepEqual(await upgraded, [tried[0]]);
        assert.equal(socket.transport, tried[0]);
        assert.deepEqual(
          [socket.upgrading, socket.upgradeTimeoutTimer, socket.checkIntervalTimer],
          [false, null, null],
        );
        websocket.terminate();
      },
      { upgradeTimeout: 100 },
    );
  });

  behaviour("that nobody can go over to is closed", async (engines) => {
    const { socket } = await opened(engines);
    const given = { on: () => given, once: () => given, send: () => undefined, close: () => closes.push(1) };
    const closes: unknown[] = [];
    const transport = new WebSocketTransport(4, { ...given, pause: () => undefined, resume: () => undefined });
    socket.close(true);
    socket.maybeUpgrade(transport);
    assert.equal(closes.length, 1);
  });
});

function isProbed(socket: Socket): boolean {
  return socket.checkIntervalTimer !== null;
}

function isWaited(socket: Socket): boolean {
  return socket.pingTimeoutTimer !== null;
}

describe("the heartbeat", () => {
  it("can be looked at, and waits again by the names of both versions", async () => {
    await withServer(
      async (own) => {
        const { socket } = await own.open();
        assert.ok(!isWaited(socket));
        assert.equal(socket.pingIntervalTimer?.hasRef(), false);
        await until("a ping is out", () => socket.pingTimeoutTimer !== null);
        assert.equal(socket.pingIntervalTimer, null);
        assert.equal(socket.hasRefreshedPingTimeout, false);
        socket.onPacket({ type: "message", data: "alive" });
        assert.equal(socket.hasRefreshedPingTimeout, true);
        socket.hasRefreshedPingTimeout = false;
        assert.equal(socket.hasRefreshedPingTimeout, false);
        socket.schedulePing();
        assert.ok(!isWaited(socket));
        socket.resetPingTimeout();
        assert.equal(socket.pingIntervalTimer, null);
        assert.ok(isWaited(socket));
        socket.pingTimeoutTimer?.refresh().close();
        assert.ok(!isWaited(socket));
        const { socket: third } = await own.open("EIO=3");
        assert.equal(third.pingIntervalTimer, null);
        assert.notEqual(third.pingTimeoutTimer, null);
        third.pingTimeoutTimer?.close();
        assert.equal(third.pingTimeoutTimer, null);
        third.setPingTimeout();
        assert.deepEqual((await next(third, "close"))[0], "ping timeout");
        assert.equal(socket.readyState, "open");
      },
      { pingInterval: 50, pingTimeout: 100 },
    );
  });

  it("starts by schedulePing and resetPingTimeout of a program's own", async () => {
    await withServer(
      async (own) => {
        const { socket } = await own.open();
        const calls: string[] = [];
        socket.resetPingTimeout = () => calls.push("resetPingTimeout");
        socket.schedulePing = () => calls.push("schedulePing");
        await until("a ping is out", () => calls.length === 1);
        socket.onPacket({ type: "pong" });
        assert.deepEqual(calls, ["resetPingTimeout", "schedulePing"]);
        const { socket: third } = await own.open("EIO=3");
        third.setPingTimeout = () => calls.push("setPingTimeout");
        third.onPacket({ type: "ping" });
        assert.equal(calls.at(-1), "setPingTimeout");
      },
      { pingInterval: 50, pingTimeout: 5000 },
    );
  });
});
