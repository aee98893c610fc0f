import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OptionError } from "../../src/option-error";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import type { Socket } from "../../src/session/socket";
import { runtimeClock } from "../../src/time/runtime-clock";
import { behaviour } from "../helpers/behaviour";
import { RawClient, type TestEngines } from "../helpers/engines";
import { raw, type RawReply } from "../helpers/raw-http";
import { until } from "../helpers/until";

const LONG = "a😀é".repeat(300);

interface Session {
  readonly client: RawClient;
  readonly socket: Socket;
}

async function open(engines: TestEngines): Promise<Session> {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  const client = await RawClient.open(engines);
  await until("the session is there", () => sockets.length > 0);
  return { client, socket: sockets[0]! };
}

function poll({ client }: Session, accepted: string | undefined): Promise<RawReply> {
  return raw(client.url(client.t()), { headers: accepted === undefined ? {} : { "accept-encoding": accepted } });
}

function shown({ status, headers, bytes, text }: RawReply): string {
  assert.equal(headers["content-length"], String(bytes.length), "head and body are one");
  assert.equal(headers["transfer-encoding"], undefined);
  return `${String(status)} ${headers["content-encoding"] ?? "plain"} ${headers["content-type"] ?? ""} ${text}`;
}

const TEXT = "text/plain; charset=UTF-8";

describe("httpCompression", () => {
  behaviour("compresses what the client accepts, as it prefers", async (engines) => {
    const session = await open(engines);
    for (const [accepted, encoding] of [
      ["gzip, deflate, br", "gzip"],
      ["deflate", "deflate"],
      ["gzip;q=0.5, deflate", "deflate"],
      ["br", "plain"],
      [undefined, "plain"],
    ] as const) {
      session.socket.send(LONG);
      assert.equal(shown(await poll(session, accepted)), `200 ${encoding} ${TEXT} 4${LONG}`);
    }
  });
  behaviour("leaves alone what is small, or was sent uncompressed", async (engines) => {
    const session = await open(engines);
    const send = async (...messages: readonly (readonly [string, boolean?])[]): Promise<string> => {
      const parked = poll(session, "gzip");
      await until("the poll is parked", () => session.socket.transport.writable);
      // In one process the first takes the poll alone, so they wait for one here.
      session.socket.send("first");
      await parked;
      for (const [message, compress = true] of messages) session.socket.send(message, { compress });
      const { headers, text } = await poll(session, "gzip");
      assert.equal(text, messages.map(([message]) => `4${message}`).join("\x1e"));
      return headers["content-encoding"] ?? "plain";
    };
    assert.equal(await send(["a".repeat(1022)]), "plain");
    assert.equal(await send(["a".repeat(1023)]), "gzip");
    assert.equal(await send(["é".repeat(511)]), "plain");
    assert.equal(await send(["é".repeat(512)]), "gzip");
    assert.equal(await send([LONG, false]), "plain");
    assert.equal(await send([LONG, false], ["b", false]), "plain");
    assert.equal(await send([LONG, false], ["b"]), "gzip");
  });
  behaviour(
    "takes a threshold and options of zlib; the handshake's answer is compressed too",
    async (engines) => {
      const url = `${engines.next()}/engine.io/?EIO=4&transport=polling`;
      const { headers, text } = await raw(url, { headers: { "accept-encoding": "gzip" } });
      assert.equal(headers["content-encoding"], "gzip");
      assert.match(text, /^0\{.*\}\x1e4hello$/);
      const session = await open(engines);
      session.socket.send("x");
      assert.equal(shown(await poll(session, "gzip")), `200 plain ${TEXT} 4x`);
    },
    { httpCompression: { threshold: 50, level: 1 }, initialPacket: "hello" },
  );
  behaviour(
    "false switches it off",
    async (engines) => {
      const session = await open(engines);
      session.socket.send(LONG);
      assert.equal(shown(await poll(session, "gzip")), `200 plain ${TEXT} 4${LONG}`);
    },
    { httpCompression: false },
  );
  behaviour(
    "calls back and drains after the answer is compressed",
    async (engines) => {
      const session = await open(engines);
      const { socket } = session;
      const order: string[] = [];
      const parked = poll(session, "gzip");
      await until("the poll is parked", () => socket.transport.writable);
      socket.transport.once("drain", () => order.push("transport drain"));
      engines.on("headers", () => order.push("headers"));
      socket.send(LONG, undefined, () => order.push("callback"));
      order.push("sent");
      assert.equal(socket.transport.writable, false);
      assert.equal((await parked).headers["content-encoding"], "gzip");
      assert.deepEqual(order, ["sent", "headers", "callback", "transport drain"]);
      socket.send("next");
      assert.equal((await poll(session, "gzip")).text, "4next");
    },
    {},
    ["local"],
  );
  behaviour("a client that goes away meanwhile does no harm", async (engines) => {
    const session = await open(engines);
    const closes: unknown[] = [];
    session.socket.on("close", (reason: string) => closes.push(reason));
    const broken = session.client.poll("gone", {
      headers: { "accept-encoding": "gzip" },
      onStarted: (abort) => {
        void until("the poll is parked", () => session.socket.transport.writable).then(() => {
          session.socket.send("z".repeat(3e6));
          abort();
        });
      },
    });
    await assert.rejects(broken);
    if (engines.mode === "local") {
      // Its poll is broken, and what was under way is lost with it, as in engine.io.
      await until("the session is closed", () => closes.length > 0);
      assert.deepEqual(closes, ["transport error"]);
    } else {
      const again = await raw(session.client.url("gone"), { headers: { "accept-encoding": "gzip" } });
      assert.equal(again.text, `4${"z".repeat(3e6)}`);
    }
    const other = await open(engines);
    other.socket.send(LONG);
    assert.equal((await poll(other, "gzip")).text, `4${LONG}`);
  });
  behaviour("a close leaves behind what is still being compressed", async (engines) => {
    const session = await open(engines);
    const parked = poll(session, "gzip");
    await until("the poll is parked", () => session.socket.transport.writable);
    session.socket.send(LONG);
    session.socket.close();
    assert.equal((await parked).text, `4${LONG}`);
    assert.equal((await poll(session, "gzip")).text, "6\x1e1");
  });
  it("refuses options that zlib would refuse at the first answer", () => {
    const make = (httpCompression: object): unknown =>
      new Engine({ httpCompression }, runtimeClock, (engine) => new LocalHost(engine, runtimeClock));
    assert.throws(() => make({ level: 77 }), RangeError);
    assert.throws(() => make({ threshold: "1kb" }), OptionError);
  });
});
