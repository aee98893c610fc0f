import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import { WebSocket } from "ws";
import { OPEN, same, sidOf, type Subject } from "../helpers/beside-stock";
import { UPGRADE } from "../helpers/raw-http";

const WEBSOCKET = "EIO=4&transport=websocket";

/** Logs the first messages of a websocket, and with which extensions it speaks. */
async function greeted({ origin, log }: Subject, query: string, count: number): Promise<WebSocket> {
  const websocket = new WebSocket(`${origin.replace("http", "ws")}/engine.io/?${query}`);
  const messages: string[] = [];
  websocket.on("message", (data: Buffer, isBinary) =>
    messages.push(isBinary ? `bytes ${data.toString("hex")}` : data.toString().replace(/[\w-]{20}/, "<sid>")),
  );
  await once(websocket, "open");
  while (messages.length < count) await once(websocket, "message");
  log.push(`extensions: ${websocket.extensions}`, ...messages);
  return websocket;
}

describe("as engine.io: what the handshake says", () => {
  for (const options of [
    {},
    { pingInterval: 123, pingTimeout: 456, maxHttpBufferSize: 789 },
    { allowUpgrades: false },
    { transports: ["polling"] as const },
    { transports: ["websocket"] as const },
    { initialPacket: "first" },
    { initialPacket: Buffer.of(1, 2) },
  ]) {
    same(JSON.stringify(options), options, async (subject) => {
      await subject.ask(OPEN);
      await subject.ask(WEBSOCKET, { headers: UPGRADE });
      await subject.ask(WEBSOCKET);
      if ("transports" in options && options.transports[0] === "polling") return;
      const websocket = await greeted(subject, WEBSOCKET, "initialPacket" in options ? 2 : 1);
      websocket.terminate();
    });
  }
  same("an upgrade where none are allowed", { allowUpgrades: false }, async ({ ask }) => {
    const sid = sidOf(await ask(OPEN));
    await ask(`${WEBSOCKET}&sid=${sid}`, { headers: UPGRADE });
  });
});

describe("as engine.io: allowRequest", () => {
  const answers: readonly [string | null | undefined, boolean][] = [
    [null, true],
    ["said nothing against it", true],
    ["not today", false],
    [null, false],
    [undefined, false],
    ["", false],
  ];
  for (const [message, allowed] of answers) {
    for (const late of [false, true]) {
      const how = `${String(message)}, ${String(allowed)}${late ? ", later" : ""}`;
      const allowRequest = (_request: unknown, decide: (message: never, allowed: boolean) => void): void => {
        if (late) setImmediate(decide, message as never, allowed);
        else decide(message as never, allowed);
      };
      same(how, { allowRequest }, async ({ ask }) => {
        await ask(OPEN);
        await ask(WEBSOCKET, { headers: UPGRADE });
      });
    }
  }
});

describe("as engine.io: protocol 3", () => {
  for (const allowEIO3 of [true, false]) {
    same(`allowEIO3: ${String(allowEIO3)}`, { allowEIO3 }, async ({ ask }) => {
      for (const query of ["EIO=3&transport=polling", "transport=polling", "EIO=5&transport=polling"]) await ask(query);
      // The stock engine lets a websocket in that it then refuses.
      if (!allowEIO3) return;
      for (const query of ["EIO=3&transport=websocket", "transport=websocket"]) await ask(query, { headers: UPGRADE });
    });
  }
});

describe("as engine.io: path", () => {
  for (const options of [
    {},
    { path: "/own" },
    { path: "/own/" },
    { path: "/own/deep" },
    { addTrailingSlash: false },
    { path: "/own", addTrailingSlash: false },
    { path: "/own/", addTrailingSlash: false },
  ]) {
    same(JSON.stringify(options), { ...options, destroyUpgradeTimeout: 20 }, async ({ ask }) => {
      for (const path of ["/engine.io", "/own", "/own/deep"]) {
        for (const rest of ["", "/", "x", "/x", "/x/y"]) await ask(`${path}${rest}?${OPEN}`);
        await ask(`${path}/?${WEBSOCKET}`, { headers: UPGRADE }).catch((error: unknown) => {
          // Nobody takes it, and after a while it is closed.
          assert.match(String(error), /socket hang up|ECONNRESET/);
        });
      }
      await ask("/");
    });
  }
});

describe("as engine.io: perMessageDeflate", () => {
  for (const perMessageDeflate of [true, false, { threshold: 100 }, { threshold: 0, serverNoContextTakeover: true }]) {
    same(JSON.stringify(perMessageDeflate), { perMessageDeflate }, async (subject) => {
      subject.engine.on("connection", (socket: { send(data: unknown): void }) => {
        for (const length of [10, 100, 5000]) socket.send("a".repeat(length));
      });
      const websocket = await greeted(subject, WEBSOCKET, 4);
      // What the frames have cost.
      const { _socket: connection } = websocket as unknown as { _socket: { bytesRead: number } };
      subject.log.push(connection.bytesRead > 5000 ? "plain" : "compressed");
      websocket.terminate();
    });
  }
});
