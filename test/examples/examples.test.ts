import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { io, type Socket as IoSocket } from "socket.io-client";
import { startBackends, type Backends } from "../e2e/backends";
import { startProcess, type RunningProcess } from "../helpers/processes";
import { until } from "../helpers/until";

const EXAMPLES = join(__dirname, "../../examples");
const CLI = join(__dirname, "../../dist/cluster/cli.js");
const stops: (() => unknown)[] = [];

interface Running {
  readonly process: RunningProcess;
  readonly url: string;
}

/** Starts an example as its README says, on a free port. */
function start(file: string, env: Readonly<Record<string, string>> = {}): Promise<Running> {
  return run([join(EXAMPLES, file)], env);
}

async function run(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Running> {
  const given = { PORT: "0", REDIS_URL: "", NATS_URL: "", ...env };
  const started = startProcess(process.execPath, args, { env: given, name: args.join(" ") });
  stops.push(() => started.kill());
  const [, port] = await started.prints(/listening on http:\/\/localhost:(\d+)\//);
  return { process: started, url: `http://localhost:${port}` };
}

/** A stock client, and what it was told. */
class Client {
  readonly messages: unknown[] = [];
  readonly socket: Socket;

  constructor(url: string, options: { transports?: string[]; query?: object } = {}) {
    this.socket = new Socket(url, options);
    this.socket.on("message", (message) => this.messages.push(message));
    stops.push(() => this.socket.close());
  }

  async opened(): Promise<this> {
    if (this.socket.readyState !== "open") await once(this.socket as unknown as NodeJS.EventEmitter, "open");
    return this;
  }

  async told(message: unknown): Promise<void> {
    await until(`it is told ${String(message)}`, () => this.messages.includes(message));
  }
}

afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function endsWell({ process: running }: Running): Promise<void> {
  assert.deepEqual(await running.stop(), { code: 0, signal: null }, running.logs());
}

describe("the examples", () => {
  let backends: Backends;

  before(async () => {
    backends = await startBackends();
  });

  after(() => backends.stop());

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    test(`engine.io, by ${transports.join(" and ")}`, async () => {
      const example = await start("engine.io/server.mjs");
      const client = await new Client(example.url, { transports }).opened();
      client.socket.send("hello");
      client.socket.send("again");
      await client.told("2: again");
      assert.deepEqual(client.messages, ["1: hello", "2: again"]);
      await endsWell(example);
    });
  }

  test("engine.io as nodes of a cluster: one is stopped, another goes on counting", async () => {
    const env = { REDIS_URL: backends.redis.url, NATS_URL: backends.nats.url };
    const first = await start("engine.io/server.mjs", env);
    const second = await start("engine.io/server.mjs", env);
    const path = "/engine.io/?EIO=4&transport=polling&t=";
    const opened = await fetch(`${first.url}${path}t1`);
    const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
    const post = async ({ url }: Running, t: string): Promise<void> => {
      const answer = await fetch(`${url}${path}${t}&sid=${sid}`, { method: "POST", body: "4hello" });
      assert.equal(await answer.text(), "ok");
    };
    const poll = async ({ url }: Running, t: string): Promise<string> =>
      (await fetch(`${url}${path}${t}&sid=${sid}`)).text();
    await post(first, "t2");
    assert.equal(await poll(second, "t3"), "41: hello");
    await endsWell(first);
    await post(second, "t4");
    assert.match(await poll(second, "t5"), /^(2\x1e)?42: hello/);
    await endsWell(second);
  });

  test("express: a route of the application sends to a session", async () => {
    const example = await start("express/server.mjs");
    const client = await new Client(example.url, { query: { name: "alice" } }).opened();
    await client.told("welcome, alice");
    const sessions = await (await fetch(`${example.url}/sessions`)).json();
    assert.deepEqual(sessions, { alice: client.socket.id });
    const send = (name: string): Promise<Response> =>
      fetch(`${example.url}/sessions/${name}/messages`, { method: "POST", body: "from outside" });
    assert.equal(await (await send("alice")).text(), "sent\n");
    await client.told("from outside");
    assert.equal((await send("bob")).status, 404);
    const nameless = await fetch(`${example.url}/engine.io/?EIO=4&transport=polling`);
    assert.deepEqual([nameless.status, await nameless.text()], [401, "say who you are\n"]);
    await endsWell(example);
  });

  test("fastify: sessions are told what the application answers, and end with it", async () => {
    const example = await start("fastify/server.mjs");
    const client = await new Client(example.url).opened();
    client.socket.send("echo");
    await client.told("echo");
    assert.deepEqual(await (await fetch(`${example.url}/`)).json(), { sessions: 1 });
    await client.told("GET /");
    const closed = once(client.socket as unknown as NodeJS.EventEmitter, "close");
    await endsWell(example);
    await closed;
  });

  test("socket.io-chat: a worker is killed, its clients come back, and all hear each other", async () => {
    const env = { REDIS_URL: backends.redis.url, NATS_URL: backends.nats.url, LEASE_TTL: "3000" };
    const app = join(EXAMPLES, "socket.io-chat/app.mjs");
    const example = await run([CLI, "serve", "--app", app, "--path", "/socket.io", "--takeover", "close"], env);
    const page = await fetch(`${example.url}/`);
    assert.match(await page.text(), /"\/client\/socket\.io\.esm\.min\.js"/);
    assert.equal((await fetch(`${example.url}/client/socket.io.esm.min.js`)).status, 200);
    const kinds = ["polling", "websocket", "polling", "websocket", "polling", "websocket"];
    const chatters = kinds.map((kind, i) => chat(example.url, `c${i}`, kind));
    await until("all have joined", () => chatters.every(({ joined }) => joined === 1));
    await hear(chatters, "before");
    const victim = chatters[0]!.worker;
    const orphans = chatters.filter(({ worker }) => worker === victim);
    const others = chatters.filter(({ worker }) => worker !== victim);
    process.kill(victim, "SIGKILL");
    await until("who was at the dead worker is back", () => orphans.every(({ joined }) => joined >= 2));
    await hear(chatters, "afterwards");
    for (const { joined } of others) assert.equal(joined, 1);
    for (const { worker } of orphans) assert.notEqual(worker, victim);
    await endsWell(example);
  });

  test("they name the package as a user does, and nothing of this repository", () => {
    const files = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".mjs"));
    const imports = files.flatMap((file) =>
      [...readFileSync(join(EXAMPLES, file), "utf8").matchAll(/\b(?:from|import\() ?"([^"]+)"/g)].map(
        ([, name = ""]) => name,
      ),
    );
    assert.equal(imports.filter((name) => name === "engine.io-cluster").length, 3);
    assert.deepEqual(
      imports.filter((name) => name.startsWith(".")),
      [],
    );
  });
});

interface Chatter {
  readonly socket: IoSocket;
  readonly said: string[];
  joined: number;
  /** Process id of the worker that has its connection; 0 while it has none. */
  worker: number;
}

function chat(url: string, name: string, transport: string): Chatter {
  const options = { auth: { name }, transports: [transport], forceNew: true, reconnectionDelay: 50 };
  const chatter: Chatter = { socket: io(url, options), said: [], joined: 0, worker: 0 };
  const { socket } = chatter;
  stops.push(() => socket.disconnect());
  socket.on("worker", (pid: number) => (chatter.worker = pid));
  socket.on("said", ({ name, text }: { name: string; text: string }) => chatter.said.push(`${name}: ${text}`));
  socket.on("connect", () => socket.emit("join", "lobby", () => chatter.joined++));
  return chatter;
}

/** Each says it, and all hear it of all. */
async function hear(chatters: readonly Chatter[], text: string): Promise<void> {
  for (const chatter of chatters) chatter.said.length = 0;
  for (const { socket } of chatters) await socket.timeout(20_000).emitWithAck("say", "lobby", text);
  const expected = chatters.map((_, i) => `c${i}: ${text}`);
  await until(`all have heard "${text}"`, () => chatters.every(({ said }) => said.length === chatters.length));
  for (const { said } of chatters) assert.deepEqual([...said].sort(), expected);
}
