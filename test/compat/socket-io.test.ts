import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { Server as IoServer, type Socket as IoSocket } from "socket.io";
import { io as connect, type ManagerOptions, type Socket as IoClient, type SocketOptions } from "socket.io-client";
import { MODES, startEngines } from "../helpers/engines";
import { roundRobin } from "../helpers/round-robin";

type Options = Partial<ManagerOptions & SocketOptions>;

/** Of the stock client 2.x, which speaks protocol 3. */
interface Client2 {
  on(event: string, listener: (...args: unknown[]) => void): void;
  emit(event: string, ...args: unknown[]): void;
  close(): void;
}
const connect2 = createRequire(__filename)("socket.io-client-2") as (url: string, options: object) => Client2;

/** An application: acknowledgements, binary, a middleware, a namespace. */
function serve(io: IoServer): void {
  const onConnection = (socket: IoSocket): void => {
    socket.on("echo", (value: unknown, done: (value: unknown) => void) => {
      done(value);
    });
    socket.emit("hi", Buffer.from([1, 2, 3]));
  };
  io.use((socket, next) => {
    next(socket.handshake.query["token"] === "wrong" ? new Error("refused") : undefined);
  });
  io.on("connection", onConnection);
  io.of("/admin").on("connection", onConnection);
}

function greeting(client: IoClient): Promise<unknown> {
  return new Promise((resolve, reject) => {
    client.on("hi", resolve);
    client.on("connect_error", reject);
  });
}

describe("Socket.IO 4 on the engine", () => {
  for (const mode of MODES) {
    it(`namespaces, acknowledgements, binary, middlewares by every transport [${mode}]`, async () => {
      const engines = await startEngines(mode, {}, { takeover: "close", beatInterval: 100 });
      const balancer = await roundRobin(engines.balanced);
      const ios = engines.engines.map((engine) => {
        const io = new IoServer();
        io.bind(engine);
        serve(io);
        return io;
      });
      const clients: { close(): unknown }[] = [];
      const open = (namespace: string, options: Options): IoClient => {
        const client = connect(balancer.url + namespace, { path: "/engine.io/", forceNew: true, ...options });
        clients.push(client);
        return client;
      };
      try {
        for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
          for (const namespace of ["/", "/admin"]) {
            const client = open(namespace, { transports });
            assert.deepEqual(Buffer.from((await greeting(client)) as Buffer), Buffer.from([1, 2, 3]));
            const value = { text: "é😀", list: [1, null], bytes: Buffer.from("bytes") };
            assert.deepEqual(await client.emitWithAck("echo", value), value);
          }
        }
        const refused = open("/", { query: { token: "wrong" }, reconnection: false });
        await assert.rejects(greeting(refused), /refused/);
        const old = connect2(balancer.url, { path: "/engine.io/", transports: ["polling"], forceNew: true });
        clients.push(old);
        const answer = await new Promise((resolve) => {
          old.on("hi", () => {
            old.emit("echo", "from 2.x", resolve);
          });
        });
        assert.equal(answer, "from 2.x");
      } finally {
        for (const client of clients) client.close();
        for (const io of ios) await io.close();
        await balancer.stop();
        await engines.stop();
      }
    });
  }
});
