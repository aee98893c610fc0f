import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import engine from "../../src/index";
import type { EngineOptions } from "../../src/options";
import type { Socket } from "../../src/session/socket";
import { WebSocketTransport } from "../../src/transports/websocket";
import { behaviour } from "../helpers/behaviour";
import { http, RawClient } from "../helpers/engines";
import { next, OwnServer, replace } from "../helpers/own-server";
import { raw, type RawReply, type RawRequest } from "../helpers/raw-http";

/** Programs of engine.io 3, with `v3` or the option `compat: 3`. */

const requireHere = createRequire(__filename);

interface Engine3 extends EventEmitter {
  attach(server: object): unknown;
  close(): unknown;
}

/** Engine.io 3.6, which has no types. */
const stock = requireHere("engine.io-3") as (options: object) => Engine3;

type Ask = (query: string, request?: RawRequest) => Promise<RawReply>;

/** What of a reply does not change from one to the next; SameSite came after 3.0.0. */
function shown({ status, headers, text }: RawReply): string {
  const { "content-type": type, "set-cookie": cookies } = headers;
  const cors = Object.keys(headers).filter((name) => name.startsWith("access-control"));
  // The stock engine calls its scripts text/plain.
  const kind = text.startsWith("___eio") ? "a script" : String(type);
  const lines = [`type ${kind}`, ...cors.sort().map((name) => `${name}: ${String(headers[name])}`)];
  for (const cookie of cookies ?? []) lines.push(`cookie ${cookie.replace("; SameSite=Strict", "")}`);
  return [String(status), ...lines, text].join("\n").replace(/[\w-]{20}(?=["';\\]|$)/gm, "<sid>");
}

async function outcome(made: Engine3, scenario: (ask: Ask) => Promise<void>): Promise<string[]> {
  const server = createServer();
  made.attach(server);
  made.on("connection", ({ transport }: { transport: { closeTimeout: number } }) => (transport.closeTimeout = 10));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const log: string[] = [];
  const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/engine.io/?`;
  try {
    await scenario(async (query, request) => {
      const reply = await raw(base + query, request);
      log.push(shown(reply));
      return reply;
    });
    return log;
  } finally {
    made.close();
    server.close();
    server.closeAllConnections();
  }
}

/** 3.6 and 3.0.0 differ in this default. */
const COMMON = { pingTimeout: 5000 };

function same(name: string, options: EngineOptions, scenario: (ask: Ask) => Promise<void>): void {
  it(name, async () => {
    const expected = await outcome(stock({ ...COMMON, ...options }), scenario);
    assert.ok(expected.length > 1, "something happened");
    assert.deepEqual(await outcome(engine.v3({ ...COMMON, ...options }), scenario), expected);
  });
}

const POLLING = "EIO=3&transport=polling";

function sidOf({ text }: RawReply): string {
  return /sid\\*":\\*"([\w-]+)/.exec(text)?.[1] ?? "";
}

describe("as engine.io 3", () => {
  for (const origin of [undefined, "http://page.example"]) {
    same(`pages of other origins may read answers and refusals: ${origin ?? "without one"}`, {}, async (ask) => {
      const headers: Record<string, string> = origin === undefined ? {} : { origin };
      const sid = sidOf(await ask(POLLING, { headers }));
      await ask(`${POLLING}&sid=${sid}`, { method: "POST", headers, body: "2:4x" });
      await ask("EIO=3&transport=none", { headers });
      await ask(`${POLLING}&sid=none`, { headers });
      await ask(POLLING, { method: "OPTIONS", headers });
      await ask("EIO=3&transport=websocket", { headers });
      await ask(`${POLLING}&j=0`, { headers });
    });
  }

  same("a page may ask whether it may send binary data", { cookie: false }, async (ask) => {
    const headers = { origin: "http://page.example" };
    const sid = sidOf(await ask(POLLING, { headers }));
    await ask(`${POLLING}&sid=${sid}`, { method: "OPTIONS", headers: { ...headers, cookie: "a=1" } });
    await ask(`${POLLING}&sid=none`, { method: "OPTIONS", headers });
    await ask(`${POLLING}&sid=${sid}`, { method: "POST", headers, body: "2:4x" });
  });

  same(
    "what allowRequest says is a message",
    {
      allowRequest: (_r, decide) => {
        decide("not you", false);
      },
    },
    async (ask) => {
      await ask(POLLING, { headers: { origin: "http://page.example" } });
      await ask(POLLING);
    },
  );

  same(
    "or the code of an error",
    {
      allowRequest: (request, decide) => {
        // Its types say text; programs of version 3 give numbers.
        decide(Number(/code=(\d)/.exec(request.url ?? "")?.[1]) as unknown as string, false);
      },
    },
    async (ask) => {
      for (const code of [0, 1, 2, 3]) await ask(`${POLLING}&code=${String(code)}`);
    },
  );

  for (const options of [
    {},
    { cookie: "woot" },
    { cookiePath: "/custom" },
    { cookiePath: false },
    { cookieHttpOnly: false },
    { cookieHttpOnly: true, cookiePath: false },
    { cookie: false },
  ] as const) {
    same(`the cookie of ${JSON.stringify(options)} comes with every answer`, options, async (ask) => {
      const sid = sidOf(await ask(POLLING));
      await ask(`${POLLING}&sid=${sid}`, { method: "POST", body: "2:4x" });
    });
  }
});

describe("compat: 3", () => {
  it("has the defaults of 3.0.0", () => {
    const made = engine.v3();
    assert.ok(made instanceof engine.v3.Server);
    assert.ok(made instanceof engine.Server);
    assert.deepEqual(
      [made.pingTimeout, made.pingInterval, made.upgradeTimeout, made.maxHttpBufferSize],
      [60_000, 25_000, 10_000, 1e8],
    );
    assert.deepEqual([made.cookie, made.cookiePath, made.cookieHttpOnly], ["io", "/", true]);
    assert.deepEqual([made.perMessageDeflate, made.httpCompression], [{ threshold: 1024 }, { threshold: 1024 }]);
    assert.deepEqual([made.transports, made.allowUpgrades, made.wsEngine], [["polling", "websocket"], true, "ws"]);
    made.close();
    assert.throws(() => new engine.Server({ compat: 2 as 3 }), /option compat/);
  });

  it("is what v3 gives its servers, however they are made", async () => {
    const { Server, attach, listen, parser, protocol } = engine.v3;
    assert.equal(protocol, 1);
    assert.equal(parser.protocol, 3);
    const attached = attach(createServer());
    const called = Server({ cookie: false });
    const passed = engine.v3(createServer(), { compat: 3 });
    for (const made of [attached, called, passed]) {
      assert.ok(made instanceof Server);
      assert.equal(made.opts.compat, 3);
      made.close();
    }
    assert.equal(called.cookie, false);
    const own = await OwnServer.start({}, listen);
    assert.ok(own.server instanceof Server);
    await own.stop();
  });

  it("takes the websockets' server from the environment, and ws where there is none by that name", () => {
    const path = join(__dirname, "../helpers/ws-engine.cjs");
    const { Server: Named } = requireHere(path) as { Server: typeof WebSocketServer };
    for (const [name, expected] of [
      [path, Named],
      ["no-such-module-of-websockets", WebSocketServer],
    ] as const) {
      process.env["EIO_WS_ENGINE"] = name;
      try {
        const made = engine.v3();
        assert.equal(made.ws?.constructor, expected);
        made.close();
        const other = engine.v3({ wsEngine: "ws" });
        assert.equal(other.ws?.constructor, WebSocketServer);
        other.close();
        const latest = new engine.Server();
        assert.equal(latest.ws?.constructor, WebSocketServer);
        latest.close();
      } finally {
        delete process.env["EIO_WS_ENGINE"];
      }
    }
  });

  behaviour(
    "answers the browser's question whether a POST may be sent",
    async (engines) => {
      const reply = await http(`${engines.next()}/engine.io/?${POLLING}`);
      const sid = /"sid":"([\w-]+)"/.exec(reply.body)?.[1] ?? "";
      const { status, headers } = await raw(`${engines.next()}/engine.io/?${POLLING}&sid=${sid}`, {
        method: "OPTIONS",
        headers: { origin: "http://page.example" },
      });
      assert.equal(status, 200);
      assert.equal(headers["access-control-allow-origin"], "http://page.example");
      assert.equal(headers["access-control-allow-credentials"], "true");
      assert.equal(headers["access-control-allow-headers"], "Content-Type");
    },
    { compat: 3 },
  );

  behaviour(
    "lets a client of protocol 4 in as well, from every origin",
    async (engines) => {
      const client = await RawClient.open(engines);
      const reply = await client.post("4x");
      assert.equal(reply.headers["access-control-allow-origin"], "*");
    },
    { compat: 3 },
  );

  for (const [compat, reason] of [
    [3, "transport close"],
    [undefined, "ping timeout"],
  ] as const) {
    it(`whatever a client says ${compat === 3 ? "counts" : "does not count"} as its ping: compat ${String(compat)}`, async () => {
      const own = await OwnServer.start({
        pingInterval: 100,
        pingTimeout: 100,
        ...(compat === undefined ? {} : { compat }),
      });
      try {
        const { socket } = await own.open("EIO=3");
        const closed = next(socket, "close");
        const saying = setInterval(() => {
          socket.onPacket({ type: "message", data: "alive" });
        }, 40);
        setTimeout(() => {
          socket.onClose("transport close");
        }, 500);
        assert.equal((await closed)[0], reason);
        clearInterval(saying);
      } finally {
        await own.stop();
      }
    });
  }

  it("gives options to each message of a websocket, by which it is compressed", async () => {
    const own = await OwnServer.start({ transports: ["websocket"] }, engine.v3.listen);
    const websocket = new WebSocket(own.url("EIO=3&transport=websocket").replace("http", "ws"));
    try {
      const [socket] = (await next(own.server, "connection")) as [Socket];
      const given = new Promise((resolve) => {
        const { transport } = socket;
        assert.ok(transport instanceof WebSocketTransport);
        assert.ok(transport.socket instanceof WebSocket);
        replace(transport.socket, "send", (send) => (...args: unknown[]) => {
          Reflect.apply(send, undefined, args);
          resolve(args[1]);
        });
      });
      socket.send(Buffer.alloc(100), { compress: true });
      assert.deepEqual(await given, { compress: false });
    } finally {
      websocket.on("error", () => undefined);
      websocket.terminate();
      await own.stop();
    }
  });
});

/** Requests as engine.io 3 hands them on. */
describe("the request", () => {
  it("has its websocket", async () => {
    const own = await OwnServer.start({}, engine.v3.listen);
    const websocket = new WebSocket(own.url("EIO=3&transport=websocket").replace("http", "ws"));
    try {
      const opened = next(websocket, "open");
      const [socket] = (await next(own.server, "connection")) as [Socket];
      const { websocket: held } = socket.request as IncomingMessage & { websocket?: object };
      assert.equal(held, (socket.transport as Socket["transport"] & { socket: object }).socket);
      await opened;
    } finally {
      websocket.terminate();
      await own.stop();
    }
  });
});
