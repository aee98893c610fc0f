import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { describe } from "node:test";
import type { CookieOptions } from "../../src/options";
import { OPEN, same, sidOf } from "../helpers/beside-stock";
import { UPGRADE, type RawReply } from "../helpers/raw-http";

describe("as engine.io: cors", () => {
  for (const cors of [
    { origin: true, credentials: true },
    { origin: "http://a", exposedHeaders: ["x", "y"], optionsSuccessStatus: 200, methods: ["GET", "POST"] },
    { origin: /b$/, allowedHeaders: "x-a,x-b", maxAge: 5 },
    { origin: false },
    {},
  ]) {
    same(JSON.stringify({ ...cors, origin: String(cors.origin) }), { cors }, async ({ ask }) => {
      for (const origin of ["http://a", "http://b"]) {
        const headers = { origin };
        const { text } = await ask(OPEN, { headers });
        const sid = sidOf({ text } as RawReply);
        await ask(`${OPEN}&sid=${sid}`, {
          method: "OPTIONS",
          headers: { ...headers, "access-control-request-headers": "q" },
        });
        await ask(`${OPEN}&sid=${sid}`, { method: "POST", headers, body: "4x" });
        await ask(`${OPEN}&sid=none`, { headers });
        await ask("EIO=4&transport=websocket", { headers: { ...headers, ...UPGRADE } });
      }
    });
  }
});

describe("as engine.io: cookie", () => {
  const cookies: (boolean | CookieOptions)[] = [
    false,
    true,
    { name: "n" },
    { name: "n", path: "/p", httpOnly: false, sameSite: "strict", maxAge: 9, domain: "a.b" },
    { name: "n", sameSite: true, secure: true, priority: "high", partitioned: true, expires: new Date(86_400_000) },
    { sameSite: false, encode: (id) => id.toLowerCase().slice(0, 0) },
  ];
  for (const [i, cookie] of cookies.entries()) {
    same(`form ${String(i)}`, { cookie }, async ({ ask, engine }) => {
      engine.on(
        "initial_headers",
        (headers: Record<string, unknown>) => (headers["X-Seen"] = String(headers["Set-Cookie"])),
      );
      const sid = sidOf(await ask(OPEN));
      await ask(`${OPEN}&sid=${sid}`, { method: "POST", body: "4x" });
    });
  }
});

describe("as engine.io: middlewares", () => {
  same("headers of polls and websockets", {}, async ({ ask, engine }) => {
    engine.use((_request, response, next) => {
      response.setHeader("X-One", "1");
      response.setHeader("X-Gone", "1");
      next();
    });
    engine.use((_request, response, next) => {
      response.removeHeader("X-Gone");
      response.setHeader("X-Two", `${String(response.getHeader("X-One"))} and 2`);
      setImmediate(next);
    });
    const sid = sidOf(await ask(OPEN));
    await ask(`${OPEN}&sid=${sid}`, { method: "POST", body: "4x" });
    await ask("EIO=4&transport=websocket", { headers: UPGRADE });
    await ask("EIO=4&transport=none", {});
  });
  for (const where of ["before", "after"]) {
    same(`an error ${where} the answer`, {}, async ({ ask, engine }) => {
      engine.use((_request, response, next) => {
        if (where === "after") response.writeHead(202, { "x-own": "1" });
        next(new Error("no"));
      });
      await ask(OPEN);
      if (where === "before") await ask("EIO=4&transport=websocket", { headers: UPGRADE });
    });
  }
});

describe("as engine.io: refusals and headers", () => {
  same("of requests of every kind", {}, async ({ ask }) => {
    const sid = sidOf(await ask(OPEN));
    for (const query of [
      "transport=none",
      "EIO=4",
      OPEN,
      "EIO=4&transport=websocket",
      `${OPEN}&sid=none`,
      `EIO=4&transport=websocket&sid=${sid}`,
      `EIO=3&transport=polling&sid=${sid}`,
      `transport=polling&sid=${sid}`,
    ]) {
      await ask(query, { method: "POST", body: "4x" });
      await ask(query, { method: "OPTIONS" });
      if (query.includes("=none")) await ask(query, { headers: UPGRADE });
    }
    await ask(`EIO=3&transport=websocket&sid=${sid}`, { headers: UPGRADE });
  });
  same("an id that cannot be made", {}, async ({ ask, engine }) => {
    Object.assign(engine, {
      generateId: () => {
        throw new Error("no id");
      },
    });
    await ask(OPEN);
  });
});

describe("as engine.io: compression", () => {
  const headers = [
    "gzip",
    "deflate",
    "deflate, gzip",
    "gzip, deflate",
    "*",
    "*;q=0",
    "gzip;q=0",
    "gzip;q=0, *",
    "*, deflate",
    "*;q=0.9, gzip;q=0.5",
    "gzip;q=0.1, deflate;q=0.2",
    "GZIP",
    "br",
    "identity",
    "identity, gzip;q=0.3",
    "gzip ; q=0.5 , deflate ; q = 0.9",
    "",
    "x-gzip",
    "gzip;q=0.5;x=1, deflate;q=0.4",
  ];
  same("of whatever is accepted", { initialPacket: "é".repeat(600) }, async ({ ask }) => {
    for (const accepted of headers) await ask(OPEN, { headers: { "accept-encoding": accepted } });
    await ask(OPEN);
  });
  same("from a threshold on", { httpCompression: { threshold: 130 } }, async ({ ask }) => {
    await ask(OPEN, { headers: { "accept-encoding": "gzip" } });
    for (const j of ["1", "1234567890", "12345678901234567890"])
      await ask(`${OPEN}&x=${j}`, { headers: { "accept-encoding": "gzip" } });
  });
  same("switched off", { httpCompression: false, initialPacket: "a".repeat(2000) }, async ({ ask }) => {
    await ask(OPEN, { headers: { "accept-encoding": "gzip" } });
    await ask(OPEN);
  });
});

describe("as engine.io: JSONP", () => {
  same("but for the type of its scripts", {}, async ({ ask, engine, log }) => {
    engine.on("headers", (headers: Record<string, unknown>) => {
      // The stock engine calls its scripts text/plain.
      if (String(headers["Content-Type"]).startsWith("text/")) headers["Content-Type"] = "text/mixed";
    });
    engine.on("connection", (socket: EventEmitter & { send(data: unknown): void }) =>
      socket.on("message", (data: unknown) => {
        log.push(`message ${JSON.stringify(data)}`);
        socket.send(data);
      }),
    );
    for (const j of ["0", "12a;3", ""]) {
      const sid = sidOf(await ask(`${OPEN}&j=${j}`));
      for (const body of [
        "d=4x",
        "d=4a%5Cnb%5C%5Cnc%5C%5C%5Cnd%5C%5C%5C%5Cne%0A",
        "d=bAQID%1E4%E2%80%A8%E2%80%A9+%2B",
        "d=4%zz",
        "e=4x&d=4y",
        "d=4x&d=4y",
        "4x",
        "",
      ]) {
        const { text } = await ask(`${OPEN}&sid=${sid}`, { method: "POST", body });
        assert.equal(text, "ok");
      }
      await ask(`${OPEN}&sid=${sid}&j=99`);
      await ask(`${OPEN}&sid=${sid}`, { method: "POST", body: "d=5%1Ex" });
    }
  });
});
