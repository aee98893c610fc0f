import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import type { AttachOptions, Middleware } from "../../src/options";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import type { Socket } from "../../src/session/socket";
import { runtimeClock } from "../../src/time/runtime-clock";
import { behaviour } from "../helpers/behaviour";
import { RawClient, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE } from "../helpers/raw-http";
import { until } from "../helpers/until";

const PAGE = { origin: "http://page.example" };
const PREFLIGHT = {
  ...PAGE,
  "access-control-request-method": "POST",
  "access-control-request-headers": "x-mine",
};

function handshakeAt(engines: TestEngines, transport = "polling"): string {
  return `${engines.next()}/engine.io/?EIO=4&transport=${transport}`;
}

function use(engines: TestEngines, middleware: Middleware): void {
  for (const engine of engines.engines) engine.use(middleware);
}

interface Refused {
  readonly code: number;
  readonly message: string;
  readonly context: Readonly<Record<string, unknown>>;
}

function refusals(engines: TestEngines): Refused[] {
  const all: Refused[] = [];
  engines.on("connection_error", ({ code, message, context }: Refused) => all.push({ code, message, context }));
  return all;
}

describe("cors", () => {
  behaviour(
    "speaks for the page's origin with every answer",
    async (engines) => {
      const client = await RawClient.open(engines);
      const replies = [
        await raw(handshakeAt(engines), { headers: PAGE }),
        await raw(client.url("a"), { method: "POST", headers: PAGE, body: "4x" }),
        await raw(client.url("b"), { method: "PUT", headers: PAGE }),
        await raw(client.url("c").replace(client.sid, "nobody"), { headers: PAGE }),
        await raw(handshakeAt(engines, "none"), { headers: PAGE }),
        await raw(handshakeAt(engines, "websocket"), { headers: { ...UPGRADE, ...PAGE } }),
      ];
      assert.deepEqual(
        replies.map(({ status }) => status),
        [200, 200, 500, 400, 400, 101],
      );
      for (const { headers } of replies) {
        assert.equal(headers["access-control-allow-origin"], PAGE.origin);
        assert.equal(headers["access-control-allow-credentials"], "true");
        assert.equal(headers.vary, "Origin");
      }
    },
    { cors: { origin: ["http://page.example"], credentials: true } },
  );
  behaviour(
    "answers preflights at any node, of sessions that nobody knows too, and the session lives",
    async (engines) => {
      const client = await RawClient.open(engines);
      for (const url of [
        handshakeAt(engines),
        client.url("p"),
        client.url("q"),
        client.url("r").replace(client.sid, "x"),
      ]) {
        const { status, headers, text } = await raw(url, { method: "OPTIONS", headers: PREFLIGHT });
        assert.equal(status, 204);
        assert.equal(text, "");
        assert.equal(headers["access-control-allow-origin"], PAGE.origin);
        assert.equal(headers["access-control-allow-methods"], "GET,HEAD,PUT,PATCH,POST,DELETE");
        assert.equal(headers["access-control-allow-headers"], "x-mine");
        assert.equal(headers["access-control-max-age"], "600");
      }
      assert.equal((await client.post("4x")).status, 200);
    },
    { cors: { origin: /page\.example$/, maxAge: 600 } },
  );
  behaviour("without it, OPTIONS is no method of a handshake", async (engines) => {
    const { status, headers, text } = await raw(handshakeAt(engines), { method: "OPTIONS", headers: PREFLIGHT });
    assert.equal(status, 400);
    assert.equal(text, '{"code":2,"message":"Bad handshake method"}');
    assert.equal(headers["access-control-allow-origin"], undefined);
  });
});

describe("cookie", () => {
  const options = { cookie: { name: "sid", path: "/app", maxAge: 60, sameSite: "none", secure: true } } as const;
  behaviour(
    "comes with a handshake's answer, and with no other",
    async (engines) => {
      const seen: unknown[] = [];
      engines.on("initial_headers", (headers: Record<string, unknown>) => {
        seen.push(headers["Set-Cookie"]);
        headers["x-first"] = "1";
      });
      const reply = await raw(handshakeAt(engines));
      const { sid } = JSON.parse(reply.text.slice(1)) as { sid: string };
      const cookie = `sid=${sid}; Max-Age=60; Path=/app; HttpOnly; Secure; SameSite=None`;
      assert.deepEqual(reply.headers["set-cookie"], [cookie]);
      assert.deepEqual(seen, [[cookie]]);
      const client = new RawClient(engines);
      client.sid = sid;
      const post = await client.post("4x");
      assert.equal(post.status, 200);
      assert.equal(post.headers["set-cookie"], undefined);
      assert.equal(post.headers["x-first"], undefined);
    },
    options,
  );
  behaviour(
    "does not come with a websocket's answer, as in engine.io; those of middlewares do",
    async (engines) => {
      use(engines, (_request, response, next) => {
        response.setHeader("set-cookie", ["a=1", "b=2"]);
        next();
      });
      const { status, headers } = await raw(handshakeAt(engines, "websocket"), { headers: UPGRADE });
      assert.equal(status, 101);
      assert.deepEqual(headers["set-cookie"], ["a=1", "b=2"]);
    },
    { cookie: "name" },
  );
  behaviour("is off by default", async (engines) => {
    assert.equal((await raw(handshakeAt(engines))).headers["set-cookie"], undefined);
  });
});

describe("middlewares", () => {
  behaviour("see every request before its checks, in order, at the node that it reaches", async (engines) => {
    const client = await RawClient.open(engines);
    const seen: string[] = [];
    use(engines, (request, response, next) => {
      seen.push(`first ${request.method ?? ""}`);
      response.setHeader("x-first", "1");
      setImmediate(next);
    });
    use(engines, async (request, response, next) => {
      await Promise.resolve();
      seen.push(`second ${request.method ?? ""}`);
      response.setHeader("x-second", String(response.getHeader("X-First")));
      next();
    });
    const replies = [
      await raw(handshakeAt(engines)),
      await raw(client.url("a"), { method: "POST", body: "4x" }),
      await raw(client.url("b").replace(client.sid, "nobody"), {}),
      await raw(handshakeAt(engines, "websocket"), { headers: UPGRADE }),
    ];
    assert.deepEqual(
      replies.map(({ status, headers }) => [status, headers["x-first"], headers["x-second"]]),
      [200, 200, 400, 101].map((status) => [status, "1", "1"]),
    );
    assert.deepEqual(
      seen,
      ["GET", "POST", "GET", "GET"].flatMap((method) => [`first ${method}`, `second ${method}`]),
    );
  });
  const failing: Readonly<Record<string, Middleware>> = {
    "an error": (_request, _response, next) => {
      next(new Error("no"));
    },
    "a throw": () => {
      throw new Error("no");
    },
    "a rejection": async () => {
      await Promise.reject(new Error("no"));
    },
  };
  for (const [kind, middleware] of Object.entries(failing)) {
    behaviour(`refuse a request by ${kind}`, async (engines) => {
      const client = await RawClient.open(engines);
      const refused = refusals(engines);
      use(engines, middleware);
      const replies = [
        await raw(handshakeAt(engines)),
        await raw(client.url("a"), { method: "POST", body: "4x" }),
        await raw(handshakeAt(engines, "websocket"), { headers: UPGRADE }),
      ];
      assert.deepEqual(
        replies.map(({ status, text }) => `${String(status)} ${text}`),
        ['400 {"code":3,"message":"Bad request"}', '400 {"code":3,"message":"Bad request"}', "400 Bad request"],
      );
      const refusal = { code: 3, message: "Bad request", context: { name: "MIDDLEWARE_FAILURE" } };
      assert.deepEqual(refused, [refusal, refusal, refusal]);
    });
  }
  behaviour("may answer by themselves, and call next too often", async (engines) => {
    const refused = refusals(engines);
    use(engines, (request, response, next) => {
      if (request.headers["x-own"] === undefined) next();
      else response.writeHead(418).end("own");
      if (request.headers["x-own"] === "then fail") next(new Error("too late"));
      else if (request.headers["x-own"] === undefined) next(new Error("twice"));
    });
    assert.equal((await raw(handshakeAt(engines))).status, 200);
    for (const own of ["answer", "then fail"]) {
      const { status, text } = await raw(handshakeAt(engines), { headers: { "x-own": own } });
      assert.deepEqual([status, text], [418, "own"]);
    }
    await assert.rejects(raw(handshakeAt(engines, "websocket"), { headers: { ...UPGRADE, "x-own": "answer" } }));
    assert.equal(refused.length, 1);
  });
  behaviour("leave no poll behind whose connection broke while they took their time", async (engines) => {
    const client = await RawClient.open(engines);
    const waiting: (() => void)[] = [];
    use(engines, (request, response, next) => {
      if (!(request.url ?? "").includes("t=gone")) next();
      else response.on("close", () => waiting.push(next));
    });
    await assert.rejects(
      client.poll("gone", {
        onStarted: (abort) => setTimeout(abort, 100),
      }),
    );
    await until("its connection is closed", () => waiting.length > 0);
    waiting[0]?.();
    const poll = client.poll();
    const sockets = engines.engines.flatMap((engine) => Object.values(engine.clients));
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    sockets[0]?.send("to the living");
    assert.equal((await poll).body, "4to the living");
  });
});

describe("headers", () => {
  behaviour("both events at the handshake, one at each later answer, none at a refusal", async (engines) => {
    const events: string[] = [];
    engines.on("initial_headers", (headers: Record<string, unknown>, request: IncomingMessage) => {
      events.push(`initial ${request.method ?? ""}`);
      headers["x-initial"] = "1";
    });
    engines.on("headers", (headers: Record<string, unknown>, request: IncomingMessage) => {
      events.push(`headers ${request.method ?? ""}`);
      headers["x-each"] = ["1", "2"];
    });
    const client = new RawClient(engines);
    const opened = await raw(handshakeAt(engines));
    client.sid = (JSON.parse(opened.text.slice(1)) as { sid: string }).sid;
    const replies = [
      opened,
      await raw(client.url("a"), { method: "POST", body: "4x" }),
      await raw(client.url("b"), { method: "PUT" }),
      await raw(handshakeAt(engines, "websocket"), { headers: UPGRADE }),
      await raw(client.url("w").replace("polling", "websocket"), { headers: UPGRADE }),
    ];
    assert.deepEqual(
      replies.map(({ status, headers }) => [status, headers["x-initial"], headers["x-each"]]),
      [
        [200, "1", "1, 2"],
        [200, undefined, "1, 2"],
        [500, undefined, undefined],
        [101, "1", "1, 2"],
        [101, undefined, "1, 2"],
      ],
    );
    assert.deepEqual(events, [
      "initial GET",
      "headers GET",
      "headers POST",
      "initial GET",
      "headers GET",
      "headers GET",
    ]);
  });
});

describe("connection_error", () => {
  behaviour("says what was wrong", async (engines) => {
    const client = await RawClient.open(engines);
    const refused = refusals(engines);
    await raw(handshakeAt(engines, "websocket"));
    await raw(handshakeAt(engines).replace("EIO=4", "EIO=9&EIO=5"), { method: "POST" });
    await raw(client.url("a").replace(client.sid, "nobody"));
    for (const engine of engines.engines)
      engine.generateId = () => {
        throw new Error("no id");
      };
    await raw(handshakeAt(engines));
    await raw(handshakeAt(engines, "websocket"), { headers: UPGRADE });
    const names = refused.map(({ code, context }) => {
      const { name } = context;
      return `${String(code)} ${typeof name === "string" ? name : Object.keys(context).join()}`;
    });
    assert.deepEqual(names, [
      "3 TRANSPORT_HANDSHAKE_ERROR",
      "2 method",
      "1 sid",
      "3 ID_GENERATION_ERROR",
      "3 ID_GENERATION_ERROR",
    ]);
  });
  behaviour("tells a session's transport and protocol from the request's", async (engines) => {
    const client = await RawClient.open(engines);
    const refused = refusals(engines);
    const three = (url: string): string => url.replace("EIO=4", "EIO=3");
    await raw(three(client.url("a")));
    await raw(three(client.url("b")), { method: "POST", body: "4x" });
    await raw(three(client.url("c")).replace("polling", "websocket"), { headers: UPGRADE });
    const mismatch = { name: "PROTOCOL_MISMATCH", protocol: 3, previousProtocol: 4 };
    assert.deepEqual(
      refused.map(({ code, context }) => ({ code, ...context })),
      [3, 3, 3].map((code) => ({ code, ...mismatch })),
    );
    assert.equal((await client.post("4x")).status, 200);
    refused.length = 0;
    await raw(client.url("d").replace("polling", "websocket"));
    assert.deepEqual(
      refused.map(({ context }) => context),
      [{ name: "TRANSPORT_MISMATCH", transport: "websocket", previousTransport: "polling" }],
    );
  });
  behaviour("lets in a websocket for a transport that takes none, and closes it", async (engines) => {
    const sockets: Socket[] = [];
    engines.on("connection", (socket: Socket) => sockets.push(socket));
    assert.equal((await raw(handshakeAt(engines, "polling"), { headers: UPGRADE })).status, 101);
    assert.deepEqual(sockets, []);
  });
});

describe("handlePreflightRequest", () => {
  async function preflight(options: AttachOptions): Promise<string> {
    const server = createServer((_request, response) => {
      response.writeHead(202).end("others");
    });
    const engine = new Engine({}, runtimeClock, (engine) => new LocalHost(engine, runtimeClock));
    engine.attach(server, options);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/engine.io/?EIO=4&transport=polling`;
    try {
      assert.equal((await raw(url)).status, 200);
      const { status, text } = await raw(url, { method: "OPTIONS" });
      return `${String(status)} ${text}`;
    } finally {
      engine.close();
      server.close();
    }
  }

  it("answers OPTIONS in the engine's place", async () => {
    const own = (request: IncomingMessage, response: ServerResponse): void => {
      response.writeHead(200).end(`own ${request.method ?? ""}`);
    };
    assert.equal(await preflight({ handlePreflightRequest: own }), "200 own OPTIONS");
  });
  it("false leaves OPTIONS to the server's other listeners", async () => {
    assert.equal(await preflight({ handlePreflightRequest: false }), "202 others");
  });
  it("left out, OPTIONS is the engine's", async () => {
    assert.equal(await preflight({}), '400 {"code":2,"message":"Bad handshake method"}');
  });
});
