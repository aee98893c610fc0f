import assert from "node:assert/strict";
import { once } from "node:events";
import { describe } from "node:test";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, RawClient, http, type TestEngines } from "../helpers/engines";
import { until } from "../helpers/until";

function connections(engines: TestEngines): Socket[] {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => sockets.push(socket));
  return sockets;
}

function echo(engines: TestEngines): void {
  engines.on("connection", (socket: Socket) => {
    socket.on("message", (data: unknown) => socket.send(data));
  });
}

const UNKNOWN_SID = '{"code":1,"message":"Session ID unknown"}';

describe("handshake", () => {
  behaviour(
    "answers with the open packet",
    async (engines) => {
      const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling`);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers["content-type"], "text/plain; charset=UTF-8");
      assert.equal(reply.body[0], "0");
      const opening = JSON.parse(reply.body.slice(1)) as Record<string, unknown>;
      assert.match(String(opening["sid"]), /^[A-Za-z0-9_-]{20}$/);
      assert.deepEqual(
        { ...opening, sid: "" },
        { sid: "", upgrades: [], pingInterval: 25_000, pingTimeout: 20_000, maxPayload: 1e6 },
      );
    },
    { transports: ["polling"] },
  );
  behaviour(
    "carries the initial packet",
    async (engines) => {
      const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling`);
      assert.match(reply.body, /^0\{.*\}\x1e4faster!$/);
    },
    { initialPacket: "faster!" },
  );
  for (const [name, query, method, code, message] of [
    ["an unknown transport", "EIO=4&transport=tobi", "GET", 0, "Transport unknown"],
    ["no transport", "EIO=4", "GET", 0, "Transport unknown"],
    ["a name from the prototype as transport", "EIO=4&transport=constructor", "GET", 0, "Transport unknown"],
    ["a POST without sid", "EIO=4&transport=polling", "POST", 2, "Bad handshake method"],
    ["OPTIONS without cors", "EIO=4&transport=polling", "OPTIONS", 2, "Bad handshake method"],
    ["an unknown sid", "EIO=4&transport=polling&sid=test", "GET", 1, "Session ID unknown"],
    ["an unknown sid, POST", "EIO=4&transport=polling&sid=test", "POST", 1, "Session ID unknown"],
    ["a name from the prototype as sid", "EIO=4&transport=polling&sid=__proto__", "GET", 1, "Session ID unknown"],
    ["a sid with control characters", "EIO=4&transport=polling&sid=%0a%7b%2a%7d%00", "GET", 1, "Session ID unknown"],
  ] as const) {
    behaviour(`refuses ${name}`, async (engines) => {
      const errors: { code: number }[] = [];
      engines.on("connection_error", (error: { code: number }) => errors.push(error));
      const reply = await http(`${engines.next()}/engine.io/?${query}`, { method });
      assert.equal(reply.status, 400);
      assert.equal(reply.body, JSON.stringify({ code, message }));
      assert.equal(reply.headers["content-type"], "application/json");
      assert.deepEqual(
        errors.map((error) => error.code),
        [code],
      );
    });
  }
  behaviour(
    "asks allowRequest",
    async (engines) => {
      const base = `${engines.next()}/engine.io/?EIO=4&transport=polling`;
      const refused = await http(base);
      assert.equal(refused.status, 403);
      assert.equal(refused.body, '{"code":4,"message":"not today"}');
      assert.equal((await http(`${base}&please=1`)).status, 200);
    },
    {
      allowRequest: (request, decide) => {
        decide("not today", request.url?.includes("please") === true);
      },
    },
  );
  behaviour("keeps other requests for the HTTP server's own listeners", async (engines) => {
    assert.equal((await http(`${engines.next()}/other`)).status, 404);
  });
});

describe("messages", () => {
  behaviour("are echoed to the parked poll and acknowledged with ok", async (engines) => {
    echo(engines);
    const client = await RawClient.open(engines);
    const poll = client.poll();
    const post = await client.post("4hello\x1ebAQID");
    assert.deepEqual([post.status, post.body, post.headers["content-type"]], [200, "ok", "text/html"]);
    let payload = (await poll).body;
    if (!payload.includes("\x1e")) payload += `\x1e${(await client.poll()).body}`;
    assert.equal(payload, "4hello\x1ebAQID");
  });
  behaviour("keep their characters", async (engines) => {
    echo(engines);
    const client = await RawClient.open(engines);
    for (const text of ["úñïcödé", "😀 \u{10ffff}", "€".repeat(1000), "\u0000\n", "b", "4", "~"]) {
      assert.equal((await client.post(`4${text}`)).status, 200);
      assert.equal((await client.poll()).body, `4${text}`);
    }
  });
  behaviour("are pushed at once to a poll that another node holds", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const poll = client.poll();
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    const from = performance.now();
    sockets[0]?.send("pushed");
    assert.equal((await poll).body, "4pushed");
    assert.ok(performance.now() - from < 5000, "not with the next heartbeat");
  });
  behaviour("wait for the next poll where none is parked", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    sockets[0]?.send("a");
    sockets[0]?.send(Buffer.from([0, 255]));
    assert.equal((await client.poll()).body, "4a\x1ebAP8=");
  });
  behaviour("ten thousand in one payload are echoed in order", async (engines) => {
    echo(engines);
    const client = await RawClient.open(engines);
    const numbers = Array.from({ length: 10_000 }, (_, i) => `4${String(i)}`);
    const poll = client.poll();
    assert.equal((await client.post(numbers.join("\x1e"))).status, 200);
    const got = (await poll).body.split("\x1e");
    while (got.length < numbers.length) got.push(...(await client.poll()).body.split("\x1e"));
    assert.deepEqual(got, numbers);
  });
  behaviour(
    "over the limit are refused, and the session lives",
    async (engines) => {
      echo(engines);
      const client = await RawClient.open(engines);
      assert.equal((await client.post(`4${"x".repeat(200)}`)).status, 413);
      assert.equal((await client.post("4small")).status, 200);
      assert.equal((await client.poll()).body, "4small");
    },
    { maxHttpBufferSize: 100 },
  );
});

describe("names of requests", () => {
  behaviour("that are empty are none: each poll is a new one", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    for (const text of ["a", "b"]) {
      sockets[0]?.send(text);
      assert.equal((await client.poll("")).body, `4${text}`);
    }
  });
  behaviour("may be long, and are told apart all the same", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    for (const text of ["a", "b"]) {
      sockets[0]?.send(text);
      assert.equal((await client.poll(`${"x".repeat(5000)}${text}`)).body, `4${text}`);
    }
  });
});

describe("requests that contradict each other", () => {
  behaviour("two polls of one session at a time are refused", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = new Promise<unknown[]>((resolve) =>
      sockets[0]?.once("close", (...args) => {
        resolve(args);
      }),
    );
    const first = client.poll();
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    const second = await client.poll();
    assert.equal(second.status, 400);
    assert.equal(second.body, "");
    assert.equal((await first).body, "1");
    const [reason, description] = await closed;
    assert.equal(reason, "transport error");
    assert.equal((description as Error).message, "overlap from client");
    const late = await client.poll();
    assert.deepEqual([late.status, late.body], [400, UNKNOWN_SID]);
  });
  behaviour("two polls at a time where the first has no t", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const first = http(client.url(undefined));
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    assert.equal((await client.poll()).status, 400);
    assert.equal((await first).body, "1");
  });
  behaviour(
    "the same t twice is a retry: both are answered",
    async (engines) => {
      const sockets = connections(engines);
      const client = await RawClient.open(engines);
      const first = client.poll("same");
      await until("the poll is parked", () => sockets[0]?.transport.writable === true);
      const second = client.poll("same");
      await new Promise((resolve) => setTimeout(resolve, 30));
      sockets[0]?.send("once");
      assert.equal((await first).body, "4once");
      assert.equal((await second).body, "4once");
      // Also when it comes after the answer.
      assert.equal((await client.poll("same")).body, "4once");
      assert.equal(sockets[0]?.readyState, "open");
    },
    {},
    CLUSTERED,
  );
  behaviour(
    "a t of a poll before the last is refused, and the session lives",
    async (engines) => {
      const sockets = connections(engines);
      const client = await RawClient.open(engines);
      sockets[0]?.send("a");
      assert.equal((await client.poll("t1")).body, "4a");
      sockets[0]?.send("b");
      assert.equal((await client.poll("t2")).body, "4b");
      assert.equal((await client.poll("t1")).status, 400);
      assert.equal(sockets[0]?.readyState, "open");
    },
    {},
    CLUSTERED,
  );
  behaviour(
    "a POST sent twice at once is handled once, and answered twice",
    async (engines) => {
      const messages: unknown[] = [];
      engines.on("connection", (socket: Socket) => {
        socket.on("message", (data: unknown) => messages.push(data));
      });
      const client = await RawClient.open(engines);
      const replies = await Promise.all([client.post("4one", "p1"), client.post("4one", "p1")]);
      assert.deepEqual(
        replies.map(({ status, body }) => [status, body]),
        [
          [200, "ok"],
          [200, "ok"],
        ],
      );
      assert.equal((await client.post("4one", "p1")).body, "ok");
      assert.deepEqual(messages, ["one"]);
      // Another body under the same t is another POST.
      assert.equal((await client.post("4two", "p1")).body, "ok");
      assert.deepEqual(messages, ["one", "two"]);
    },
    {},
    CLUSTERED,
  );
  behaviour("PUT on a session is 500, and the session lives", async (engines) => {
    echo(engines);
    const client = await RawClient.open(engines);
    assert.equal((await http(client.url("t"), { method: "PUT" })).status, 500);
    assert.equal((await client.post("4x")).status, 200);
  });
  behaviour("a binary POST in protocol 4 closes", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const reply = await client.post(Buffer.from([1, 2, 3]), "b1", {
      headers: { "content-type": "application/octet-stream" },
    });
    assert.equal(reply.status, 400);
    await until("the session is closed", () => sockets[0]?.readyState === "closed");
  });
});

describe("close", () => {
  behaviour("by the client releases its poll with a noop", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = new Promise<unknown>((resolve) => sockets[0]?.once("close", resolve));
    const poll = client.poll();
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    assert.equal((await client.post("1")).body, "ok");
    assert.equal((await poll).body, "6");
    assert.equal(await closed, "transport close");
    assert.equal((await client.poll()).body, UNKNOWN_SID);
  });
  behaviour("by the server goes to the parked poll", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = new Promise<unknown>((resolve) => sockets[0]?.once("close", resolve));
    const poll = client.poll();
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    sockets[0]?.close();
    assert.notEqual(sockets[0]?.readyState, "open");
    assert.equal((await poll).body, "1");
    assert.equal(await closed, "forced close");
  });
  behaviour("by the server without a poll waits for one, behind what is buffered", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = new Promise<unknown>((resolve) => sockets[0]?.once("close", resolve));
    sockets[0]?.send("last words");
    sockets[0]?.close();
    assert.equal(sockets[0]?.readyState, "closing");
    assert.equal((await client.poll()).body, "4last words");
    assert.equal((await client.poll()).body, "6\x1e1");
    assert.equal(await closed, "forced close");
  });
  behaviour("by the server with discard is at once, and loses the buffer", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    let reason: unknown;
    sockets[0]?.once("close", (why: unknown) => (reason = why));
    sockets[0]?.send("lost");
    sockets[0]?.close(true);
    assert.equal(reason, "forced close");
    await until("the session is unknown", async () => (await client.poll()).body === UNKNOWN_SID);
  });
  behaviour("on a payload that is none: earlier packets are handled", async (engines) => {
    const messages: unknown[] = [];
    engines.on("connection", (socket: Socket) => {
      socket.on("message", (data: unknown) => messages.push(data));
      socket.on("close", (reason: unknown) => messages.push(reason));
    });
    const client = await RawClient.open(engines);
    const poll = client.poll();
    await until("the poll is parked", () =>
      engines.engines.some((engine) => Object.values(engine.clients)[0]?.transport.writable === true),
    );
    assert.equal((await client.post("4good\x1e?bad\x1e4never")).status, 200);
    assert.equal((await poll).body, "1");
    assert.deepEqual(messages, ["good", "parse error"]);
  });
  behaviour("on a poll whose connection breaks and does not come back", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = new Promise<unknown[]>((resolve) =>
      sockets[0]?.once("close", (...args) => {
        resolve(args);
      }),
    );
    let abort: () => void = () => undefined;
    const poll = client.poll("broken", { onStarted: (function_) => (abort = function_) });
    await until("the poll is parked", () => sockets[0]?.transport.writable === true);
    abort();
    await assert.rejects(poll);
    const [reason, description] = await closed;
    assert.equal(reason, "transport error");
    assert.equal((description as Error).message, "poll connection closed prematurely");
  });
  behaviour(
    "a broken poll that comes back in time goes on",
    async (engines) => {
      const sockets = connections(engines);
      const client = await RawClient.open(engines);
      let abort: () => void = () => undefined;
      const poll = client.poll("again", { onStarted: (function_) => (abort = function_) });
      await until("the poll is parked", () => sockets[0]?.transport.writable === true);
      abort();
      await assert.rejects(poll);
      const again = client.poll("again");
      await new Promise((resolve) => setTimeout(resolve, 400));
      sockets[0]?.send("still here");
      assert.equal((await again).body, "4still here");
    },
    {},
    CLUSTERED,
  );
});

describe("heartbeat", () => {
  behaviour(
    "pings, and lives on with pongs",
    async (engines) => {
      const sockets = connections(engines);
      const client = await RawClient.open(engines);
      for (let i = 0; i < 4; i++) {
        assert.equal((await client.poll()).body, "2");
        assert.equal((await client.post("3")).body, "ok");
      }
      assert.equal(sockets[0]?.readyState, "open");
    },
    // A slow machine's pong is in time; and no ping follows one that was not taken.
    { pingInterval: 60, pingTimeout: 5_000 },
  );
  behaviour(
    "closes a client that does not answer",
    async (engines) => {
      const sockets = connections(engines);
      const client = await RawClient.open(engines);
      const closed = new Promise<unknown>((resolve) => sockets[0]?.once("close", resolve));
      assert.equal((await client.poll()).body, "2");
      const parked = client.poll();
      assert.equal(await closed, "ping timeout");
      assert.equal((await parked).body, "1");
      assert.equal((await client.poll()).body, UNKNOWN_SID);
      assert.equal(Object.keys(engines.engines[0]?.clients ?? {}).length, 0);
      // Nothing of it outlives its linger.
      const { records } = engines;
      if (records !== undefined) {
        await until(
          "the record is gone",
          () => {
            records.sweep(1000);
            return records.size === 0;
          },
          5000,
        );
      }
    },
    // Long enough for a slow machine's first poll.
    { pingInterval: 60, pingTimeout: 800 },
  );
  behaviour("a ping from a protocol 4 client closes", async (engines) => {
    const sockets = connections(engines);
    const client = await RawClient.open(engines);
    const closed = once(sockets[0] ?? assert.fail(), "close");
    assert.equal((await client.post("2")).status, 200);
    const [reason, description] = (await closed) as [string, Error];
    assert.equal(reason, "transport error");
    assert.equal(description.message, "invalid heartbeat direction");
  });
});
