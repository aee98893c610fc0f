import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import type { TestEngines } from "../helpers/engines";
import {
  contents,
  PlainClient,
  REVISIONS,
  type Content,
  type PlainOptions,
  type PlainWebSocket,
  type Revision,
} from "../helpers/plain-client";
import { until } from "../helpers/until";

interface Session {
  readonly client: PlainClient;
  readonly socket: Socket;
  /** What the server was told. */
  readonly received: Content[];
}

async function open(engines: TestEngines, revision: Revision, options?: PlainOptions): Promise<Session> {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  const client = await PlainClient.open(engines, revision, options);
  await until("the session is there", () => sockets.length > 0);
  const [socket = assert.fail()] = sockets;
  const received: Content[] = [];
  // An empty message comes without data, as in engine.io.
  socket.on("message", (data: Content | undefined) => received.push(data ?? ""));
  return { client, socket, received };
}

/** So many messages, by as many polls as it takes. */
async function collect(client: PlainClient, count: number): Promise<Content[]> {
  const got: Content[] = [];
  while (got.length < count) got.push(...(await client.messages()));
  return got;
}

const TEXTS = [
  "",
  "0",
  "null",
  "undefined",
  "false",
  "NaN",
  "b",
  "bAQID",
  "4",
  "~",
  "~4x",
  "1",
  "4:4abc",
  "2:4€10:b4AQIDBAUG",
  '{"a":[1,2]}\\n"',
  "\0\x01\x7f\x80\xff",
  "line\nbreak\r\n\\n\t\u2028\u2029",
  "\ufeffmark",
  "é€😀\u{10ffff}\ufffd\uffff",
  "👩‍👩‍👧‍👦".repeat(50),
];

/** Halves of pairs are no characters; on every way from one process to another they become U+FFFD. */
const HALVES = ["\ud800", "a\udfffb", "\udc00\ud800", "😀\ud83d"];

const BYTES = [
  Buffer.alloc(0),
  Buffer.of(0),
  Buffer.of(4, 255, 0, 1),
  Buffer.from(Uint8Array.from({ length: 256 }, (_, i) => i)),
  Buffer.from("text as bytes é😀"),
];

const wellFormed = (text: string): string => Buffer.from(text, "utf8").toString("utf8");

for (const revision of REVISIONS) {
  describe(`content, protocol ${String(revision)}`, () => {
    const wires: readonly PlainOptions[] = revision === 3 ? [{}, { base64: true }] : [{}];
    for (const options of wires) {
      const how = options.base64 === true ? " in base64" : "";
      behaviour(`from client to server, one by one and all in one payload${how}`, async (engines) => {
        const { client, received } = await open(engines, revision, options);
        const messages = [...TEXTS, ...BYTES];
        for (const message of messages) assert.equal((await client.send(message)).text, "ok");
        assert.equal((await client.send(...messages)).text, "ok");
        assert.deepEqual(received, [...messages, ...messages]);
      });
      behaviour(`from server to client, one by one and all in one answer${how}`, async (engines) => {
        const { client, socket } = await open(engines, revision, options);
        const messages = [...TEXTS, ...BYTES];
        for (const message of messages) {
          socket.send(message);
          assert.deepEqual(await client.messages(), [message]);
        }
        for (const message of messages) socket.send(message);
        assert.deepEqual(await collect(client, messages.length), messages);
      });
    }
    behaviour("halves of surrogate pairs, both ways, spoil nothing around them", async (engines) => {
      const { client, socket, received } = await open(engines, revision);
      const messages = HALVES.flatMap((half) => [half, "whole 😀"]);
      await client.post(
        revision === 4
          ? messages.map((text) => `4${text}`).join("\x1e")
          : messages.map((text) => `${String(text.length + 1)}:4${text}`).join(""),
      );
      assert.deepEqual(received, messages.map(wellFormed));
      for (const message of messages) socket.send(message);
      assert.deepEqual(await collect(client, messages.length), messages.map(wellFormed));
      // The same beside bytes, where protocol 3 has another form of payload.
      for (const message of [...messages, Buffer.of(1)]) socket.send(message);
      assert.deepEqual(await collect(client, messages.length + 1), [...messages.map(wellFormed), Buffer.of(1)]);
    });
    behaviour("what is neither text nor bytes becomes text, what is falsy an empty message", async (engines) => {
      const { client, socket } = await open(engines, revision);
      const given = [
        0,
        null,
        undefined,
        false,
        NaN,
        0n,
        "",
        5,
        true,
        -0.5,
        12n,
        [1, [2, 3]],
        { toString: () => "own" },
      ];
      for (const data of given) socket.send(data);
      const expected = ["", "", "", "", "", "", "", "5", "true", "-0.5", "12", "1,2,3", "own"];
      assert.deepEqual(await collect(client, given.length), expected);
    });
    behaviour("every view of bytes is sent as its own bytes and no others", async (engines) => {
      const { client, socket } = await open(engines, revision);
      const memory = Uint8Array.from({ length: 64 }, (_, i) => i).buffer;
      const views = [
        new Uint8Array(memory, 8, 4),
        new Uint16Array(memory, 8, 2),
        new Float64Array(memory, 8, 1),
        new DataView(memory, 3, 5),
        Buffer.from(memory, 60),
        memory,
      ];
      for (const view of views) socket.send(view);
      const expected = [
        [8, 12],
        [8, 12],
        [8, 16],
        [3, 8],
        [60, 64],
        [0, 64],
      ].map(([from, to]) => Buffer.from(memory.slice(from, to)));
      assert.deepEqual(await collect(client, views.length), expected);
    });
    behaviour(
      "megabytes, both ways",
      async (engines) => {
        const { client, socket, received } = await open(engines, revision);
        for (const message of [
          "x".repeat(1_500_000),
          "é€😀a".repeat(200_000),
          Buffer.from(Uint8Array.from({ length: 1_500_000 }, (_, i) => (i * 31) % 256)),
        ]) {
          assert.equal((await client.send("before", message, "after")).text, "ok");
          assert.ok(same(received.splice(0), ["before", message, "after"]), "from the client");
          for (const part of ["before", message, "after"]) socket.send(part);
          assert.ok(same(await collect(client, 3), ["before", message, "after"]), "to the client");
        }
      },
      { maxHttpBufferSize: 5e6 },
    );
    behaviour("ten thousand small ones in one payload, text and bytes, both ways", async (engines) => {
      const { client, socket, received } = await open(engines, revision);
      const messages = Array.from({ length: 10_000 }, (_, i) =>
        i % 10 === 3 ? Buffer.from(String(i)) : i % 10 === 7 ? "" : `é${String(i)}`,
      );
      assert.equal((await client.send(...messages)).text, "ok");
      assert.ok(same(received, messages), "from the client");
      for (const message of messages) socket.send(message);
      assert.ok(same(await collect(client, messages.length), messages), "to the client");
    });
    behaviour("a message in every phase of an upgrade, both ways", (engines) => everyPhase(engines, revision));
    behaviour(
      "by websocket, both ways, megabytes too",
      async (engines) => {
        const sockets: Socket[] = [];
        const received: Content[] = [];
        engines.on("connection", (socket: Socket) => {
          sockets.push(socket);
          socket.on("message", (data: Content | undefined) => received.push(data ?? ""));
        });
        const client = await PlainClient.open(engines, revision);
        const websocket = await upgraded(client, sockets[0] ?? assert.fail());
        const big = ["x".repeat(1_500_000), Buffer.alloc(1_500_000, 7)];
        const messages = [...TEXTS, "with\x1eseparator", ...BYTES, ...big];
        websocket.got.length = 0;
        for (const message of messages) websocket.send(message);
        await until("all have come", () => received.length >= messages.length);
        assert.ok(same(received, messages), "from the client");
        for (const message of [...messages, ...HALVES]) sockets[0]?.send(message);
        await until("all have come", () => websocket.got.length >= messages.length + HALVES.length);
        assert.ok(same(contents(websocket.got), [...messages, ...HALVES.map(wellFormed)]), "to the client");
        websocket.socket.close();
      },
      { maxHttpBufferSize: 5e6 },
    );
  });
}

/** Large contents are compared without being printed. */
function same(actual: readonly Content[], expected: readonly Content[]): boolean {
  return (
    actual.length === expected.length &&
    actual.every((content, i) => {
      const other = expected[i];
      return Buffer.isBuffer(content) ? Buffer.isBuffer(other) && content.equals(other) : content === other;
    })
  );
}

/** Probes, and waits for the answer. */
async function probed(client: PlainClient): Promise<PlainWebSocket> {
  const websocket = await client.websocket();
  websocket.packet("ping", "probe");
  await until("the pong is there", () => websocket.got.length > 0);
  const [pong] = websocket.got.splice(0);
  assert.deepEqual([pong?.type, pong?.data], ["pong", "probe"]);
  return websocket;
}

async function upgraded(client: PlainClient, socket: Socket): Promise<PlainWebSocket> {
  const websocket = await probed(client);
  websocket.packet("upgrade");
  await until("it is upgraded", () => socket.upgraded);
  return websocket;
}

async function everyPhase(engines: TestEngines, revision: Revision): Promise<void> {
  const { client, socket, received } = await open(engines, revision);
  const sent: Content[] = [];
  const pushed: Content[] = [];
  /** Numbered, text and bytes in turn. */
  const numbered = (list: Content[], text: string): Content => {
    const content = list.length % 2 === 0 ? `${text} 😀` : Buffer.from(text);
    list.push(content);
    return content;
  };
  const push = (when: string): void => void socket.send(numbered(pushed, when));
  const post = async (when: string): Promise<void> => {
    assert.equal((await client.send(numbered(sent, when))).text, "ok");
  };
  const got: Content[] = [];
  const pause = new AbortController();
  const polling = (async () => {
    while (!pause.signal.aborted) got.push(...(await client.messages()));
  })();
  socket.once("upgrading", () => push("in the listener of upgrading"));
  socket.once("upgrade", () => push("in the listener of upgrade"));

  push("before the websocket");
  await post("before the websocket");
  const websocket = await client.websocket();
  push("before the probe");
  await post("before the probe");
  websocket.packet("ping", "probe");
  push("with the probe");
  await post("with the probe");
  await until("the pong is there", () => websocket.got.length > 0);
  push("behind the pong");
  pause.abort();
  await post("behind the pong");
  await polling;
  push("without a poll");
  push("without a poll, again");
  await post("without a poll");
  websocket.got.length = 0;
  websocket.packet("upgrade");
  websocket.send(numbered(sent, "right behind the upgrade"));
  websocket.send(numbered(sent, "and behind that"));
  push("with the upgrade");
  await until("it is upgraded", () => socket.upgraded);
  push("when it is upgraded");
  websocket.send(numbered(sent, "when it is upgraded"));
  await until("all have come", () => received.length >= sent.length);
  await until("all have come back", () => got.length + contents(websocket.got).length >= pushed.length);
  assert.deepEqual(received, sent);
  assert.deepEqual([...got, ...contents(websocket.got)], pushed);
  // Nothing comes behind.
  websocket.socket.close();
  await until("it is closed", () => websocket.socket.readyState === websocket.socket.CLOSED);
  assert.deepEqual([...got, ...contents(websocket.got)], pushed);
  assert.equal(received.length, sent.length);
}
