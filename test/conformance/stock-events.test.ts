import assert from "node:assert/strict";
import { request as httpRequest, type ClientRequest } from "node:http";
import { describe, it } from "node:test";
import { OneEngine, type Client, type CommonOptions } from "../helpers/both-engines";
import { http, type Reply } from "../helpers/engines";
import { until } from "../helpers/until";

type Scenario = (one: OneEngine, note: (reply: Reply) => void) => Promise<void>;

/** What a client sees of a reply, but for what changes from one to the next. */
function shown({ status, headers, body }: Reply): string {
  const kind = [headers["content-type"], headers["cache-control"]].join(" ").trim();
  return `${String(status)} ${kind} ${body.replace(/"sid":"[^"]*"/, '"sid"').replaceAll("\x1e", "|")}`;
}

/**
 * Differences that are meant, in scenarios in which a session ends by itself while no poll is parked: the stock engine
 * lets the transport wait half a minute for a poll that would be refused, here it closes with its session.
 */
const NO_POLL: CommonOptions & { readonly but: string } = { but: "transport close" };
/** The stock engine writes a last packet to a connection that it knows to be broken; here nothing is written. */
const BROKEN_POLL: CommonOptions & { readonly but: string } = { but: "answer GET t1" };

/** Runs a scenario on the stock engine and on this one: the same events in the same order, and the same replies. */
function same(
  name: string,
  scenario: Scenario,
  { but, ...options }: CommonOptions & { readonly but?: string } = {},
): void {
  it(name, async () => {
    const outcomes: string[][] = [];
    for (const subject of ["stock", "own"] as const) {
      const one = await OneEngine.start(subject, options);
      const replies: string[] = [];
      try {
        await scenario(one, (reply) => replies.push(shown(reply)));
        outcomes.push([...one.log.filter((event) => event !== but), "replies:", ...replies]);
      } finally {
        one.stop();
      }
    }
    const [stock, own] = outcomes;
    assert.ok((stock?.length ?? 0) > 1, "something happened");
    assert.deepEqual(own, stock);
  });
}

function closed({ socket }: Client): Promise<void> {
  return until("the session is closed", () => socket.readyState === "closed");
}

/** Starts a POST whose body does not end. */
function unfinished(client: Client, t: string): ClientRequest {
  const headers = { "content-type": "text/plain;charset=UTF-8", "content-length": "100" };
  const request = httpRequest(client.one.url(`sid=${client.sid}&t=${t}`), { method: "POST", headers, agent: false });
  request.on("error", () => undefined);
  request.write("4begin");
  return request;
}

describe("as engine.io: handshake", () => {
  same("open packet, events", async (one, note) => {
    note((await one.open()).opened);
  });
  same(
    "with an initial packet",
    async (one, note) => {
      note((await one.open()).opened);
    },
    { initialPacket: "hello" },
  );
  for (const query of [
    "transport=polling",
    "EIO=4&transport=tobi",
    "EIO=3&transport=polling",
    "EIO=4&transport=polling&sid=none",
  ]) {
    for (const method of ["GET", "POST", "PUT"]) {
      same(`refused: ${method} ${query}`, async (one, note) => {
        note(await http(one.url("").replace(/\?.*/, `?${query}`), { method }));
      });
    }
  }
  same("an origin that is no header", async (one, note) => {
    note(await http(one.url("t=o"), { headers: { origin: "http://a" } }));
    note(await http(one.url("t=o"), { headers: { origin: "\u0080ok" } }));
  });
});

describe("as engine.io: messages", () => {
  same("echo to a parked poll", async (one, note) => {
    const client = await one.open();
    client.socket.on("message", (data: unknown) => client.socket.send(data));
    const { reply } = await client.park();
    note(await client.post("4hello"));
    note(await reply);
  });
  same("echo of several, text and binary, to the polls that come", async (one, note) => {
    const client = await one.open();
    client.socket.on("message", (data: unknown) => client.socket.send(data));
    const { reply } = await client.park();
    note(await client.post("4a\x1ebAQID\x1e4\x1e4é😀"));
    note(await reply);
    note(await client.poll());
  });
  same("pushes with callbacks, drain, and sends inside of both", async (one, note) => {
    const client = await one.open();
    const { socket } = client;
    const { reply } = await client.park();
    socket.once("drain", () => socket.send("from drain"));
    socket.send("a", undefined, () => {
      one.log.push("callback a");
      socket.send("from callback");
    });
    socket.send("b", { compress: false }, () => one.log.push("callback b"));
    one.log.push("sent");
    note(await reply);
    note(await client.poll());
    const second = await client.park();
    socket.send("c", undefined, () => one.log.push("callback c"));
    note(await second.reply);
  });
  same("whatever data is sent", async (one, note) => {
    const client = await one.open();
    for (const data of ["", 0, 5, Number.NaN, null, undefined, false, true, 0n, [1, 2], "\x1e4split"])
      client.socket.send(data);
    for (const data of [Buffer.from("b"), Uint8Array.of(1), new Uint16Array([258]), new ArrayBuffer(2)])
      client.socket.send(data);
    one.log.length = 0;
    note(await client.poll());
    // The stock engine hands out numbers and lists as they were given, this one the text that is sent.
    one.log.length = 0;
  });
  same(
    "a client's packets of other types",
    async (one, note) => {
      const client = await one.open();
      note(await client.post("6\x1e5\x1e0\x1e3\x1e4x"));
      note(await client.post("2"));
      note(await client.poll());
    },
    NO_POLL,
  );
  same(
    "a body over the limit",
    async (one, note) => {
      const client = await one.open();
      const { status } = await client.post(`4${"x".repeat(50)}`);
      one.log.push(`status ${String(status)}, ${client.socket.readyState}`);
      note(await client.post("4x"));
    },
    { maxHttpBufferSize: 20 },
  );
});

describe("as engine.io: close", () => {
  same("with a poll parked", async (one, note) => {
    const client = await one.open();
    const { reply } = await client.park();
    client.socket.close();
    one.log.push("closed");
    note(await reply);
    note(await client.poll());
  });
  same("with none parked, sends and input ignored, twice", async (one, note) => {
    const client = await one.open();
    client.socket.close();
    client.socket.close();
    client.socket.send("dropped");
    one.log.push(client.socket.readyState);
    note(await client.post("4ignored"));
    note(await client.poll());
    note(await client.poll());
  });
  same("behind what is buffered", async (one, note) => {
    const client = await one.open();
    client.socket.send("a", undefined, () => one.log.push("callback"));
    client.socket.send("b");
    client.socket.close();
    note(await client.poll());
    note(await client.poll());
    note(await client.poll());
  });
  same("with discard, poll parked", async (one, note) => {
    const client = await one.open();
    const { reply } = await client.park();
    client.socket.close(true);
    client.socket.send("dropped");
    note(await reply);
    note(await client.poll());
  });
  same("with discard, none parked", async (one, note) => {
    const client = await one.open();
    client.socket.send("lost", undefined, () => one.log.push("callback"));
    client.socket.close(true);
    note(await client.poll());
  });
  same("with discard, after a close that waits", async (one, note) => {
    const client = await one.open();
    client.socket.close();
    client.socket.close(true);
    one.log.push(client.socket.readyState);
    note(await client.poll());
  });
  same("inside of a handler, of a callback, of drain", async (one, note) => {
    for (const where of ["message", "callback", "drain"]) {
      const client = await one.open();
      const { socket } = client;
      const { reply } = await client.park();
      if (where === "message") socket.on("message", () => socket.close());
      else if (where === "drain") socket.once("drain", () => socket.close());
      if (where !== "message") socket.send("x", undefined, () => (where === "callback" ? socket.close() : undefined));
      else note(await client.post("4x\x1e4y"));
      note(await reply);
      note(await client.poll());
    }
  });
  same("by the client, poll parked or none", async (one, note) => {
    for (const parked of [true, false]) {
      const client = await one.open();
      const reply = parked ? (await client.park()).reply : undefined;
      note(await client.post("4a\x1e1\x1e4b"));
      if (reply !== undefined) note(await reply);
      note(await client.poll());
    }
  });
  same("of the engine", async (one, note) => {
    const parked = await (await one.open()).park();
    await one.open();
    one.engine.close();
    one.log.push("closed");
    note(await parked.reply);
  });
});

describe("as engine.io: ends by mistake", () => {
  same("a payload that cannot be read", async (one, note) => {
    const client = await one.open();
    const { reply } = await client.park();
    note(await client.post("4good\x1e?\x1e4never"));
    note(await reply);
  });
  same(
    "an empty payload",
    async (one, note) => {
      const client = await one.open();
      note(await client.post(""));
      note(await client.poll());
    },
    NO_POLL,
  );
  same("a poll beside another one", async (one, note) => {
    const client = await one.open();
    const { reply } = await client.park();
    note(await client.poll());
    note(await reply);
    note(await client.poll());
  });
  same(
    "a POST beside another one",
    async (one, note) => {
      const client = await one.open();
      const first = unfinished(client, "unfinished");
      await until("the first has arrived", () => one.seen.has("unfinished"));
      note(await client.post("4x"));
      note(await client.poll());
      first.destroy();
    },
    NO_POLL,
  );
  same(
    "a POST that breaks",
    async (one, note) => {
      const client = await one.open();
      const post = unfinished(client, "unfinished");
      await until("it has arrived", () => one.seen.has("unfinished"));
      post.destroy();
      await closed(client);
      note(await client.poll());
    },
    NO_POLL,
  );
  same(
    "a poll that breaks",
    async (one, note) => {
      const client = await one.open();
      let abort: () => void = () => assert.fail("not started");
      const { reply } = await client.park({ onStarted: (breakIt) => (abort = breakIt) });
      abort();
      await assert.rejects(reply);
      await closed(client);
      note(await client.poll());
    },
    BROKEN_POLL,
  );
  same(
    "binary payload, PUT and HEAD",
    async (one, note) => {
      const client = await one.open();
      const url = one.url(`sid=${client.sid}&t=put`);
      note(await http(url, { method: "PUT" }));
      note(await http(url, { method: "HEAD" }));
      note(await http(url, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: "4x" }));
      note(await client.poll());
    },
    NO_POLL,
  );
});

describe("as engine.io: heartbeat", () => {
  same(
    "pings and pongs",
    async (one, note) => {
      const client = await one.open();
      for (let i = 0; i < 3; i++) {
        note(await client.poll());
        note(await client.post("3"));
      }
    },
    { pingInterval: 40, pingTimeout: 5000 },
  );
  same(
    "no pong, poll parked",
    async (one, note) => {
      const client = await one.open();
      note(await client.poll());
      const { reply } = await client.park();
      note(await reply);
      await closed(client);
      note(await client.poll());
    },
    // The polls come before the ping and before the end, also where the machine is slow.
    { pingInterval: 300, pingTimeout: 700 },
  );
  same(
    "no poll at all",
    async (one, note) => {
      const client = await one.open();
      client.socket.send("left");
      await closed(client);
      note(await client.poll());
    },
    // What is sent comes before the ping.
    { pingInterval: 300, pingTimeout: 100, ...NO_POLL },
  );
});
