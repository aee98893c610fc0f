import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import type { Page } from "playwright-core";
import type { Socket } from "../../src/session/socket";
import { startChromium, type Chromium } from "../helpers/chromium";
import { startEngines, type TestEngines } from "../helpers/engines";
import { startNginx, type Nginx } from "../helpers/nginx";
import { until } from "../helpers/until";

const { resolve } = createRequire(__filename);

/** What pages load: the stock clients, and what runs them. */
const SCRIPTS: Readonly<Record<string, string>> = {
  "/client6.js": join(dirname(resolve("engine.io-client/package.json")), "dist/engine.io.js"),
  "/client3.js": join(dirname(resolve("engine.io-client-3/package.json")), "engine.io.js"),
  "/run.js": join(__dirname, "../helpers/page-client.cjs"),
};

/** A page for each client: `/6` and `/3`. */
const pages: RequestListener = (request, response) => {
  const { url = "" } = request;
  const script = SCRIPTS[url];
  if (script !== undefined) response.writeHead(200, { "content-type": "text/javascript" }).end(readFileSync(script));
  else if (/^\/[36]$/.test(url))
    response
      .writeHead(200, { "content-type": "text/html" })
      .end(
        `<!doctype html><meta charset="utf-8"><script src="/client${url.slice(1)}.js"></script><script src="/run.js"></script>`,
      );
  else response.writeHead(204).end();
};

const MESSAGES = 60;
/** How many are under way at a time. */
const WINDOW = 4;

interface Wanted {
  readonly url: string;
  readonly options: object;
  readonly transport: string;
  readonly count: number;
  readonly window: number;
}

/** See page-client.cjs. */
interface InPage {
  runClient(wanted: Wanted): Promise<Outcome>;
}

interface Outcome {
  /** What came, binary as its bytes in hexadecimal behind "bytes ". */
  readonly got: readonly string[];
  readonly transports: readonly string[];
  readonly id: string;
}

function expected(count: number): string[] {
  return Array.from({ length: count }, (_, n) => {
    const text = `é€😀\n${String(n)}`;
    return n % 2 === 0 ? text : `bytes ${Buffer.from(text).toString("hex")}`;
  });
}

interface Arrived {
  readonly node: number;
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
}

describe("the stock clients in a browser, each request at the next of three nodes", () => {
  let chromium: Chromium;
  let engines: TestEngines;
  let nginx: Nginx;
  const elsewhere = createServer(pages);
  const sessions: { readonly socket: Socket; readonly node: number; readonly received: string[] }[] = [];
  const closes: string[] = [];
  const arrived: Arrived[] = [];

  before(async () => {
    await new Promise<void>((listening) => elsewhere.listen(0, "127.0.0.1", listening));
    const options = { cors: { origin: [originOf(elsewhere)], credentials: true }, cookie: { name: "io", path: "/" } };
    engines = await startEngines("next", options, {}, pages);
    engines.engines.forEach((engine, node) => {
      engine.on("connection", (socket: Socket) => {
        const received: string[] = [];
        sessions.push({ socket, node, received });
        socket.on("message", (data: string | Buffer) => {
          received.push(typeof data === "string" ? data : `bytes ${data.toString("hex")}`);
          socket.send(data);
        });
        socket.on("close", (reason: string) => closes.push(reason));
      });
    });
    engines.servers.forEach((server, node) => {
      for (const event of ["request", "upgrade"])
        server.on(event, ({ method = "", url = "", headers }: IncomingMessage) => {
          if (url.startsWith("/engine.io/")) arrived.push({ node, method, url, headers });
        });
    });
    nginx = await startNginx({ upstreams: engines.ports });
    chromium = await startChromium();
  });

  after(async () => {
    await chromium.close();
    await nginx.stop();
    await engines.stop();
    elsewhere.close();
    elsewhere.closeAllConnections();
  });

  beforeEach(async () => {
    for (const list of [sessions, closes, arrived]) list.length = 0;
    await chromium.context.clearCookies();
  });

  async function at(url: string, use: (page: Page) => Promise<void>): Promise<void> {
    const page = await chromium.context.newPage();
    const problems: string[] = [];
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    try {
      await page.goto(url);
      await use(page);
    } finally {
      await page.close();
    }
    assert.deepEqual(problems, []);
  }

  /** Runs a client, and holds that nothing was lost, doubled or out of order, in either direction. */
  async function run(page: Page, options: object, transport: string): Promise<Outcome> {
    const wanted: Wanted = { url: nginx.url, options, transport, count: MESSAGES, window: WINDOW };
    const outcome = await page.evaluate((wanted) => (globalThis as unknown as InPage).runClient(wanted), wanted);
    await until("the session is closed", () => closes.length > 0);
    assert.deepEqual(closes, ["transport close"]);
    assert.equal(sessions.length, 1);
    assert.ok(outcome.got.length >= MESSAGES);
    assert.deepEqual(outcome.got, expected(outcome.got.length));
    assert.deepEqual(sessions[0]?.received, outcome.got);
    assert.equal(outcome.transports.at(-1), transport);
    return outcome;
  }

  /** Requests of one method came to all nodes. */
  function assertEverywhere(method: string): void {
    const nodes = new Set(arrived.filter((request) => request.method === method).map(({ node }) => node));
    assert.deepEqual([...nodes].sort(), [0, 1, 2], method);
  }

  const ways = [
    { name: "XHR polling", options: { transports: ["polling"] }, transport: "polling", clients: ["6", "3"] },
    { name: "JSONP", options: { transports: ["polling"], forceJSONP: true }, transport: "polling", clients: ["3"] },
    { name: "websocket", options: { transports: ["websocket"] }, transport: "websocket", clients: ["6", "3"] },
    {
      name: "upgrade",
      options: { transports: ["polling", "websocket"] },
      transport: "websocket",
      clients: ["6", "3"],
    },
  ];
  for (const { name, options, transport, clients } of ways) {
    for (const client of clients) {
      test(`client ${client}: ${name}`, async () => {
        await at(`${nginx.url}/${client}`, async (page) => {
          await run(page, options, transport);
        });
        if (transport === "polling") for (const method of ["GET", "POST"]) assertEverywhere(method);
        assert.equal(
          arrived.some(({ url }) => url.includes("&j=")),
          name === "JSONP",
        );
      });
      test(`client ${client}, page of another origin with credentials: ${name}`, async () => {
        await at(`${originOf(elsewhere)}/${client}`, async (page) => {
          const own = { extraHeaders: { "x-mine": "1" } };
          // Client 3 takes headers in browsers only so.
          const asked = { ...options, withCredentials: true, ...own, transportOptions: { polling: own } };
          const { id } = await run(page, asked, transport);
          const cookies = await chromium.context.cookies(nginx.url);
          assert.deepEqual(
            cookies.map(({ name, value }) => [name, value]),
            // As with engine.io, a websocket's handshake sets none.
            name === "websocket" ? [] : [["io", id]],
          );
        });
        const [handshake, ...others] = arrived.filter(({ method }) => method !== "OPTIONS");
        assert.equal(handshake?.headers.cookie, undefined);
        for (const { headers } of others) assert.match(headers.cookie ?? "", /^io=/);
        if (!name.startsWith("XHR")) return;
        // A header of its own: the browser asks before each request, whose URL is always another.
        assertEverywhere("OPTIONS");
        const preflights = arrived.filter(({ method }) => method === "OPTIONS");
        assert.ok(preflights.some(({ url, node }) => url.includes("sid=") && node !== sessions[0]?.node));
        for (const { url, headers } of [handshake ?? assert.fail(), ...others]) {
          assert.ok(
            preflights.some((preflight) => preflight.url === url),
            url,
          );
          assert.equal(headers["x-mine"], "1");
          assert.equal(headers.origin, originOf(elsewhere));
        }
      });
    }
  }

  test("a page of an origin that is not let in reads nothing", async () => {
    const stranger = createServer(pages);
    await new Promise<void>((listening) => stranger.listen(0, "127.0.0.1", listening));
    try {
      const page = await chromium.context.newPage();
      await page.goto(`${originOf(stranger)}/6`);
      const read = await page.evaluate(
        (url) => fetch(`${url}/engine.io/?EIO=4&transport=polling`).then((response) => response.text(), String),
        nginx.url,
      );
      assert.match(read, /TypeError/);
      await page.close();
    } finally {
      stranger.close();
      stranger.closeAllConnections();
    }
  });
});

function originOf(server: ReturnType<typeof createServer>): string {
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}
