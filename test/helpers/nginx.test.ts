import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { startNginx, type Nginx, type NginxOptions } from "./nginx";

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

describe("nginx for tests", () => {
  let servers: Server[] = [];
  let nginx: Nginx | undefined;

  beforeEach(() => {
    servers = [];
    nginx = undefined;
  });

  afterEach(async () => {
    await nginx?.stop();
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
  });

  async function upstream(handler: Handler): Promise<number> {
    const server = createServer(handler);
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  }

  const answering = (text: string, status = 200): Promise<number> =>
    upstream((incoming, response) => {
      incoming.resume().once("end", () => response.writeHead(status).end(text));
    });

  const breaking = (): Promise<number> =>
    upstream((incoming) => {
      incoming.resume().once("end", () => incoming.socket.destroy());
    });

  async function start(options: NginxOptions): Promise<Nginx> {
    nginx = await startNginx(options);
    return nginx;
  }

  test("sends each request to the next upstream, also over one connection", async () => {
    const ports = [await answering("a"), await answering("b"), await answering("c")];
    const { url, stop, counts } = await start({ upstreams: ports });
    const answers: string[] = [];
    for (let i = 0; i < 9; i++) answers.push(await (await fetch(url)).text());
    assert.equal(new Set(answers.slice(0, 3)).size, 3, answers.join(""));
    assert.deepEqual(answers.slice(3), [...answers.slice(0, 3), ...answers.slice(0, 3)]);
    await stop();
    const { byStatus, byUpstream, refused } = await counts();
    assert.deepEqual(byStatus, { 200: 9 });
    assert.deepEqual(byUpstream, Object.fromEntries(ports.map((port) => [port, 3])));
    assert.deepEqual(refused, []);
  });

  for (const method of ["GET", "POST"]) {
    test(`sends a ${method} again when its upstream dies under it, body and all`, async () => {
      const echo = await upstream((incoming, response) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.once("end", () => response.end(`${incoming.method ?? ""} ${Buffer.concat(chunks).toString()}`));
      });
      const { url, stop, counts } = await start({ upstreams: [await breaking(), await breaking(), echo] });
      for (let i = 0; i < 6; i++) {
        const response = await fetch(url, method === "POST" ? { method, body: "x".repeat(100_000) } : { method });
        assert.equal(await response.text(), method === "POST" ? `POST ${"x".repeat(100_000)}` : "GET ");
      }
      await stop();
      const { byStatus, byUpstream, retried } = await counts();
      assert.deepEqual(byStatus, { 200: 6 });
      assert.equal(byUpstream[echo], 6);
      assert.ok(retried > 0);
    });
  }

  test("does not send again when told so, and the counts tell of the answer", async () => {
    const { url, stop, counts } = await start({ upstreams: [await breaking()], retry: false });
    assert.equal((await fetch(url)).status, 502);
    await stop();
    const { byStatus, refused } = await counts();
    assert.deepEqual(byStatus, { 502: 1 });
    assert.equal(refused.length, 1);
  });

  test("an answer of the upstream's own is passed on and counted", async () => {
    const { url, stop, counts } = await start({ upstreams: [await answering("no", 400)] });
    assert.equal((await fetch(`${url}/engine.io/?sid=unknown`)).status, 400);
    await stop();
    assert.match((await counts()).refused[0] ?? "", /^400 GET \/engine\.io\/\?sid=unknown /);
  });

  test("passes websockets", async () => {
    const port = await answering("no websocket");
    const websockets = new WebSocketServer({ server: servers[0]! });
    websockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
    const { url } = await start({ upstreams: [port] });
    const client = new WebSocket(url.replace("http", "ws"));
    await once(client, "open");
    client.send("hello");
    const [data] = (await once(client, "message")) as [Buffer];
    assert.equal(data.toString(), "hello");
    client.terminate();
    for (const socket of websockets.clients) socket.terminate();
  });

  test("takes other upstreams while it runs, also of clients that had a connection", async () => {
    const [a, b] = [await answering("a"), await answering("b")];
    const running = await start({ upstreams: [a] });
    assert.equal(await (await fetch(running.url)).text(), "a");
    await running.reconfigure({ upstreams: [b] });
    assert.equal(await (await fetch(running.url)).text(), "b");
  });

  test("forwards what a client aborts as an abort, and goes on", async () => {
    const port = await upstream((incoming, response) => {
      if (incoming.url === "/quick") response.end("quick");
    });
    const { url, stop, counts } = await start({ upstreams: [port] });
    const aborted = request(`${url}/held`);
    aborted.on("error", () => undefined);
    aborted.end();
    await once(servers[0]!, "request");
    aborted.destroy();
    assert.equal(await (await fetch(`${url}/quick`)).text(), "quick");
    await stop();
    const { byStatus, refused } = await counts();
    assert.equal(byStatus["200"], 1);
    assert.deepEqual(refused, []);
  });

  test("killed, nobody answers and each connection breaks; started again it is as it was", async () => {
    const port = await upstream((incoming, response) => {
      if (incoming.url !== "/held") response.end("here");
    });
    const running = await start({ upstreams: [await answering("other")] });
    await running.reconfigure({ upstreams: [port] });
    const { pid } = running;
    const held = fetch(`${running.url}/held`);
    held.catch(() => undefined);
    await once(servers[0]!, "request");
    await running.kill();
    await assert.rejects(held);
    await assert.rejects(fetch(running.url));
    await running.restart();
    assert.notEqual(running.pid, pid);
    assert.equal(await (await fetch(running.url)).text(), "here");
    await running.stop();
    assert.equal((await running.counts()).byUpstream[port], 1);
  });

  test("paused, it answers nobody; resumed, it answers what came meanwhile", async () => {
    const running = await start({ upstreams: [await answering("here")] });
    running.pause();
    const waiting = fetch(running.url);
    const first = await Promise.race([waiting.then(() => "an answer"), sleep(300, "nothing")]);
    assert.equal(first, "nothing");
    running.resume();
    assert.equal(await (await waiting).text(), "here");
  });

  test("ends also while it is paused, or was killed", async () => {
    const paused = await start({ upstreams: [await answering("here")] });
    paused.pause();
    await paused.stop();
    await assert.rejects(fetch(paused.url));
    const killed = await start({ upstreams: [await answering("here")] });
    await killed.kill();
    await killed.stop();
    assert.deepEqual((await killed.counts()).byStatus, {});
  });
});
