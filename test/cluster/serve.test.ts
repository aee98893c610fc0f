import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { Socket } from "engine.io-client";
import { until } from "../helpers/until";
import { ask, isAlive, portOf, serve, workerPids } from "./helpers/serve-kit";

/** A stock client, and the messages that came. */
class Client {
  readonly messages: unknown[] = [];
  readonly closes: string[] = [];
  readonly socket: Socket;

  constructor(t: TestContext, port: number) {
    this.socket = new Socket(`http://127.0.0.1:${String(port)}`, { transports: ["polling"] });
    this.socket.on("message", (data) => this.messages.push(data));
    this.socket.on("close", (reason) => this.closes.push(reason));
    t.after(() => this.socket.close());
  }

  async opened(): Promise<this> {
    if (this.socket.readyState !== "open") await once(this.socket as unknown as NodeJS.EventEmitter, "open");
    return this;
  }

  /** Messages of the demo's own protocol, of one kind. */
  told(demo: string): Readonly<Record<string, unknown>>[] {
    const texts = this.messages.filter((data) => typeof data === "string" && data.startsWith('{"demo":'));
    const all = texts.map((text) => JSON.parse(String(text)) as Record<string, unknown>);
    return all.filter((message) => message["demo"] === demo);
  }

  tell(message: object): void {
    this.socket.send(JSON.stringify(message));
  }
}

/** Processes that this one has started, as Linux tells it. */
function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${String(pid)}/task/${String(pid)}/children`, "utf8");
  return text.split(" ").filter(Boolean).map(Number);
}

describe("serve", { concurrency: 2 }, () => {
  for (const balancer of ["front", "round-robin"]) {
    test(`three embedded workers behind ${balancer}: the demo is an echo server`, async (t) => {
      const started = serve(t, { BALANCER: balancer });
      const client = await new Client(t, await portOf(started)).opened();
      const sent = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? Buffer.from([i, 255]) : `message ${String(i)}`));
      for (const message of sent) client.socket.send(message);
      await until("all are echoed", () => client.messages.length === sent.length);
      assert.deepEqual(client.messages, sent);
      client.socket.close();
      assert.notDeepEqual(started.leftBehind(), []);
      started.kill("SIGTERM");
      assert.equal(await started.exit(), 0);
      assert.deepEqual(started.leftBehind(), []);
    });
  }

  test("a worker that has lost the hub ends, and another one takes its place: it could answer nothing any more", async (t) => {
    const started = serve(t, { APP: join(__dirname, "../helpers/cut-hub-app.cjs"), WORKERS: "2" });
    const port = await portOf(started);
    const client = await new Client(t, port).opened();
    client.socket.send("before");
    await until("it is echoed", () => client.messages.length === 1);
    const { body } = await ask(port, "POST", "/cut");
    await started.logged(/worker ended/);
    await until("another one is ready", () => workerPids(started).length === 3);
    assert.equal(isAlive(Number(body)), false);
    client.socket.send("after");
    await until("it is echoed as well", () => client.messages.length === 2);
    assert.deepEqual([client.messages, client.closes], [["before", "after"], []]);
    client.socket.close();
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 0);
  });

  for (const balancer of ["front", "round-robin", "sticky"]) {
    test(`behind ${balancer}, all workers end when the primary is killed: one that just starts, too`, async (t) => {
      const started = serve(t, { BALANCER: balancer });
      const client = await new Client(t, await portOf(started)).opened();
      const pids = workerPids(started);
      assert.equal(pids.length, 3);
      process.kill(pids[0]!, "SIGKILL");
      await started.logged(/worker ended/);
      // What npm or a shell has started is not counted: only the primary's own children.
      const children = childrenOf(started.pid);
      assert.ok(children.length >= 2, `children: ${children.join(", ")}`);
      const killed = Date.now();
      started.kill("SIGKILL");
      await until("all workers have ended", () => !children.some(isAlive), 30_000);
      t.diagnostic(`the workers ended within ${String(Date.now() - killed)} ms`);
      client.socket.close();
    });
  }

  test("the owner kills itself when its visitor says so, and the session goes on", async (t) => {
    const started = serve(t, {});
    const client = await new Client(t, await portOf(started)).opened();
    const sid = client.socket.id;
    client.tell({ demo: "hello" });
    for (let kills = 1; kills <= 3; kills++) {
      await until("the owner is known", () => client.told("owner").length === kills);
      const owner = client.told("owner").at(-1)!;
      assert.equal(owner["recovered"], kills > 1);
      client.tell({ demo: "say", id: kills, text: "hello" });
      await until("the echo is there", () => client.told("echo").length === kills);
      const echo = client.told("echo").at(-1)!;
      assert.deepEqual(echo, { demo: "echo", id: kills, text: "hello", owner: owner["worker"], count: kills });
      client.tell({ demo: "kill" });
      await until("the owner says goodbye", () => client.told("dying").length === kills);
    }
    await until("it has a fourth owner", () => client.told("owner").length === 4);
    assert.deepEqual([client.socket.id, client.closes], [sid, []]);
    assert.equal((await started.logged(/killing this worker/, 3)).length, 3);
    assert.ok(!JSON.stringify(started.lines).includes(sid), "no session id is logged whole");
  });

  test("TAKEOVER=close: when its owner dies the session is over, and its client is told", async (t) => {
    const started = serve(t, { TAKEOVER: "close" });
    const port = await portOf(started);
    const client = await new Client(t, port).opened();
    client.tell({ demo: "hello" });
    await until("the owner is known", () => client.told("owner").length === 1);
    client.tell({ demo: "kill" });
    await until("the client is told", () => client.closes.length === 1);
    assert.deepEqual([client.told("dying").length, client.told("owner").length], [1, 1]);
    const next = await new Client(t, port).opened();
    next.socket.send("hello");
    await until("a new session is served", () => next.messages.includes("hello"));
  });

  test("DEMO_KILL=0: it refuses", async (t) => {
    const client = await new Client(t, await portOf(serve(t, { DEMO_KILL: "0" }))).opened();
    client.tell({ demo: "kill" });
    await until("it is refused", () => client.told("refused").length === 1);
  });

  test("one worker is this process; killing it is refused; SIGTERM ends it with 0", async (t) => {
    const started = serve(t, { WORKERS: "1" });
    const client = await new Client(t, await portOf(started)).opened();
    client.tell({ demo: "kill" });
    await until("it is refused", () => client.told("refused").length === 1);
    client.socket.send("hello");
    await until("the echo is there", () => client.messages.includes("hello"));
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 0);
  });

  test("one worker that is told to stop while it waits for its servers ends with 0, and has served nobody", async (t) => {
    // Nobody listens there: ports below 1024 are given to no client.
    const nowhere = { REDIS_URL: "redis://127.0.0.1:1", NATS_URL: "nats://127.0.0.1:1" };
    const started = serve(t, { WORKERS: "1", ...nowhere });
    await started.logged(/^cluster$/);
    started.kill("SIGTERM");
    assert.equal(await started.exit(), 0);
    assert.ok(!started.lines.some(({ msg }) => msg === "listening"));
  });

  test("the page and what it loads are served; other paths are not found", async (t) => {
    const url = `http://127.0.0.1:${String(await portOf(serve(t, { ENGINE_PATH: "/a&b" })))}`;
    for (const [path, type, text] of [
      ["/", "text/html", 'content="/a&amp;b"'],
      ["/page.css", "text/css", "#state"],
      ["/page.js", "text/javascript", "window.eio"],
      ["/engine.io.js", "text/javascript", "Engine.IO v"],
    ] as const) {
      const response = await fetch(`${url}${path}`);
      assert.equal(response.status, 200, path);
      assert.ok(response.headers.get("content-type")?.startsWith(type), path);
      assert.ok((await response.text()).includes(text), path);
    }
    assert.equal((await fetch(`${url}/page.html`)).status, 404);
    assert.equal((await fetch(url, { method: "POST" })).status, 405);
    assert.equal((await fetch(`${url}/a&b/?EIO=4&transport=polling`)).status, 200);
  });

  describe("an application of one's own", () => {
    async function app(t: TestContext, text: string): Promise<string> {
      const folder = await mkdtemp(join(tmpdir(), "eio-serve-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const file = join(folder, "app.mjs");
      await writeFile(file, text);
      return file;
    }

    for (const workers of ["1", "2"]) {
      test(`has engine and HTTP server, with ${workers} worker(s)`, async (t) => {
        const file = await app(
          t,
          `export default (engine, httpServer) => {
            engine.on("connection", (socket) => socket.send("welcome"));
            httpServer.on("request", (request, response) => response.end("mine: " + request.url));
          };`,
        );
        const port = await portOf(serve(t, { WORKERS: workers }, ["--app", file]));
        const client = await new Client(t, port).opened();
        await until("it is welcomed", () => client.messages.includes("welcome"));
        assert.equal(await (await fetch(`http://127.0.0.1:${String(port)}/x`)).text(), "mine: /x");
      });

      test(`that does not load ends the command with 2, with ${workers} worker(s)`, async (t) => {
        const file = await app(t, "export const app = 1;");
        assert.equal(await serve(t, { WORKERS: workers, APP: file }).exit(), 2);
      });
    }

    test("a worker that is told to stop while it loads does not hold up the others", async (t) => {
      const file = await app(
        t,
        `import { setTimeout as sleep } from "node:timers/promises";
        console.log(JSON.stringify({ msg: "loads", pid: process.pid }));
        await sleep(500);
        export default () => {};`,
      );
      const started = serve(t, { APP: file });
      await portOf(started);
      process.kill(workerPids(started)[0]!, "SIGKILL");
      await started.logged(/^loads$/, 4);
      started.kill("SIGTERM");
      assert.equal(await started.exit(), 0);
    });
  });
});
