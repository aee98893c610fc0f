import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../helpers/until";
import { FrontKit } from "./helpers/front-kit";

const POLL = "/engine.io/?EIO=4&transport=polling&sid=abc&t=1";

/** Reads from a socket until what came contains `text`. */
async function readUntil(socket: Socket, text: string): Promise<string> {
  let received = "";
  while (!received.includes(text)) {
    const [chunk] = (await once(socket, "data")) as [Buffer];
    received += chunk.toString("latin1");
  }
  return received;
}

/** All that a socket says until it ends. */
async function textOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  socket.on("error", () => undefined);
  // once() of node:events would fail with the error, and what came before it would be lost.
  await new Promise((resolve) => socket.once("close", resolve));
  return Buffer.concat(chunks).toString("latin1");
}

const GET = `GET ${POLL} HTTP/1.1\r\nHost: a\r\n\r\n`;

describe("front: which worker gets a request", () => {
  test("the next one for each request, on one connection too", async (t) => {
    const kit = await FrontKit.start(t);
    for (const name of ["a", "b", "c"]) await kit.local(name, (_request, response) => response.end(name));
    const answers: string[] = [];
    for (let i = 0; i < 6; i++) answers.push((await kit.send(POLL)).body);
    assert.deepEqual(answers, ["a", "b", "c", "a", "b", "c"]);
  });

  test("not one that was removed", async (t) => {
    const kit = await FrontKit.start(t);
    for (const name of ["a", "b"]) await kit.local(name, (_request, response) => response.end(name));
    kit.front.remove("a");
    assert.equal((await kit.send(POLL)).body, "b");
    assert.equal((await kit.send(POLL)).body, "b");
  });

  test("one that becomes ready while the request waits", async (t) => {
    const kit = await FrontKit.start(t);
    const reply = kit.send(POLL);
    await kit.local("late", (_request, response) => response.end("late"));
    assert.equal((await reply).body, "late");
  });

  test("none in time: 503 with Retry-After", async (t) => {
    const kit = await FrontKit.start(t, { workerWait: 30 });
    const reply = await kit.send(POLL);
    assert.equal(reply.status, 503);
    assert.equal(reply.headers["retry-after"], "1");
  });

  test("none any more, because it stops: those that wait are broken off at once, for another machine to answer", async (t) => {
    const kit = await FrontKit.start(t, { workerWait: 60_000 });
    await kit.local("only", (_request, response) => {
      kit.front.remove("only");
      response.destroy();
      setImmediate(() => {
        kit.front.stop();
      });
    });
    await assert.rejects(kit.send(POLL), /socket hang up|ECONNRESET/);
  });
});

describe("front: what a request is called", () => {
  const UNNAMED = "/engine.io/?EIO=4&transport=polling&sid=abc";
  const NAME = "x-eio-request-id";

  test("the same at each attempt, whether its client sends a t or not, and each request otherwise", async (t) => {
    const kit = await FrontKit.start(t);
    const heard: unknown[] = [];
    await kit.local("dies", (request, response) => {
      heard.push(request.headers[NAME]);
      response.destroy();
    });
    await kit.local("lives", (request, response) => {
      heard.push(request.headers[NAME]);
      response.end("done");
    });
    for (const [path, method, body] of [
      [UNNAMED, "POST", "4a"],
      [UNNAMED, "GET"],
      [POLL, "GET"],
    ] as const) {
      const reply = await kit.send(path, { method, ...(body === undefined ? {} : { body }) });
      assert.equal(reply.body, "done");
    }
    const [first, again, ...others] = heard;
    assert.ok(typeof first === "string" && first !== "");
    assert.equal(again, first);
    assert.ok(others.length > 0 && others.every((other) => typeof other === "string" && other !== first));
  });

  test("what it was called before, by its client or a balancer in front, and nothing outside of the engine", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.local("a", (request, response) => response.end(String(request.headers[NAME])));
    for (const path of ["/", "/engine.iox/", "/other?t=x"]) {
      assert.equal((await kit.send(path)).body, "undefined", path);
    }
    assert.equal((await kit.send(UNNAMED, { headers: { [NAME]: "nginx-1" } })).body, "nginx-1");
    assert.equal((await kit.send(POLL, { headers: { [NAME]: "nginx-2" } })).body, "nginx-2");
    // Which forms of t are names is known to the workers.
    for (const path of [UNNAMED, `${UNNAMED}&t=`, POLL, `${UNNAMED}&t=PhG2x_1`, "/engine.io/other?t=x"]) {
      assert.match((await kit.send(path)).body, /^[\w-]{12}\.\d+$/, path);
    }
  });
});

describe("front: it stops", () => {
  test("a poll that is answered ends its connection, and a request that comes by one all the same is broken off", async (t) => {
    const kit = await FrontKit.start(t);
    const asked = new Promise<ServerResponse>((resolve) => {
      void kit.local("only", (_request, response) => {
        resolve(response);
      });
    });
    const [parked, kept] = [connect(kit.port, "127.0.0.1"), connect(kit.port, "127.0.0.1")];
    const said = [textOf(parked), textOf(kept)];
    parked.write(GET);
    // Half of a head: it is not idle.
    kept.write(GET.slice(0, 10));
    const response = await asked;
    kit.front.stop();
    kit.front.remove("only");
    response.end("let go");
    assert.match((await said[0])!, /^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n[^]*let go$/i);
    kept.write(GET.slice(10));
    assert.equal(await said[1], "");
  });

  test("an answer that its client is slow to read arrives whole", async (t) => {
    const kit = await FrontKit.start(t);
    const size = 8_000_000;
    await kit.local("only", (_request, response) => response.end(Buffer.alloc(size, "x")));
    const slow = connect(kit.port, "127.0.0.1");
    slow.write(GET);
    await once(slow, "readable");
    kit.front.stop();
    const closed = kit.front.close();
    const text = await textOf(slow);
    await closed;
    assert.equal(text.length - text.indexOf("\r\n\r\n") - 4, size);
  });
});

describe("front: connections that end as it stops", () => {
  test("one that waits for its next request ends at once, and one whose request has begun does not", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.local("only", (_request, response) => response.end("ok"));
    const [idle, begun] = [connect(kit.port, "127.0.0.1"), connect(kit.port, "127.0.0.1")];
    for (const socket of [idle, begun]) {
      socket.write(GET);
      await readUntil(socket, "ok");
    }
    const half = new Promise<void>((resolve) => begun.write(GET.slice(0, 10), () => resolve()));
    await half;
    // Behind it, so that the half is there as well.
    assert.equal((await kit.send(POLL)).status, 200);
    const said = [textOf(idle), textOf(begun)];
    kit.front.stop();
    assert.equal(await said[0], "");
    begun.write(GET.slice(10));
    assert.match((await said[1])!, /^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n[^]*ok$/i);
  });

  test("a websocket's, when what its worker has said last is out", async (t) => {
    const kit = await FrontKit.start(t);
    const size = 16_000_000;
    const server = await kit.local("only", () => undefined);
    server.on("upgrade", (_request, socket) => {
      socket.write("HTTP/1.1 101 X\r\n\r\n");
      socket.end(Buffer.alloc(size, "x"));
    });
    const websocket = connect(kit.port, "127.0.0.1");
    websocket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    await once(websocket, "readable");
    const closed = kit.front.close();
    const text = await textOf(websocket);
    await closed;
    assert.equal(text.length - text.indexOf("\r\n\r\n") - 4, size);
  });
});

describe("front: a kept connection that its worker has closed", () => {
  test("is no death: the request goes to the worker again", async (t) => {
    const kit = await FrontKit.start(t, { workerWait: 300 });
    const seen = new WeakSet();
    await kit.local("only", (request, response) => {
      if (seen.has(request.socket)) {
        request.socket.destroy();
        return;
      }
      seen.add(request.socket);
      response.end("ok");
    });
    for (let i = 0; i < 3; i++) assert.equal((await kit.send(POLL)).status, 200);
    assert.equal(kit.front.counters.failed, 0);
  });
});

describe("front: a worker's accept queue is full", () => {
  test("it is asked again a moment later, and taken for alive", async (t) => {
    const kit = await FrontKit.start(t);
    const busy = await kit.child("busy", "answer");
    busy.pause();
    // More than its queue takes, which is 512 long.
    const replies = Promise.all(Array.from({ length: 900 }, () => kit.send(POLL)));
    await until("all have come", () => kit.front.counters.requests === 900);
    await sleep(100);
    busy.resume();
    assert.deepEqual(new Set((await replies).map(({ status }) => status)), new Set([200]));
    assert.equal(kit.front.counters.failed, 0);
  });
});

describe("front: a worker dies under a request", () => {
  for (const method of ["GET", "POST"]) {
    test(`a ${method} that a killed worker held is answered by another one`, async (t) => {
      const kit = await FrontKit.start(t);
      const holder = await kit.child("holder", "hold");
      const body = method === "POST" ? "4hello" : "";
      const answer = kit.sendJson(POLL, method === "POST" ? { method, body } : { method });
      const held = await holder.next("request");
      assert.deepEqual(held, { type: "request", method, url: POLL, body });
      await kit.local("other", (request, response) => {
        const chunks: Buffer[] = [];
        request.on("data", (chunk: Buffer) => chunks.push(chunk));
        request.on("end", () =>
          response.end(JSON.stringify({ worker: "other", body: Buffer.concat(chunks).toString() })),
        );
      });
      await holder.kill();
      assert.deepEqual(await answer, { worker: "other", body });
      assert.equal(kit.front.counters.retries, 1);
    });
  }

  test("many requests held by it are all answered elsewhere", async (t) => {
    const kit = await FrontKit.start(t);
    const holder = await kit.child("holder", "hold");
    const answers = Array.from({ length: 50 }, (_, i) =>
      kit.sendJson(`${POLL}${String(i)}`, i % 2 === 0 ? {} : { method: "POST", body: `4${String(i)}` }),
    );
    await until("the worker holds all of them", () => holder.requests === 50);
    await kit.child("other", "answer");
    await holder.kill();
    for (const [i, answer] of (await Promise.all(answers)).entries()) {
      assert.equal(answer.worker, "other");
      assert.equal(answer.url, `${POLL}${String(i)}`);
      assert.equal(answer.body, i % 2 === 0 ? "" : `4${String(i)}`);
    }
  });

  test("a response that it had written in part is not shown; the request goes to another one", async (t) => {
    const kit = await FrontKit.start(t);
    const dying = await kit.child("dying", "partial");
    const answer = kit.sendJson(POLL);
    await dying.next("request");
    await kit.child("other", "answer");
    await dying.kill();
    assert.equal((await answer).worker, "other");
  });

  test("nothing is sent again once the client was sent a byte: it sees a broken response", async (t) => {
    const kit = await FrontKit.start(t);
    const dying = await kit.child("dying", "stream");
    const other = await kit.child("other", "answer");
    const request = kit.open(POLL);
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    const [first] = (await once(response, "data")) as [Buffer];
    assert.equal(first.toString(), "first");
    const broken = once(response, "error");
    await dying.kill();
    await broken;
    assert.equal(response.complete, false);
    assert.equal(other.requests, 0);
    assert.equal(kit.front.counters.retries, 0);
  });

  test("a POST of the application is not sent again: 502; one that no worker took is", async (t) => {
    const kit = await FrontKit.start(t);
    const holder = await kit.child("holder", "hold");
    const reply = kit.send("/orders", { method: "POST", body: "one" });
    await holder.next("request");
    const other = await kit.child("other", "answer");
    await holder.kill();
    assert.equal((await reply).status, 502);
    assert.equal(other.requests, 0);
    // The dead worker is still in the pool and refuses connections: nothing was sent to it.
    for (let i = 0; i < 2; i++) {
      assert.equal((await kit.sendJson("/orders", { method: "POST", body: "two" })).worker, "other");
    }
  });

  test("each worker is tried once, then 503", async (t) => {
    const kit = await FrontKit.start(t, { workerWait: 50 });
    let tries = 0;
    for (const name of ["a", "b", "c"]) {
      await kit.local(name, (request) => {
        tries++;
        request.socket.destroy();
      });
    }
    assert.equal((await kit.send(POLL)).status, 503);
    assert.equal(tries, 3);
  });

  test("a request that kills whoever gets it is not sent on for ever", async (t) => {
    const kit = await FrontKit.start(t);
    let deaths = 0;
    for (let i = 0; i < 10; i++) {
      await kit.local(`worker ${String(i)}`, (request) => {
        deaths++;
        request.socket.destroy();
      });
    }
    const reply = await kit.send(POLL);
    assert.equal(reply.status, 502);
    assert.match(reply.body, /Worker after worker died/);
    assert.equal(deaths, 5);
  });
});

describe("front: a worker that does not move", () => {
  test("what it holds goes to another one, but for the application's POSTs", async (t) => {
    const kit = await FrontKit.start(t);
    const paused = await kit.child("paused", "hold");
    const poll = kit.sendJson(POLL);
    const post = kit.sendJson(POLL, { method: "POST", body: "4a" });
    const order = kit.send("/orders", { method: "POST", body: "one" });
    await until("it holds them", () => paused.requests === 3);
    paused.pause();
    const other = await kit.child("other", "answer");
    kit.front.stall("paused");
    assert.equal((await poll).worker, "other");
    assert.equal((await post).worker, "other");
    assert.equal((await kit.sendJson(POLL)).worker, "other");
    await paused.kill();
    assert.equal((await order).status, 502);
    await until("the other one has answered", () => other.requests === 3);
  });
});

describe("front: bodies", () => {
  test("one over the limit is answered 413, declared or not, and the connection goes on", async (t) => {
    const kit = await FrontKit.start(t, { bodyLimit: 1000 });
    const worker = await kit.child("worker", "answer");
    const body = "x".repeat(1001);
    assert.equal((await kit.send(POLL, { method: "POST", body })).status, 413);
    const chunked = { method: "POST", body, headers: { "Transfer-Encoding": "chunked" } };
    assert.equal((await kit.send(POLL, chunked)).status, 413);
    assert.equal(worker.requests, 0);
    assert.equal((await kit.sendJson(POLL, { method: "POST", body: body.slice(1) })).body.length, 1000);
    assert.equal(kit.front.bodies.held, 0);
  });

  test("all together over their limit: 503", async (t) => {
    const kit = await FrontKit.start(t, { bodiesLimit: 1500 });
    const holder = await kit.child("holder", "hold");
    const first = kit.open(POLL, { method: "POST" });
    first.on("error", () => undefined);
    first.end("x".repeat(1000));
    await holder.next("request");
    assert.equal((await kit.send(POLL, { method: "POST", body: "x".repeat(1000) })).status, 503);
    first.destroy();
    await holder.next("gone");
    assert.equal(kit.front.bodies.held, 0);
  });

  test("a chunked body arrives whole, with its length", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.child("worker", "answer");
    const headers = { "Transfer-Encoding": "chunked" };
    const answer = await kit.sendJson(POLL, { method: "POST", body: "4chunked", headers });
    assert.equal(answer.body, "4chunked");
    assert.ok(answer.rawHeaders.includes("Content-Length"));
    assert.ok(!answer.rawHeaders.some((name) => name.toLowerCase() === "transfer-encoding"));
  });

  test("Expect: 100-continue is answered by the front, and refused for a body that is too large", async (t) => {
    const kit = await FrontKit.start(t, { bodyLimit: 10 });
    const worker = await kit.child("worker", "answer");
    const headers = { Expect: "100-continue", "Content-Length": "3" };
    const request = kit.open(POLL, { method: "POST", headers });
    request.flushHeaders();
    await once(request, "continue");
    request.end("4ab");
    const [response] = (await once(request, "response")) as [IncomingMessage];
    assert.equal(response.statusCode, 200);
    response.resume();

    const large = kit.open(POLL, { method: "POST", headers: { ...headers, "Content-Length": "11" } });
    large.on("continue", () => assert.fail("not wanted"));
    large.on("error", () => undefined);
    large.flushHeaders();
    const [refused] = (await once(large, "response")) as [IncomingMessage];
    assert.equal(refused.statusCode, 413);
    await worker.next("request");
    assert.equal(worker.requests, 1);
    large.destroy();
  });

  test("a large response arrives whole, and waits for a slow client", async (t) => {
    const kit = await FrontKit.start(t);
    const size = 32 * 1024 * 1024;
    let finished = false;
    await kit.local("worker", (_request, response) => {
      response.writeHead(200, { "Content-Length": size });
      let left = size;
      const block = Buffer.alloc(256 * 1024, "x");
      const more = (): void => {
        while (left > 0) {
          left -= block.length;
          if (!response.write(block)) {
            response.once("drain", more);
            return;
          }
        }
        response.end(() => (finished = true));
      };
      more();
    });
    const request = kit.open("/large");
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await sleep(150);
    assert.equal(finished, false, "the worker is held back while nobody reads");
    let received = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
    assert.equal(received, size);
  });
});

describe("front: what is passed on", () => {
  test("HEAD, status, reason and repeated headers come back; hop-by-hop ones do not", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.local("worker", (request, response) => {
      response.writeHead(
        request.method === "HEAD" ? 200 : 418,
        "Short and stout",
        [
          ["Set-Cookie", "a=1"],
          ["Set-Cookie", "b=2"],
          ["Connection", "close, X-Private"],
          ["X-Private", "worker"],
          ["Content-Length", "3"],
        ].flat(),
      );
      response.end(request.method === "HEAD" ? undefined : "tea");
    });
    const reply = await kit.send("/");
    assert.equal(reply.status, 418);
    assert.equal(reply.body, "tea");
    assert.deepEqual(reply.headers["set-cookie"], ["a=1", "b=2"]);
    assert.equal(reply.headers["x-private"], undefined);
    assert.equal(reply.headers.connection, "keep-alive");
    const head = await kit.send("/", { method: "HEAD" });
    assert.equal(head.headers["content-length"], "3");
    assert.equal(head.body, "");
  });

  test("the client's address, after what a proxy before has said; no hop-by-hop headers", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.child("worker", "answer");
    const headers = {
      "X-Forwarded-For": "203.0.113.7",
      TE: "trailers",
      Connection: "keep-alive, x-hop",
      "X-Hop": "1",
      "x-KEPT": "as is",
    };
    const { rawHeaders } = await kit.sendJson(POLL, { headers });
    const value = (name: string): string | undefined => rawHeaders[rawHeaders.indexOf(name) + 1];
    assert.equal(value("X-Forwarded-For"), "203.0.113.7, 127.0.0.1");
    assert.equal(value("X-Forwarded-Proto"), "http");
    assert.equal(value("x-KEPT"), "as is");
    assert.ok(!rawHeaders.includes("TE") && !rawHeaders.includes("X-Hop"));
  });

  test("a client that goes away: the worker sees it go", async (t) => {
    const kit = await FrontKit.start(t);
    const holder = await kit.child("holder", "hold");
    const request = kit.open(POLL);
    request.on("error", () => undefined);
    request.end();
    await holder.next("request");
    request.destroy();
    assert.deepEqual(await holder.next("gone"), { type: "gone", url: POLL });
    assert.equal(kit.front.counters.retries, 0);
  });

  test("an upgrade: bytes go both ways, past a worker that refuses connections", async (t) => {
    const kit = await FrontKit.start(t);
    const dead = await kit.child("dead", "answer");
    await kit.child("alive", "answer");
    await dead.kill();
    const socket = connect(kit.port, "127.0.0.1");
    t.after(() => socket.destroy());
    const head =
      "GET /engine.io/?transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    socket.write(`${head}early;`);
    const opened = await readUntil(socket, "early;");
    assert.match(opened, /^HTTP\/1\.1 101 /);
    assert.match(opened, /X-Worker: alive/);
    assert.match(opened, /forwarded for 127\.0\.0\.1;early;/);
    socket.write("later;");
    assert.match(await readUntil(socket, "later;"), /later;/);
    socket.end();
    await once(socket, "close");
    await until("no tunnel is left", () => kit.front.tunnels.size === 0);
  });

  test("an upgrade that a worker breaks off goes to another one; one that breaks two does not go on", async (t) => {
    const kit = await FrontKit.start(t);
    let broken = 0;
    const breaks = async (name: string): Promise<void> => {
      const server = await kit.local(name, () => undefined);
      server.on("upgrade", (_request, socket) => {
        broken++;
        socket.destroy();
      });
    };
    await breaks("leaving");
    await kit.child("alive", "answer");
    const ask = (): Socket => {
      const socket = connect(kit.port, "127.0.0.1");
      t.after(() => socket.destroy());
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      return socket;
    };
    const socket = ask();
    assert.match(await readUntil(socket, "forwarded"), /^HTTP\/1\.1 101 [^]*X-Worker: alive/);
    assert.equal(broken, 1);
    socket.write("later;");
    await readUntil(socket, "later;");

    kit.front.remove("alive");
    for (const name of ["two", "three"]) await breaks(name);
    const refused = ask().resume();
    await once(refused, "close");
    assert.equal(broken, 3);
    socket.destroy();
    await until("no tunnel is left", () => kit.front.tunnels.size === 0);
  });

  test("an upgraded connection ends when its worker dies", async (t) => {
    const kit = await FrontKit.start(t);
    const worker = await kit.child("worker", "answer");
    const socket = connect(kit.port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
    await readUntil(socket, "forwarded");
    const closed = once(socket, "close");
    socket.resume();
    await worker.kill();
    await closed;
  });

  test("an upgrade to something else than websocket is asked as a plain request", async (t) => {
    const kit = await FrontKit.start(t);
    await kit.local("worker", (request, response) => response.end(`plain ${String(request.headers.upgrade)}`));
    const socket = connect(kit.port, "127.0.0.1");
    socket.write(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n",
    );
    assert.match(await readUntil(socket, "undefined"), /200 OK[^]*plain undefined/);
    await once(socket, "close");
  });
});
