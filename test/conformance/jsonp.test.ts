import assert from "node:assert/strict";
import { describe } from "node:test";
import { runInNewContext } from "node:vm";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { RawClient, type TestEngines } from "../helpers/engines";
import { raw, type RawReply } from "../helpers/raw-http";
import { until } from "../helpers/until";

/** What a page is told by an answer, under which number. */
function run({ status, headers, text }: RawReply): { j: string; payload: string } {
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "text/javascript; charset=UTF-8");
  assert.doesNotMatch(text, /[\u2028\u2029]/);
  const calls: { j: string; payload: string }[] = [];
  const registered = new Proxy({}, { get: (_, j) => (payload: string) => calls.push({ j: String(j), payload }) });
  runInNewContext(text, { ___eio: registered });
  assert.equal(calls.length, 1);
  return calls[0]!;
}

/**
 * Writes a payload into a form as the stock client does. A backslash before a newline is read as an escaped one: nothing
 * in the protocol tells them apart.
 */
function form(payload: string): string {
  return `d=${encodeURIComponent(payload.replaceAll("\\n", "\\\\n").replaceAll("\n", "\\n"))}`;
}

class JsonpClient {
  readonly raw: RawClient;
  readonly j: string;

  constructor(client: RawClient, j: string) {
    this.raw = client;
    this.j = j;
  }

  static async open(engines: TestEngines, j: string): Promise<JsonpClient> {
    const client = new JsonpClient(new RawClient(engines), j);
    const url = `${engines.next()}/engine.io/?EIO=4&transport=polling&t=open&j=${j}`;
    const { payload } = run(await raw(url));
    client.raw.sid = (JSON.parse(payload.slice(1)) as { sid: string }).sid;
    return client;
  }

  poll(more = `&j=${this.j}`, headers: Record<string, string> = {}): Promise<RawReply> {
    return raw(this.raw.url(this.raw.t()) + more, { headers });
  }

  post(body: string, more = `&j=${this.j}`): Promise<RawReply> {
    const headers = { "content-type": "application/x-www-form-urlencoded" };
    return raw(this.raw.url(this.raw.t()) + more, { method: "POST", headers, body });
  }
}

function connections(engines: TestEngines): Socket[] {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  return sockets;
}

const TEXTS = [
  "plain",
  "line\nbreak",
  "escaped\\nbreak",
  "\\\\n\\n\n\\",
  "\u2028 \u2029",
  "é😀",
  '"</script>',
  "+ &=%41",
];

describe("JSONP", () => {
  behaviour("carries messages both ways as they are", async (engines) => {
    const sockets = connections(engines);
    const client = await JsonpClient.open(engines, "3");
    await until("the session is there", () => sockets.length > 0);
    const [socket] = sockets;
    const received: unknown[] = [];
    socket?.on("message", (data: unknown) => received.push(data));
    for (const text of TEXTS) {
      const { status, headers, text: answer } = await client.post(form(`4${text}`));
      assert.deepEqual([status, headers["content-type"], answer], [200, "text/html", "ok"]);
      socket?.send(text);
      assert.deepEqual(run(await client.poll()), { j: "3", payload: `4${text}` });
    }
    assert.deepEqual(received, TEXTS);
  });
  behaviour("binary data as base64", async (engines) => {
    const sockets = connections(engines);
    const client = await JsonpClient.open(engines, "0");
    await until("the session is there", () => sockets.length > 0);
    const received: unknown[] = [];
    sockets[0]?.on("message", (data: unknown) => received.push(data));
    await client.post(form("bAQID+/8=\x1e4x"));
    assert.deepEqual(received, [Buffer.from([1, 2, 3, 251, 255]), "x"]);
    sockets[0]?.send(Buffer.from([251, 255]));
    assert.equal(run(await client.poll()).payload, "b+/8=");
  });
  behaviour("a parked poll, its close, and a session that ended", async (engines) => {
    const sockets = connections(engines);
    const client = await JsonpClient.open(engines, "1");
    await until("the session is there", () => sockets.length > 0);
    const parked = client.poll();
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    assert.equal((await client.post(form("1"))).status, 200);
    assert.equal(run(await parked).payload, "6");
    const { status, text } = await client.poll();
    assert.deepEqual([status, text], [400, '{"code":1,"message":"Session ID unknown"}']);
  });
  behaviour("the handshake decides: what later requests say is of no interest", async (engines) => {
    const sockets = connections(engines);
    const script = await JsonpClient.open(engines, "12x<script>3");
    const plain = new JsonpClient(await RawClient.open(engines), "5");
    await until("both sessions are there", () => sockets.length === 2);
    const received: unknown[] = [];
    for (const socket of sockets) {
      socket.on("message", (data: unknown) => received.push(data));
      socket.send("hello");
    }
    assert.deepEqual(run(await script.poll("")), { j: "123", payload: "4hello" });
    const { headers, text } = await plain.poll();
    assert.deepEqual([headers["content-type"], text], ["text/plain; charset=UTF-8", "4hello"]);
    await script.post(form("4by form"), "");
    await plain.post("4d=text");
    assert.deepEqual(received, ["by form", "d=text"]);
  });
  behaviour("a form without its field, or with several, says nothing", async (engines) => {
    const sockets = connections(engines);
    const client = await JsonpClient.open(engines, "0");
    await until("the session is there", () => sockets.length > 0);
    const received: unknown[] = [];
    sockets[0]?.on("message", (data: unknown) => received.push(data));
    for (const body of ["4x", "3", "e=4x", "d=4x&d=4y", ""]) assert.equal((await client.post(body)).text, "ok");
    await client.post("d=4%zz");
    assert.deepEqual(received, ["%zz"]);
    assert.equal(sockets[0]?.readyState, "open");
  });
  behaviour("is compressed by the size of the script, and spares old browsers their warning", async (engines) => {
    const sockets = connections(engines);
    const client = await JsonpClient.open(engines, "7");
    await until("the session is there", () => sockets.length > 0);
    const headers = { "accept-encoding": "gzip", "user-agent": "Mozilla/5.0 (Trident/7.0; rv:11.0)" };
    for (const [length, encoding] of [
      [1009, undefined],
      [1010, "gzip"],
    ] as const) {
      // The script around a payload has 14 characters: ___eio[7]("…");
      sockets[0]?.send("a".repeat(length - 1));
      const reply = await client.poll(undefined, headers);
      assert.equal(run(reply).payload.length, length);
      assert.equal(reply.headers["content-encoding"], encoding);
      assert.equal(reply.headers["x-xss-protection"], "0");
    }
  });
  behaviour("with protocol 3 too", async (engines) => {
    const sockets = connections(engines);
    const opened = run(await raw(`${engines.next()}/engine.io/?EIO=3&transport=polling&j=2`));
    const sid = /"sid":"([^"]+)"/.exec(opened.payload)?.[1] ?? "";
    assert.match(opened.payload, /^\d+:0\{/);
    await until("the session is there", () => sockets.length > 0);
    const received: unknown[] = [];
    sockets[0]?.on("message", (data: unknown) => received.push(data));
    const url = (): string => `${engines.next()}/engine.io/?EIO=3&transport=polling&j=2&sid=${sid}`;
    const { text } = await raw(url(), { method: "POST", body: form("5:4a\n😀6:b4AQID") });
    assert.equal(text, "ok");
    sockets[0]?.send(Buffer.from([251, 255]));
    assert.deepEqual(run(await raw(url())), { j: "2", payload: "6:b4+/8=" });
    assert.deepEqual(received, ["a\n😀", Buffer.from([1, 2, 3])]);
  });
});
