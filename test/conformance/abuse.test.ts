import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { describe, it } from "node:test";
import { MessageKind } from "../../src/routing/messages";
import type { Socket } from "../../src/session/socket";
import { behaviour } from "../helpers/behaviour";
import { CLUSTERED, http, RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE, type RawReply } from "../helpers/raw-http";
import { until } from "../helpers/until";

/** Runs `attack` beside a session that must not notice: it is asked during it and afterwards, and nothing is left behind. */
function withstands(
  name: string,
  attack: (engines: TestEngines) => Promise<void>,
  options: Parameters<typeof behaviour>[2] = {},
  modes?: Parameters<typeof behaviour>[3],
): void {
  behaviour(
    name,
    async (engines) => {
      engines.on("connection", (socket: Socket) => {
        socket.on("message", (data: string | Buffer) => socket.send(data));
      });
      const other = await RawClient.open(engines);
      let over = false;
      const attacked = attack(engines).finally(() => (over = true));
      let asked = 0;
      const isOver = (): boolean => over;
      do await goesOn(other, `during${String(asked++)}`);
      while (!isOver());
      await attacked;
      await goesOn(other, "after");
      await until("nothing is under way", () =>
        engines.engines.every(({ load }) => load.requests === 0 && load.bodyBytes === 0),
      );
      for (const node of engines.nodes) assert.equal(node.held, 0);
    },
    options,
    modes,
  );
}

/** The session answers, and soon. */
async function goesOn(client: RawClient, text: string): Promise<void> {
  const started = performance.now();
  assert.equal((await client.post(`4${text}`)).status, 200);
  assert.equal((await client.poll()).body, `4${text}`);
  assert.ok(performance.now() - started < 10_000, "the other session was not served for long");
}

function base(engines: TestEngines): string {
  return `${engines.next()}/engine.io/?EIO=4&transport=`;
}

/** What is written to a connection of its own, and what came back until the server closed it. Fails where it does not. */
function talk(engines: TestEngines, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(Number(new URL(engines.next()).port), "127.0.0.1");
    let answer = "";
    connection.setTimeout(10_000, () => {
      reject(
        new Error(`the server keeps the connection of ${JSON.stringify(text)}; it said ${JSON.stringify(answer)}`),
      );
      connection.destroy();
    });
    connection.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    connection.on("error", () => undefined);
    connection.on("close", () => resolve(answer));
    connection.write(text, "latin1");
  });
}

const UNKNOWN = '{"code":1,"message":"Session ID unknown"}';

/** Ids that mean something to somebody on the way. */
const SIDS: readonly (readonly [name: string, sid: string])[] = [
  ["a pattern", "*"],
  ["a pattern of Redis", "[a-z]?"],
  ["line breaks", "a\r\nDEL b\r\n"],
  ["braces", "}{x}"],
  ["NUL", "a\0b"],
  ["Lua", "'] redis.call('FLUSHALL') --"],
  ["wildcards of NATS", ">"],
  ["a subject of NATS", "eioc.node.*"],
  ["a key of Redis", "eioc{nodes}:l"],
  ["a percent sign", "%41"],
  ["a prototype", "__proto__"],
  ["a method", "toString"],
  ["another method", "hasOwnProperty"],
  ["not ASCII", "é😀"],
  ["very long", "x".repeat(8000)],
  ["blank", " "],
];

describe("abuse: ids", () => {
  for (const [name, sid] of SIDS) {
    withstands(`${name}: unknown to polls, POSTs and websockets`, async (engines) => {
      const named = `&sid=${encodeURIComponent(sid)}`;
      for (const reply of [
        await raw(`${base(engines)}polling${named}&t=a`),
        await raw(`${base(engines)}polling${named}&t=b`, { method: "POST", body: "4x" }),
        await raw(`${base(engines)}websocket${named}`),
      ]) {
        assert.equal(reply.status, 400);
        assert.equal(reply.text, UNKNOWN);
      }
      const upgrade = await raw(`${base(engines)}websocket${named}`, { headers: { ...UPGRADE } });
      assert.equal(upgrade.status, 400);
    });
  }

  withstands("a lone surrogate, and bytes that are no UTF-8, in the query", async (engines) => {
    for (const sid of ["%ED%A0%80", "%FF%FE", "%E0%A4%A"])
      assert.equal((await raw(`${base(engines)}polling&sid=${sid}&t=a`)).text, UNKNOWN);
  });

  const MANY = 3000;
  it(`costs one look at most, and a long one none: ${String(MANY)} ids that nobody has`, async () => {
    const engines = await startEngines("redis");
    const agent = new Agent({ keepAlive: true, maxSockets: 100 });
    try {
      engines.on("connection", (socket: Socket) => {
        socket.on("message", (data: string) => socket.send(data));
      });
      const other = await RawClient.open(engines);
      const looks = (): number => engines.counters.reduce((sum, counters) => sum + (counters.read()["looks"] ?? 0), 0);
      let over = false;
      const asked = (async () => {
        const statuses = await Promise.all(
          Array.from({ length: MANY }, (_, i) => {
            const id = i % 3 === 0 ? "x".repeat(200) : i % 3 === 1 ? "same" : `random${String(i)}`;
            return status(`${base(engines)}polling&sid=${id}&t=${String(i)}`, agent);
          }),
        );
        over = true;
        return statuses;
      })();
      const isOver = (): boolean => over;
      const before = looks();
      let slowest = 0;
      while (!isOver()) {
        const started = performance.now();
        await goesOn(other, "during");
        slowest = Math.max(slowest, performance.now() - started);
      }
      assert.ok((await asked).every((code) => code === 400));
      // The session's own requests at nodes that have forgotten its owner are few.
      assert.ok(looks() - before < (MANY * 2) / 3, `${String(looks() - before)} looks`);
      console.log(
        `${String(MANY)} ids: ${String(looks() - before)} looks; an echo took ${slowest.toFixed()} ms at most`,
      );
      for (const node of engines.nodes) assert.equal(node.held, 0);
    } finally {
      agent.destroy();
      await engines.stop();
    }
  });
});

function status(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent }, (response) => {
      response.resume();
      response.on("end", () => {
        resolve(response.statusCode ?? 0);
      });
    });
    request.on("error", reject);
    request.end();
  });
}

describe("abuse: requests of one session", () => {
  withstands("hundreds of polls at once: all are answered, none stays", async (engines) => {
    const client = await RawClient.open(engines);
    const replies = await Promise.all(Array.from({ length: 300 }, () => client.poll()));
    for (const { status } of replies) assert.ok(status === 200 || status === 400, String(status));
    assert.ok(replies.some((reply) => reply.status === 400));
  });

  withstands(
    "one poll on hundreds of connections: all get the same answer",
    async (engines) => {
      const client = await RawClient.open(engines);
      const polls = Array.from({ length: 300 }, () => client.poll("same"));
      await until("all are under way", () => engines.engines.reduce((sum, { load }) => sum + load.requests, 0) >= 300);
      await client.post("4x");
      for (const { status, body } of await Promise.all(polls)) assert.deepEqual([status, body], [200, "4x"]);
    },
    {},
    CLUSTERED,
  );

  withstands("hundreds of POSTs at once", async (engines) => {
    const client = await RawClient.open(engines);
    const replies = await Promise.all(Array.from({ length: 300 }, (_, i) => settled(client.post(`4${String(i)}`))));
    assert.ok(replies.every((code) => [0, 200, 400].includes(code)));
  });

  withstands("what is no packet closes the session that says it", async (engines) => {
    for (const body of ["9x", "", "x".repeat(1000), "\x1e\x1e", "4a\x1e7"]) {
      const client = await RawClient.open(engines);
      const closed = until("it has closed", () => engines.engines.every(({ clients }) => !(client.sid in clients)));
      await client.post(body);
      await closed;
    }
  });

  withstands("text that is no UTF-8 is read with replacements", async (engines) => {
    const client = await RawClient.open(engines);
    assert.equal((await client.post(Buffer.from([0x34, 0xff, 0xfe, 0x41]))).status, 200);
    assert.equal((await client.poll()).body, "4\ufffd\ufffdA");
  });

  withstands("bytes for a session of protocol 4 are refused", async (engines) => {
    const client = await RawClient.open(engines);
    const headers = { "content-type": "application/octet-stream" };
    assert.equal((await client.post(Buffer.from([0, 1, 255, 4, 1]), "a", { headers })).status, 400);
  });

  withstands("broken payloads of protocol 3 close the session that says them", async (engines) => {
    for (const body of ["5:4", "-1:4x", "99999999999999:4x", "x", ":", "1e3:4x", "2:4x2:4"]) {
      const open = await raw(`${engines.next()}/engine.io/?EIO=3&transport=polling`);
      const sid = /"sid":"([^"]+)"/.exec(open.text)?.[1] ?? assert.fail(open.text);
      const url = `${engines.next()}/engine.io/?EIO=3&transport=polling&sid=${sid}&t=a`;
      const reply = await raw(url, { method: "POST", body, headers: { "content-type": "text/plain" } });
      assert.ok([200, 400].includes(reply.status), body);
      await until(`${body} has closed it`, () => engines.engines.every(({ clients }) => !(sid in clients)));
    }
  });

  withstands("requests of one protocol for a session of another", async (engines) => {
    const client = await RawClient.open(engines);
    const url = (): string => `${engines.next()}/engine.io/?EIO=3&transport=polling&sid=${client.sid}&t=a`;
    const refused = '{"code":3,"message":"Bad request"}';
    assert.equal((await raw(url())).text, refused);
    assert.equal((await raw(url(), { method: "POST", body: "2:4x" })).text, refused);
    assert.equal((await raw(url().replace("polling", "websocket"), { headers: { ...UPGRADE } })).status, 400);
    await goesOn(client, "still");
  });

  withstands("a version that there is not is taken for 3, as in engine.io", async (engines) => {
    for (const version of ["5", "", "x", "04"]) {
      const reply = await raw(`${engines.next()}/engine.io/?EIO=${version}&transport=polling`);
      assert.equal(reply.status, 200);
      assert.match(reply.text, /^\d+:0\{/);
    }
  });
});

function settled(reply: Promise<{ readonly status: number }>): Promise<number> {
  // In one process an overlapping POST breaks the connection of the first one.
  return reply.then(
    ({ status }) => status,
    () => 0,
  );
}

describe("abuse: HTTP", () => {
  withstands(
    "bodies over the limit, announced and not: 413, and no more of them is held than the limit",
    async (engines) => {
      const client = await RawClient.open(engines);
      const body = "4".repeat(2_000_000);
      let most = 0;
      const watch = setInterval(() => {
        for (const { load } of engines.engines) most = Math.max(most, load.bodyBytes);
      }, 1);
      for (const headers of [{}, { "transfer-encoding": "chunked" }]) {
        const replies = await Promise.all([0, 1, 2].map(() => settledReply(client, body, headers)));
        // A connection may break before the answer to a body that is still being written is read.
        for (const reply of replies) assert.ok(reply === undefined || reply.status === 413);
      }
      clearInterval(watch);
      assert.ok(most <= 300_000, `${String(most)} bytes`);
      await goesOn(await RawClient.open(engines), "a new one");
    },
    { maxHttpBufferSize: 100_000 },
  );

  withstands("headers over the limit", async (engines) => {
    const answer = await talk(
      engines,
      `GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 431 /);
  });

  withstands(
    "an Origin with a line break or a control character does not come back",
    async (engines) => {
      for (const origin of ["http://a\rX-Evil: 1", "http://a\nX-Evil: 1", "http://a\x01b", "http://a\x7f"]) {
        const head = `GET /engine.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\nConnection: close\r\n`;
        const answer = await talk(engines, `${head}Origin: ${origin}\r\n\r\n`);
        assert.match(answer, /^HTTP\/1\.1 (200|400) /);
        assert.doesNotMatch(answer, /^x-evil/im);
        assert.doesNotMatch(answer, /access-control-allow-origin: http:\/\/a[\x00-\x1f\x7f]/i);
      }
    },
    { cors: { origin: true, credentials: true } },
  );

  withstands(
    "an id with a line break does not split the cookie's header",
    async (engines) => {
      let made = 0;
      for (const engine of engines.engines) engine.generateId = () => `id${String(made++)}\r\nX-Evil: 1; Domain=a`;
      const reply: RawReply = await raw(`${base(engines)}polling`);
      assert.equal(reply.status, 200);
      assert.equal(reply.headers["x-evil"], undefined);
      assert.match(String(reply.headers["set-cookie"]), /^io=id0%0D%0AX-Evil%3A%201%3B%20Domain%3Da; Path=\//);
    },
    { cookie: true },
  );

  withstands("names of Object's in the query are names like others", async (engines) => {
    const odd = "__proto__=1&constructor=2&hasOwnProperty=3&toString=4&__proto__[x]=5";
    assert.equal((await raw(`${engines.next()}/engine.io/?${odd}&EIO=4&transport=polling`)).status, 200);
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const reply = await raw(`${engines.next()}/engine.io/?EIO=4&transport=${name}`);
      assert.equal(reply.text, '{"code":0,"message":"Transport unknown"}');
      const jsonp = await raw(`${base(engines)}polling&j=${name}`);
      assert.match(jsonp.text, /^___eio\[\]\(/);
    }
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
  });

  withstands("a request that is no HTTP", async (engines) => {
    for (const text of ["\0\0\0\0", "GET\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02\0"])
      assert.match(await talk(engines, text), /^(HTTP\/1\.1 400 |$)/);
  });
});

function settledReply(
  client: RawClient,
  body: string,
  headers: Record<string, string>,
): Promise<{ readonly status: number } | undefined> {
  return client.post(body, undefined, { headers }).catch(() => undefined);
}

describe("abuse: the bus", () => {
  const BODIES = ["", "x", "{", "null", "5", '"close', '[1,null,{"a":1}]', '["9"]', Buffer.from([0, 255, 7])];

  it("frames that nobody would say, of every kind, end nothing but what they speak of", async () => {
    const engines = await startEngines("next");
    try {
      engines.on("connection", (socket: Socket) => {
        socket.on("message", (data: string) => socket.send(data));
      });
      const [victim, other] = [await RawClient.open(engines), await RawClient.open(engines)];
      const kinds = [...Object.values(MessageKind), 0, 40, 255];
      for (const node of engines.nodes)
        for (const kind of kinds)
          for (const body of BODIES)
            for (const sid of [victim.sid, "nobody", "__proto__", ""])
              for (const [t, n] of [
                ["", 0],
                ["a:b", 2 ** 53 - 1],
                ["w1.1", 1],
              ] as const)
                node.onFrame("stranger", { kind, sid, t, n, body }, 1);
      await new Promise((resolve) => setTimeout(resolve, 200));
      await goesOn(other, "after");
      const { status } = await http(`${base(engines)}polling`);
      assert.equal(status, 200);
      assert.equal(
        engines.nodes.reduce((sum, { held }) => sum + held, 0),
        0,
      );
    } finally {
      await engines.stop();
    }
  });
});
