import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo, Socket as Connection } from "node:net";
import { describe, it } from "node:test";
import { Server as StockServer } from "engine.io";
import { WebSocket } from "ws";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { http, type TestEngines } from "../helpers/engines";
import { until } from "../helpers/until";

// The typings are of engine.io 6, whose name the package goes by.
// eslint-disable-next-line @typescript-eslint/no-require-imports
const stock3 = require("engine.io-3") as { attach(server: HttpServer): EventEmitter & { close(): void } };

function attachStock(server: HttpServer): EventEmitter & { close(): unknown } {
  const engine = new StockServer();
  engine.attach(server);
  return engine;
}

/** A websocket, and all text that came by it. */
interface Client {
  readonly websocket: WebSocket;
  readonly got: (string | Buffer)[];
}

/** Opens a websocket with a session of its own, or goes over to one; `query` is the websocket's own. */
async function connect(base: () => string, revision: number, upgrades: boolean, query = ""): Promise<Client> {
  let sid = "";
  if (upgrades) {
    const { body } = await http(`${base()}/engine.io/?EIO=${String(revision)}&transport=polling`);
    sid = `&sid=${/"sid":"([^"]+)"/.exec(body)?.[1] ?? assert.fail(body)}`;
  }
  const url = `${base()}/engine.io/?EIO=${String(revision)}&transport=websocket${sid}${query}`;
  const websocket = new WebSocket(url.replace("http", "ws"), { perMessageDeflate: true });
  const got: (string | Buffer)[] = [];
  websocket.on("message", (data: Buffer, isBinary) => got.push(isBinary ? data : data.toString()));
  await once(websocket, "open");
  if (upgrades) {
    websocket.send("2probe");
    await until("it is probed", () => got.includes("3probe"));
    websocket.send("5");
  }
  return { websocket, got };
}

/** Answers each message with bytes. */
function answerWithBytes(engines: TestEngines): void {
  engines.on("connection", (socket: Socket) => {
    socket.on("message", () => socket.send(Buffer.from([1, 2])));
  });
}

describe("binary data for a client whose websocket takes text only", () => {
  for (const [revision, expected] of [
    [4, "bAQI="],
    [3, "b4AQI="],
  ] as const) {
    for (const upgrades of [false, true]) {
      const name = `protocol ${String(revision)}${upgrades ? ", after an upgrade" : ""}`;
      behaviour(`is text: ${name}`, async (engines) => {
        answerWithBytes(engines);
        const { websocket, got } = await connect(() => engines.next(), revision, upgrades, "&b64=1");
        websocket.send("4x");
        await until("it is answered", () => got.includes(expected));
        websocket.terminate();
      });
    }
  }

  behaviour(
    "is bytes where the websocket's own request does not say so, whatever the handshake said",
    async (engines) => {
      answerWithBytes(engines);
      const { body } = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling&b64=1`);
      const sid = /"sid":"([^"]+)"/.exec(body)?.[1] ?? assert.fail(body);
      const { websocket, got } = await connect(() => engines.next(), 4, false, `&sid=${sid}&b64=`);
      websocket.send("2probe");
      await until("it is probed", () => got.includes("3probe"));
      websocket.send("5");
      websocket.send("4x");
      await until("it is answered", () => got.some((message) => Buffer.isBuffer(message)));
      websocket.terminate();
    },
  );
});

describe("compress: false of a message on a websocket", () => {
  for (const upgrades of [false, true]) {
    behaviour(
      `is kept${upgrades ? ", after an upgrade" : ""}`,
      async (engines) => {
        engines.on("connection", (socket: Socket) => {
          socket.on("message", (data: string) => socket.send("x".repeat(5000), { compress: data === "yes" }));
        });
        const { websocket, got } = await connect(() => engines.next(), 4, upgrades);
        const firstBytes: number[] = [];
        const { _socket: connection } = websocket as unknown as { readonly _socket: Connection };
        connection.prependListener("data", (chunk: Buffer) => firstBytes.push(chunk[0] ?? 0));
        const compressed = async (asked: string): Promise<boolean> => {
          got.length = 0;
          firstBytes.length = 0;
          websocket.send(`4${asked}`);
          await until("it is answered", () => got.length > 0);
          assert.equal(got[0], `4${"x".repeat(5000)}`);
          return ((firstBytes[0] ?? 0) & 0x40) !== 0;
        };
        assert.equal(await compressed("yes"), true);
        assert.equal(await compressed("no"), false);
        assert.equal(await compressed("yes"), true);
        websocket.terminate();
      },
      { perMessageDeflate: true },
    );
  }
});

describe("a close packet on a websocket", () => {
  /** The session has ignored it, and answers what comes behind it. */
  async function isIgnored({ websocket, got }: Client): Promise<void> {
    websocket.send("1");
    websocket.send("4after");
    await until("what came behind it is answered", () => got.includes("4after"));
    assert.equal(websocket.readyState, WebSocket.OPEN);
    websocket.terminate();
  }

  for (const [name, revision] of [
    ["6", 4],
    ["3", 3],
  ] as const) {
    it(`means nothing to engine.io ${name}`, async () => {
      const server = createServer();
      const made = name === "3" ? stock3.attach(server) : attachStock(server);
      made.on("connection", (socket: Socket) => {
        socket.on("message", (data: string) => socket.send(data));
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
      try {
        for (const upgrades of [false, true]) await isIgnored(await connect(() => base, revision, upgrades));
      } finally {
        made.close();
        server.close();
        server.closeAllConnections();
      }
    });
  }

  for (const revision of [4, 3]) {
    for (const upgrades of [false, true]) {
      const name = `protocol ${String(revision)}${upgrades ? ", after an upgrade" : ""}`;
      behaviour(`means nothing here: ${name}`, async (engines) => {
        engines.on("connection", (socket: Socket) => {
          socket.on("message", (data: string) => socket.send(data));
        });
        await isIgnored(await connect(() => engines.next(), revision, upgrades));
      });
    }
  }
});
