import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { randomPrefix } from "../helpers/cluster";
import { startProcess, type RunningProcess } from "../helpers/processes";
import { roundRobin } from "../helpers/round-robin";
import { ChatClient, takeTurn, type ClientOptions } from "../helpers/socket-io-clients";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";

const run = promisify(execFile);
const ROOT = join(__dirname, "../..");
const MODULES = join(ROOT, "node_modules");

/** Socket.IO as its users write it, but that it waits for its cluster. `OPTIONS` is JSON of its options. */
const SERVER = `
  const { createServer } = require("node:http");
  const { Server } = require("socket.io");

  const http = createServer();
  const io = new Server(http, JSON.parse(process.env.OPTIONS));
  io.engine.use((request, response, next) => {
    response.setHeader("x-middleware", String(process.pid));
    next();
  });
  for (const namespace of [io.of("/"), io.of("/admin")]) {
    namespace.use((socket, next) => next(socket.handshake.auth.name === "mallory" ? new Error("not you") : undefined));
    namespace.on("connection", (socket) => {
      socket.on("join", (room, done) => done(socket.join(room)));
      socket.on("say", (room, value, done) => done(namespace.to(room).emit("said", value)));
      socket.on("echo", (value, done) => done(value));
      socket.on("where", (done) => done(process.pid));
    });
  }
  io.engine.ready().then(() => {
    http.listen(0, "127.0.0.1", () => console.log("listening on " + http.address().port));
  });
  process.once("SIGTERM", () => io.close());
`;

function manifestOf(folder: string): {
  readonly name: string;
  readonly dependencies: Readonly<Record<string, string>>;
} {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as ReturnType<typeof manifestOf>;
}

/** What npm makes of `"overrides": { "engine.io": … }`: Socket.IO as it is published, and this package as its engine. */
function install(app: string): void {
  const at = (name: string): string => join(app, "node_modules", name);
  cpSync(realpathSync(join(MODULES, "socket.io")), at("socket.io"), { recursive: true });
  mkdirSync(at("engine.io"));
  for (const part of ["package.json", "dist"]) {
    cpSync(join(ROOT, part), join(at("engine.io"), part), { recursive: true });
  }
  const needed = [at("socket.io"), at("engine.io")].flatMap((folder) => Object.keys(manifestOf(folder).dependencies));
  for (const name of new Set([...needed, "@types/node"])) {
    if (name === "engine.io") continue;
    mkdirSync(dirname(at(name)), { recursive: true });
    symlinkSync(realpathSync(join(MODULES, name)), at(name));
  }
  writeFileSync(join(app, "package.json"), JSON.stringify({ name: "app", private: true, type: "commonjs" }));
  writeFileSync(join(app, "server.cjs"), SERVER);
}

describe("Socket.IO as it is published, with this package in the place of engine.io", () => {
  let app = "";
  let backends: Backends;
  const stops: (() => unknown)[] = [];

  before(async () => {
    app = await mkdtemp(join(tmpdir(), "socket-io-alias-"));
    install(app);
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(async () => {
    await backends.stop();
    await rm(app, { recursive: true, force: true });
  });

  async function serve(options: object): Promise<{ process: RunningProcess; port: number; url: string }> {
    const env = { OPTIONS: JSON.stringify(options) };
    const process_ = startProcess(process.execPath, ["server.cjs"], { cwd: app, env, name: "server" });
    stops.push(() => process_.kill());
    const [, port] = await process_.prints(/listening on (\d+)/);
    return { process: process_, port: Number(port), url: `http://127.0.0.1:${port}` };
  }

  function open(url: string, name: string, options?: ClientOptions): ChatClient {
    const client = new ChatClient(url, name, ["room"], options);
    stops.push(() => client.close());
    return client;
  }

  async function printed(file: string, text: string): Promise<unknown> {
    writeFileSync(join(app, file), text);
    return JSON.parse((await run(process.execPath, [file], { cwd: app })).stdout);
  }

  test("it loads, by require and by import, and what it makes are servers of this package", async () => {
    const body = `
      const io = new Server(0);
      const { constructor } = io.engine;
      console.log(JSON.stringify([constructor === own.Server, "ready" in io.engine, typeof io.engine.opts.pingInterval]));
      io.close();`;
    const required = `const { Server } = require("socket.io"); const own = require("engine.io"); ${body}`;
    const imported = `import { Server } from "socket.io"; import * as own from "engine.io"; ${body}`;
    assert.equal(manifestOf(join(app, "node_modules/engine.io")).name, "engine.io-cluster");
    assert.deepEqual(await printed("load.cjs", required), [true, true, "number"]);
    assert.deepEqual(await printed("load.mjs", imported), [true, true, "number"]);
  });

  test("stock clients by polling, websocket and upgrade; SIGTERM closes it, and it ends by itself", async () => {
    const server = await serve({ pingInterval: 10_000 });
    const kinds = [["polling"], ["websocket"], ["polling", "websocket"]];
    const clients = kinds.flatMap((transports) => [
      open(server.url, transports.join(), { transports }),
      open(`${server.url}/admin`, transports.join(), { transports }),
    ]);
    await waitFor("all have joined", () => clients.every(({ joined }) => joined === 1));
    await waitFor("upgrades are done", () => clients.filter(({ transport }) => transport === "websocket").length === 4);
    const value = { text: "é😀", bytes: Buffer.from([0, 255]), list: [1, null] };
    for (const client of clients) assert.deepEqual(await client.ask("echo", value), value);
    await clients[0]!.ask("say", "room", value);
    await clients[1]!.ask("say", "room", "admins");
    await waitFor("all have heard", () => clients.every(({ said }) => said.length === 1));
    clients.forEach(({ said }, i) => assert.deepEqual(said, [i % 2 === 0 ? value : "admins"]));
    const mallory = open(server.url, "mallory", { reconnection: false });
    await waitFor("mallory is refused", () => mallory.refused.length === 1);
    assert.deepEqual(mallory.refused, ["not you"]);
    const file = await fetch(`${server.url}/socket.io/socket.io.js`);
    assert.deepEqual([file.status, (await file.text()).includes("Socket.IO v4")], [200, true]);
    const handshake = await fetch(`${server.url}/socket.io/?EIO=4&transport=polling`);
    assert.equal(handshake.headers.get("x-middleware"), String(server.process.pid));
    await handshake.text();
    // Nothing but the end of all timers and connections ends this process.
    assert.deepEqual(await server.process.stop(), { code: 0, signal: null });
    for (const client of clients) assert.equal(client.disconnects.length, 1);
  });

  test("the option `cluster`, handed to Socket.IO, makes its servers nodes: each request at the next of them", async () => {
    const prefix = randomPrefix();
    const { redisUrl: redis, natsUrl: nats } = backends.urls;
    const options = { cluster: { redis, nats, prefix, takeover: "close" } };
    const servers = await Promise.all([serve(options), serve(options), serve(options)]);
    const balancer = await roundRobin(servers.map(({ port }) => port));
    stops.push(() => balancer.stop());
    const clients: ChatClient[] = [];
    const owners: number[] = [];
    while (new Set(owners).size < 3) {
      assert.ok(clients.length < 30, "connections do not come to every node");
      if (clients.length % 4 === 3) await takeTurn(balancer.url);
      const client = open(balancer.url, "client", { transports: ["polling"] });
      await waitFor("the client has joined", () => client.joined === 1);
      clients.push(client);
      owners.push(await client.where());
    }
    for (const client of clients) {
      for (let n = 0; n < 6; n++) assert.equal(await client.ask("echo", n), n);
    }
    // The state of a connection stays where it is, wherever its requests come in.
    assert.deepEqual(await Promise.all(clients.map((client) => client.where())), owners);
    for (const client of clients) {
      assert.deepEqual(client.disconnects, []);
      client.close();
    }
    const ends = await Promise.all(servers.map(({ process: server }) => server.stop()));
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0, 0],
    );
  });

  test("its types compile against this package's", async () => {
    const program = `
      import { createServer } from "node:http";
      import { Server, type Socket } from "socket.io";

      const io = new Server(createServer(), {
        pingInterval: 10_000,
        cors: { origin: "https://example.com", credentials: true },
        cookie: { name: "io", httpOnly: true },
        transports: ["polling", "websocket"],
        perMessageDeflate: { threshold: 1024 },
        allowRequest: (request, decide) => decide(null, request.headers.origin === undefined),
        cluster: { redis: "redis://localhost", nats: "nats://localhost", takeover: "close" },
      });
      io.engine.use((request: { url?: string }, response: object, next: () => void) => next());
      io.engine.on("connection_error", (error: { code: number }) => console.log(error.code));
      io.on("connection", (socket: Socket) => {
        socket.conn.on("upgrade", () => console.log(socket.conn.transport.name, socket.request.headers.cookie));
      });
      export const count: number = io.engine.clientsCount;
      // @ts-expect-error the types know what an option may be
      export const wrong = new Server({ cluster: { takeover: "adopt", redis: 1 } });
    `;
    writeFileSync(join(app, "program.cts"), program);
    const flags = "--strict --noEmit --module node16 --moduleResolution node16 --target es2022 --types node";
    const tsc = [join(MODULES, "typescript/bin/tsc"), ...flags.split(" "), "--skipLibCheck", "false", "program.cts"];
    const all = await new Promise<string>((resolve) => {
      execFile(process.execPath, tsc, { cwd: app }, (_error, stdout, stderr) => resolve(stdout + stderr));
    });
    assert.equal(all, "");
  });
});
