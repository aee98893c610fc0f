import assert from "node:assert/strict";
import type { EventEmitter } from "node:events";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { Server as StockServer } from "engine.io";
import { WebSocket } from "ws";
import { Engine } from "../../src/server/engine";
import { LocalHost } from "../../src/server/local-host";
import { runtimeClock } from "../../src/time/runtime-clock";
import { http } from "../helpers/engines";
import { until } from "../helpers/until";

/** A session's socket, as far as this engine and the stock one share it. */
interface Connection extends EventEmitter {
  readonly id: string;
  readonly readyState: string;
  readonly upgraded: boolean;
  readonly upgrading: boolean;
  readonly writeBuffer: readonly { readonly data?: unknown }[];
  readonly transport: EventEmitter & {
    readonly name: string;
    readonly writable: boolean;
    readonly socket: EventEmitter;
  };
  send(data: unknown, callback?: () => void): unknown;
  close(discard?: boolean): unknown;
}

interface Common extends EventEmitter {
  readonly clients: object;
  attach(server: object): unknown;
  close(): unknown;
  use(middleware: (request: IncomingMessage, response: ServerResponse, next: () => void) => void): unknown;
}

/** One process, whichever engine it has, and a log of what happens when. */
class Process {
  readonly log: string[] = [];
  readonly connections: Connection[] = [];
  readonly engine: Common;
  readonly server = createServer();
  readonly clients: WebSocket[] = [];
  url = "";

  constructor(stock: boolean) {
    this.engine = (stock
      ? new StockServer()
      : new Engine({}, runtimeClock, (engine) => new LocalHost(engine, runtimeClock))) as unknown as Common;
    this.engine.attach(this.server);
    this.engine.on("connection", (connection: Connection) => {
      this.connections.push(connection);
      this.log.push("connection");
      for (const event of ["packet", "message", "flush", "drain", "upgrading", "upgrade", "close"])
        connection.on(event, (argument: unknown) =>
          this.log.push(`${event}${typeof argument === "string" ? ` ${argument}` : ""}, ${this.state(connection)}`),
        );
    });
  }

  state(connection: Connection): string {
    const { readyState, upgraded, upgrading, transport, writeBuffer, id } = connection;
    return [
      readyState,
      transport.name,
      `upgraded ${String(upgraded)}`,
      `upgrading ${String(upgrading)}`,
      `writable ${String(transport.writable)}`,
      `buffer ${String(writeBuffer.length)}`,
      id in this.engine.clients ? "known" : "gone",
    ].join(", ");
  }

  /** Runs `call`, and what was logged until it returned is marked. */
  during(what: string, call: () => unknown): void {
    this.log.push(`begin ${what}`);
    call();
    for (const connection of this.connections) this.log.push(`then ${this.state(connection)}`);
    this.log.push(`end ${what}`);
  }

  /** Marks the end of each message's event: this listener is behind the engine's. */
  mark(transport: Connection["transport"]): void {
    transport.socket.on("message", () => this.log.push("end of the message's event"));
  }

  async websocket(query = ""): Promise<WebSocket> {
    const client = new WebSocket(`${this.url.replace("http", "ws")}&transport=websocket${query}`);
    this.clients.push(client);
    await once(client, "open");
    return client;
  }

  /** A session that has a websocket from the start. */
  async direct(): Promise<{ client: WebSocket; connection: Connection }> {
    const client = await this.websocket();
    await until("it is there, and has said so", () => this.connections[0]?.transport.writable === true);
    const [connection = assert.fail()] = this.connections;
    this.mark(connection.transport);
    this.log.length = 0;
    return { client, connection };
  }
}

async function outcome(stock: boolean, test: (process: Process) => Promise<void>): Promise<string[]> {
  const process = new Process(stock);
  const { server } = process;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  process.url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/engine.io/?EIO=4`;
  try {
    await test(process);
    return [...process.log];
  } finally {
    process.engine.close();
    for (const client of process.clients) client.terminate();
    server.close();
    server.closeAllConnections();
  }
}

/** The same inside the same calls as with the stock engine; `holds` says in words what must be there. */
function same(name: string, holds: RegExp, test: (process: Process) => Promise<void>): void {
  it(name, async () => {
    const stock = await outcome(true, test);
    assert.match(stock.join("\n"), holds);
    assert.deepEqual(await outcome(false, test), stock);
  });
}

describe("one process, inside calls and events, by websocket", () => {
  same(
    "connection comes behind the request's event, before the loop turns",
    /^handled\nconnection\nimmediate$/,
    async (process) => {
      process.server.on("upgrade", () => {
        process.log.push("handled");
        setImmediate(() => process.log.push("immediate"));
      });
      await process.websocket();
      await until("the loop has turned", () => process.log.includes("immediate"));
      process.log.length = 3;
    },
  );
  same(
    "send gives the packet to the websocket",
    /begin send\nflush.*\ndrain.*\nthen open.*buffer 0.*\nend send/,
    async (process) => {
      const { client, connection } = await process.direct();
      const arrived = once(client, "message");
      process.during("send", () => connection.send("x"));
      assert.equal(String((await arrived)[0]), "4x");
      await until("it has drained", () => process.log.some((line) => line.startsWith("drain")));
    },
  );
  same("a second send waits until the first is written", /then open.*buffer 1/, async (process) => {
    const { client, connection } = await process.direct();
    const got: string[] = [];
    client.on("message", (data: Buffer) => got.push(data.toString()));
    process.during("sends", () => {
      connection.send("one", () => process.log.push("callback one"));
      connection.send("two", () => process.log.push("callback two"));
    });
    await until("both are there and written", () => got.length === 2 && process.log.includes("callback two"));
    process.log.push(...got);
  });
  same(
    "handlers run in the message's event, and so do their replies",
    /message x.*\nflush.*\ndrain.*\nend of the message/,
    async (process) => {
      const { client, connection } = await process.direct();
      connection.on("message", (data: unknown) => connection.send(data));
      const reply = once(client, "message");
      client.send("4x");
      assert.equal(String((await reply)[0]), "4x");
      await until("it has drained", () => process.log.some((line) => line.startsWith("drain")));
    },
  );
  for (const discard of [false, true]) {
    same(
      `close(${String(discard)}) has ended the session`,
      /begin close\nclose forced close.*gone\nthen closed/,
      async (process) => {
        const { client, connection } = await process.direct();
        const closed = once(client, "close");
        process.during("close", () => connection.close(discard));
        await closed;
      },
    );
    same(`close(${String(discard)}) behind what is being written`, /begin close/, async (process) => {
      const { client, connection } = await process.direct();
      const got: string[] = [];
      client.on("message", (data: Buffer) => got.push(data.toString()));
      const closed = once(client, "close");
      process.during("close", () => {
        connection.send("one");
        connection.send("two");
        connection.close(discard);
      });
      await closed;
      await until("it is closed here", () => connection.readyState === "closed");
      process.log.push(...got);
    });
  }
  same(
    "engine.close ends all of them",
    /begin engine.close\nclose forced close.*gone\nthen closed/,
    async (process) => {
      const { client } = await process.direct();
      const closed = once(client, "close");
      process.during("engine.close", () => process.engine.close());
      await closed;
    },
  );
  same(
    "an upgrade is done in the event of its message, what waited included",
    /upgrade, open, websocket, upgraded true.*\nflush/,
    async (process) => {
      await http(`${process.url}&transport=polling`);
      const [connection = assert.fail()] = process.connections;
      let marked = false;
      connection.on("upgrading", (transport: Connection["transport"]) => {
        if (!marked) process.mark(transport);
        marked = true;
      });
      const client = await process.websocket(`&sid=${connection.id}`);
      process.log.length = 0;
      const pong = once(client, "message");
      client.send("2probe");
      assert.equal(String((await pong)[0]), "3probe");
      connection.send("waits");
      const waited = once(client, "message");
      client.send("5");
      assert.equal(String((await waited)[0]), "4waits");
      await until("it has drained", () => process.log.some((line) => line.startsWith("drain")));
      const closed = once(client, "close");
      process.during("close", () => connection.close());
      await closed;
    },
  );
});

describe("one process, with middlewares that go on at once", () => {
  it("a poll that finds packets is answered inside its request's event", async () => {
    const log = await outcome(false, async (process) => {
      process.engine.use((_request, response, next) => {
        response.setHeader("x-own", "1");
        next();
      });
      await http(`${process.url}&transport=polling`);
      const [connection = assert.fail()] = process.connections;
      connection.send("x");
      process.log.length = 0;
      process.server.on("request", (_request, response: ServerResponse) => {
        process.log.push(`ended ${String(response.writableEnded)} ${String(response.statusCode)}`);
      });
      const { body, headers } = await http(`${process.url}&transport=polling&sid=${connection.id}`);
      process.log.push(body, String(headers["x-own"]));
    });
    assert.deepEqual(log.slice(-3), ["ended true 200", "4x", "1"]);
  });
});
