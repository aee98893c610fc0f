import assert from "node:assert/strict";
import { describe } from "node:test";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, http, type TestEngines } from "../helpers/engines";
import { PlainClient, REVISIONS, type Content } from "../helpers/plain-client";
import { raw, type RawReply, type RawRequest } from "../helpers/raw-http";
import { until } from "../helpers/until";

/** Clients of other languages whose requests have no `t`: nothing tells one from the next, and none is a repetition. */
const UNNAMED = { named: false };

function serve(engines: TestEngines): { sockets: Socket[]; received: Content[] } {
  const sockets: Socket[] = [];
  const received: Content[] = [];
  engines.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("message", (data: Content | undefined) => received.push(data ?? ""));
  });
  return { sockets, received };
}

for (const revision of REVISIONS) {
  describe(`requests without t, protocol ${String(revision)}`, () => {
    behaviour("POSTs count one by one, those of the same bytes too", async (engines) => {
      const { sockets, received } = serve(engines);
      const client = await PlainClient.open(engines, revision, UNNAMED);
      const messages = ["a", "b", "a", "a", Buffer.of(1), Buffer.of(1), "", "", "a"];
      for (const message of messages) assert.equal((await client.send(message)).text, "ok");
      assert.deepEqual(received, messages);
      assert.equal(sockets[0]?.readyState, "open");
    });
    behaviour("polls get each message once, parked or not", async (engines) => {
      const { sockets } = serve(engines);
      const client = await PlainClient.open(engines, revision, UNNAMED);
      const [socket = assert.fail()] = sockets;
      for (let i = 0; i < 5; i++) {
        socket.send(`waits ${String(i)}`);
        assert.deepEqual(await client.messages(), [`waits ${String(i)}`]);
        const parked = client.messages();
        await until("the poll is parked", () => socket.transport.writable);
        socket.send(`pushed ${String(i)}`);
        assert.deepEqual(await parked, [`pushed ${String(i)}`]);
      }
      assert.equal(socket.readyState, "open");
    });
    behaviour("an echo beside a parked poll, many times over", async (engines) => {
      const { sockets, received } = serve(engines);
      const client = await PlainClient.open(engines, revision, UNNAMED);
      const [socket = assert.fail()] = sockets;
      socket.on("message", (data: unknown) => socket.send(data));
      const got: Content[] = [];
      const polling = (async () => {
        while (got.length < 60) got.push(...(await client.messages()));
      })();
      const sent: string[] = [];
      for (let i = 0; i < 60; i++) {
        // Each text twice in sequence.
        sent.push(String(i >> 1));
        assert.equal((await client.send(String(i >> 1))).text, "ok");
      }
      await polling;
      assert.deepEqual(received, sent);
      assert.deepEqual(got, sent);
    });
    behaviour("two polls at a time are refused", async (engines) => {
      const { sockets } = serve(engines);
      const client = await PlainClient.open(engines, revision, UNNAMED);
      const [socket = assert.fail()] = sockets;
      const reasons: unknown[] = [];
      socket.on("close", (reason: string, why: Error) => reasons.push(reason, why.message));
      const parked = client.poll();
      await until("the poll is parked", () => socket.transport.writable);
      assert.equal((await http(client.url())).status, 400);
      assert.deepEqual(
        (await parked).map(({ type }) => type),
        ["close"],
      );
      assert.deepEqual(reasons, ["transport error", "overlap from client"]);
    });
    for (const [what, options] of [
      ["", UNNAMED],
      ["with a clock for t, ", { t: "1764414173" }],
    ] as const) {
      behaviour(
        `${what}a balancer names them: an attempt that is repeated at the next node counts once, and its poll is answered the same`,
        async (engines) => {
          const { sockets, received } = serve(engines);
          const client = await PlainClient.open(engines, revision, options);
          const [socket = assert.fail()] = sockets;
          const attempt = (name: string, more: RawRequest = {}): Promise<RawReply> =>
            raw(client.url(), { ...more, headers: { ...more.headers, "X-Eio-Request-Id": name } });
          const post = (name: string): Promise<RawReply> =>
            attempt(name, { method: "POST", headers: { "content-type": "text/plain" }, body: client.payload(["a"]) });
          for (const name of ["post1", "post1", "post2", "post1"]) assert.equal((await post(name)).text, "ok");
          assert.deepEqual(received, ["a", "a"]);
          socket.send("x");
          const first = await attempt("poll1");
          assert.deepEqual(client.read(first), [{ type: "message", data: "x" }]);
          socket.send("y");
          assert.deepEqual((await attempt("poll1")).bytes, first.bytes);
          assert.deepEqual(client.read(await attempt("poll2")), [{ type: "message", data: "y" }]);
          assert.equal(socket.readyState, "open");
        },
        {},
        CLUSTERED,
      );
    }
    behaviour(
      "a poll takes the place of one whose connection broke",
      async (engines) => {
        const { sockets } = serve(engines);
        const client = await PlainClient.open(engines, revision, UNNAMED);
        const [socket = assert.fail()] = sockets;
        let abort: () => void = () => assert.fail("not started");
        const broken = http(client.url(), { onStarted: (breakIt) => (abort = breakIt) });
        await until("the poll is parked", () => socket.transport.writable);
        abort();
        await assert.rejects(broken);
        // The owner hears of the break a moment later; until then the next poll would be one too many.
        await until("the owner has heard", () => engines.nodes.some(({ owned }) => owned.grace.size > 0));
        const next = client.messages();
        await until("the owner has the next", () => engines.nodes.every(({ owned }) => owned.grace.size === 0));
        socket.send("to the next");
        assert.deepEqual(await next, ["to the next"]);
        assert.equal(socket.readyState, "open");
        // Longer than the session would have waited for the broken one.
        await new Promise((resolve) => setTimeout(resolve, 400));
        assert.equal(socket.readyState, "open");
      },
      {},
      CLUSTERED,
    );
  });
}

/**
 * What clients of other languages have as `t`, the same in several requests: the seconds of a clock, and a checksum of few values. And
 * what an application has, in all of them, in forms that the stock client has too.
 */
const SHARED = {
  "Unix seconds": "1764414173",
  "a checksum": "383456123",
  "a word": "token",
  "eight letters": "abcdefgh",
};

for (const revision of REVISIONS) {
  describe(`requests with a t that is in others too, protocol ${String(revision)}`, () => {
    for (const [what, t] of Object.entries(SHARED)) {
      for (const balanced of [false, true]) {
        behaviour(
          `${what}${balanced ? ", and a balancer names them" : ""}: what is sent and what is pushed comes once each`,
          async (engines) => {
            const { sockets, received } = serve(engines);
            const client = await PlainClient.open(engines, revision, { t, balanced });
            const [socket = assert.fail()] = sockets;
            const got: Content[] = [];
            for (let i = 0; i < 5; i++) {
              const parked = i % 2 === 0 ? undefined : client.messages();
              if (parked !== undefined) await until("the poll is parked", () => socket.transport.writable);
              socket.send(`pushed ${String(i)}`);
              got.push(...(await (parked ?? client.messages())));
            }
            assert.deepEqual(got, ["pushed 0", "pushed 1", "pushed 2", "pushed 3", "pushed 4"]);
            for (let i = 0; i < 3; i++) assert.equal((await client.send("a")).text, "ok");
            assert.deepEqual(received, ["a", "a", "a"]);
            assert.equal(socket.readyState, "open");
          },
          {},
          CLUSTERED,
        );
      }
    }
  });
}
