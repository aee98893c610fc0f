import assert from "node:assert/strict";
import { Agent, request as httpRequest } from "node:http";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { WebSocket } from "ws";
import { KitNode } from "../../testing/kit-node";
import { raw } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";
import { Attacked } from "./attacked";

const UNKNOWN = '{"code":1,"message":"Session ID unknown"}';
const POLLING = "/engine.io/?EIO=4&transport=polling";
/** How long sessions beside an attack may hear nothing, in milliseconds: it takes all that the machine has. */
const SILENCE = 2_000;

/** What strangers do to real nodes. What needs no second process is in test/conformance/abuse.test.ts. */
describe("abuse of real nodes", () => {
  let world: Attacked;
  let redis: Redis;

  before(async () => {
    world = await Attacked.start({ limits: { bodyTimeout: 1_500 }, maxHttpBufferSize: 100_000 });
    redis = new Redis(world.kit.redis.port, "127.0.0.1");
  });

  after(async () => {
    redis.disconnect();
    await world.kit.stop();
  });

  test("10,000 ids that nobody has: a look each at most, no word between nodes, and no key", async () => {
    const many = 10_000;
    const keys = await redis.dbsize();
    // What the sessions beside it say to Redis, in bytes and milliseconds.
    const idle = await inputBytes(redis);
    const idleSince = performance.now();
    await sleep(1_000);
    const traffic = await inputBytes(redis);
    const since = performance.now();
    const usual = (traffic - idle) / (since - idleSince);
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    const ask = async (count: number, query: (i: number) => string): Promise<number> => {
      const began = performance.now();
      const statuses = await Promise.all(
        Array.from({ length: count }, (_, i) => status(`${world.kit.node(i % 3).url}${query(i)}&t=${i}`, agent)),
      );
      assert.ok(statuses.every((code) => code === 400));
      return (performance.now() - began) / count;
    };
    // What this machine takes for a request that nobody has to look for, and this process for its making.
    const unavoidable = await ask(many / 4, () => "/engine.io/?EIO=4&transport=none");
    let each = 0;
    const { store, counts, ms, silence } = await world.withstands(async () => {
      each = await ask(many, (i) => `${POLLING}&sid=stranger${i.toString(36)}x${"y".repeat(8)}`);
    });
    agent.destroy();
    const bytes = ((await inputBytes(redis)) - traffic - usual * (performance.now() - since)) / many;
    console.log(
      `${many} unknown ids in ${ms.toFixed()} ms, ${each.toFixed(2)} ms each, and ${unavoidable.toFixed(2)} where nobody is looked for; ` +
        `silence ${silence} ms; ${JSON.stringify({ ...store, ...counts })}, ${bytes.toFixed()} bytes to Redis each`,
    );
    // As fast as any refusal, within what a machine adds that is slow now and then; nothing of them waits for anything.
    assert.ok(each < 5 * unavoidable + 0.5, `${each} ms for each, where ${unavoidable} cannot be helped`);
    assert.ok(silence < SILENCE, `the sessions beside it heard nothing for ${silence} ms`);
    // The sessions beside it have their own turns, and a look now and then: the more, the longer it takes.
    assert.ok((counts["looks"] ?? Infinity) <= many + 200 + 0.05 * ms, JSON.stringify(counts));
    assert.ok((store["scripts"] ?? Infinity) < many + 500 + 0.3 * ms, JSON.stringify(store));
    assert.ok(bytes < 400, `${bytes} bytes to Redis for each`);
    // Three sessions were opened behind it, with three keys or four.
    assert.ok((await redis.dbsize()) - keys < 20);
  });

  test("ids that mean something to Redis, to Lua, to NATS, or to another cluster: unknown, and nothing happens", async () => {
    const { kit } = world;
    const other = await KitNode.start({
      number: 9,
      command: [process.execPath, require.resolve("../helpers/kit-node.cjs")],
      env: { NODE_ENV: "test", PREFIX: `${kit.prefix}-other` },
      redis: kit.redis,
      nats: kit.nats,
      links: false,
      probe: "/engine.io/?EIO=4&transport=none",
    });
    try {
      const theirs = await open(other.url);
      const prefixed = (await redis.keys(`${kit.prefix}-other*`)).filter((key) => key.includes(theirs));
      const sids = ["*", "a\r\nFLUSHALL\r\n", "{x}", "}{", "']) redis.call('FLUSHALL') --", `${kit.prefix}.node.>`];
      sids.push(
        theirs,
        ...prefixed,
        `${kit.prefix}{nodes}:l`,
        "__proto__",
        "constructor",
        "\0",
        "%00",
        "x".repeat(5_000),
      );
      await world.withstands(async () => {
        for (const sid of sids) {
          for (const { url } of kit.nodes) {
            const named = `${url}${POLLING}&sid=${encodeURIComponent(sid)}`;
            for (const options of [{}, { method: "POST", body: "4x" }]) {
              const reply = await raw(`${named}&t=a`, options);
              assert.deepEqual([reply.status, reply.text], [400, UNKNOWN], sid);
            }
          }
        }
      });
      // The other cluster's session lives.
      assert.equal(
        (await raw(`${other.url}${POLLING}&sid=${theirs}&t=1`, { method: "POST", body: "4hello" })).text,
        "ok",
      );
      assert.equal((await raw(`${other.url}${POLLING}&sid=${theirs}&t=2`)).text, "4hello");
    } finally {
      await other.stop();
    }
  });

  test("polls of one session by the hundreds, at all nodes: all are answered", async () => {
    const sid = await open(world.kit.url);
    const { links } = await world.withstands(async () => {
      const polls = Array.from({ length: 400 }, (_, i) =>
        raw(`${world.kit.node(i % 3).url}${POLLING}&sid=${sid}&t=p${i}`),
      );
      const statuses = (await Promise.all(polls)).map((reply) => reply.status);
      assert.ok(statuses.every((code) => code === 200 || code === 400));
      assert.ok(statuses.includes(400));
    });
    console.log(`400 polls of one session: ${JSON.stringify(links)}`);
    assert.equal((await raw(`${world.kit.url}${POLLING}&sid=${sid}&t=z`)).status, 400);
  });

  test("bodies that never end, and more than may be: 408 and 413", async () => {
    const sid = await open(world.kit.url);
    const { port, url } = world.kit.node(0);
    const path = `${POLLING}&sid=${sid}&t=`;
    await world.withstands(async () => {
      const slow = Array.from({ length: 200 }, (_, i) =>
        talk(
          port,
          `POST ${path}s${i} HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n4${"x".repeat(50_000)}`,
          20_000,
        ),
      );
      const huge = await raw(`${world.kit.url}${path}h`, { method: "POST", body: "4".repeat(40_000_000) }).catch(
        () => undefined,
      );
      // nginx has a limit of its own, and breaks connections that say too much.
      assert.ok(huge === undefined || huge.status === 413);
      const chunked = { method: "POST", body: "4".repeat(5_000_000), headers: { "transfer-encoding": "chunked" } };
      const reply = await raw(`${url}${path}c`, chunked).catch(() => undefined);
      assert.ok(reply === undefined || reply.status === 413);
      for (const answer of await Promise.all(slow)) assert.match(answer, /^HTTP\/1\.1 408 /);
    });
    assert.equal((await raw(`${world.kit.url}${path}1`, { method: "POST", body: "4still" })).text, "ok");
    assert.match((await raw(`${world.kit.url}${path}2`)).text, /4still$/);
  });

  test("clients that ask and never read", async () => {
    const { port } = world.kit.node(1);
    await world.withstands(async () => {
      const line = `GET ${POLLING}&sid=nobody&t=a HTTP/1.1\r\nHost: a\r\n\r\n`;
      const connections = Array.from({ length: 20 }, () => {
        const connection = connect(port, "127.0.0.1").pause();
        connection.on("error", () => undefined);
        connection.write(line.repeat(3_000));
        return connection;
      });
      await world.goesOn();
      for (const connection of connections) connection.destroy();
    });
  });

  test("text that is no UTF-8, by a websocket at another node than its session's: both end, nobody else", async () => {
    const [owner, gateway] = [world.kit.node(0), world.kit.node(1)];
    const sid = await open(owner.url);
    await world.withstands(async () => {
      const websocket = new WebSocket(
        `${gateway.url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${sid}`,
      );
      const closed = new Promise<number>((resolve) => websocket.once("close", resolve));
      const heard = (text: string): Promise<void> =>
        new Promise((resolve) => {
          websocket.on("message", (data: Buffer) => {
            if (data.toString() === text) resolve();
          });
        });
      await new Promise((resolve) => websocket.once("open", resolve));
      const probed = heard("3probe");
      websocket.send("2probe");
      await probed;
      const echoed = heard("4x");
      websocket.send("5");
      websocket.send("4x");
      await echoed;
      websocket.send(Buffer.from([0x34, 0xff, 0xfe]), { binary: false });
      assert.equal(await closed, 1007);
      await waitFor("the session to end at its owner", async () => {
        return (await raw(`${owner.url}${POLLING}&sid=${sid}&t=z`)).text === UNKNOWN;
      });
    });
  });

  test("what is another protocol than HTTP", async () => {
    await world.withstands(async () => {
      for (const { port } of world.kit.nodes) {
        for (const text of [
          "*1\r\n$8\r\nFLUSHALL\r\n",
          `PUB ${world.kit.prefix}.beat 1\r\nx\r\n`,
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
          "\x16\x03\x01\x02\0\x01\0",
        ]) {
          assert.match(await talk(port, text, 20_000), /^(HTTP\/1\.1 400 |$)/);
        }
      }
    });
  });

  test("a handshake with names of Object's prototype and an Origin that is none, adopted by another node", async () => {
    const odd = "__proto__[x]=1&__proto__=5&constructor=2&toString=3";
    const reply = await raw(`${world.kit.node(2).url}${POLLING}&${odd}`, { headers: { origin: "http://é'\"{}" } });
    const sid = sidOf(reply.text);
    await world.kit.node(2).kill();
    const post = { method: "POST", body: "4x" };
    assert.equal((await raw(`${world.kit.node(0).url}${POLLING}&sid=${sid}&t=1`, post)).text, "ok");
    const { connections } = await world.accounts[0]!.account();
    const found = connections.find((connection) => connection.sid === sid);
    assert.equal(found?.recovered, true);
    const query = new Map(Object.entries(found.request.query));
    assert.equal(query.get("constructor"), "2");
    assert.equal(query.get("x"), undefined);
  });

  test("behind all of it the sessions beside it had everything, once and in order", () => world.ends());
});

async function open(url: string): Promise<string> {
  return sidOf((await raw(`${url}${POLLING}`)).text);
}

function sidOf(text: string): string {
  return /"sid":"([^"]+)"/.exec(text)?.[1] ?? assert.fail(text);
}

async function inputBytes(redis: Redis): Promise<number> {
  return Number(/total_net_input_bytes:(\d+)/.exec(await redis.info("stats"))?.[1]);
}

function status(url: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    request.on("error", reject);
    request.end();
  });
}

/** What comes back until the server closes the connection. Fails where it does not, and says nothing for so long. */
function talk(port: number, text: string, withinMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(port, "127.0.0.1");
    let answer = "";
    connection.setTimeout(withinMs, () => {
      const [asked, said] = [text, answer].map((one) => JSON.stringify(one.slice(0, 200)));
      reject(new Error(`the server keeps the connection of ${asked!}; it said ${said!}`));
      connection.destroy();
    });
    connection.on("data", (chunk: Buffer) => (answer += chunk.toString("latin1")));
    connection.on("error", () => undefined);
    connection.on("close", () => resolve(answer));
    connection.write(text, "latin1");
  });
}
