import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Socket as Client } from "engine.io-client";
import { WebSocket } from "ws";
import type { EngineOptions } from "../../src/options";
import type { Socket } from "../../src/session/socket";
import { CLUSTERED, http, MODES, RawClient, startEngines, type Mode, type TestEngines } from "../helpers/engines";
import { roundRobin } from "../helpers/round-robin";
import { until } from "../helpers/until";

function behaviour(
  name: string,
  test: (engines: TestEngines, url: string) => Promise<void>,
  options: EngineOptions = {},
  modes: readonly Mode[] = MODES,
): void {
  for (const mode of modes) {
    it(`${name} [${mode}]`, async () => {
      const engines = await startEngines(mode, options, { pollGrace: 300, beatInterval: 100, linger: 1000 });
      const balancer = await roundRobin(engines.balanced);
      try {
        await test(engines, balancer.url);
      } finally {
        await balancer.stop();
        await engines.stop();
      }
    });
  }
}

/** Echoes; binary as binary. */
function echo(engines: TestEngines): Socket[] {
  const sockets: Socket[] = [];
  engines.on("connection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("message", (data: unknown) => socket.send(data));
  });
  return sockets;
}

/** Sends numbered messages while an upgrade may be under way; resolves with what came back. */
function echoes(client: Client, count: number, binary = false): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const got: string[] = [];
    client.on("message", (data: string | ArrayBuffer | Buffer) => {
      got.push(typeof data === "string" ? data : Buffer.from(data as Buffer).toString());
      if (got.length === count) resolve(got);
    });
    client.on("close", (reason) => {
      reject(new Error(`closed: ${reason} after ${String(got.length)}`));
    });
    client.on("open", () => {
      let n = 0;
      const next = (): void => {
        const text = String(n);
        client.send(binary && n % 2 === 1 ? Buffer.from(text) : text);
        if (++n < count) setTimeout(next, 1);
      };
      next();
    });
  });
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

describe("websocket", () => {
  behaviour("direct", async (engines, url) => {
    const sockets = echo(engines);
    const client = new Client(url, { transports: ["websocket"] });
    assert.deepEqual(await echoes(client, 100, true), numbers(100));
    const closed = new Promise((resolve) => sockets[0]?.once("close", resolve));
    client.removeAllListeners("close");
    client.close();
    assert.equal(await closed, "transport close");
  });
  behaviour("upgrade while messages flow", async (engines, url) => {
    const sockets = echo(engines);
    const clients = Array.from({ length: 6 }, () => new Client(url, { transports: ["polling", "websocket"] }));
    const all = await Promise.all(clients.map((client) => echoes(client, 120, true)));
    for (const got of all) assert.deepEqual(got, numbers(120));
    for (const client of clients) {
      assert.equal(client.transport.name, "websocket");
      client.removeAllListeners("close");
      client.close();
    }
    await until("all are closed", () => sockets.every((socket) => socket.readyState === "closed"));
  });
  behaviour("closes from the server reach the client", async (engines, url) => {
    const sockets = echo(engines);
    const client = new Client(url, { transports: ["polling", "websocket"] });
    const closed = new Promise<string>((resolve) => client.on("close", resolve));
    await until("it is upgraded", () => sockets[0]?.upgraded === true && client.transport.name === "websocket");
    const reason = new Promise((resolve) => sockets[0]?.once("close", resolve));
    sockets[0]?.send("last");
    const last = new Promise((resolve) => client.on("message", resolve));
    sockets[0]?.close();
    assert.equal(await last, "last");
    assert.equal(await closed, "transport close");
    assert.equal(await reason, "forced close");
  });
  behaviour("a poll on an upgraded session is refused, and the session lives", async (engines, url) => {
    const sockets = echo(engines);
    const client = new Client(url, { transports: ["polling", "websocket"] });
    await until("it is upgraded", () => sockets[0]?.upgraded === true && client.transport.name === "websocket");
    const reply = await http(`${engines.next()}/engine.io/?EIO=4&transport=polling&sid=${String(sockets[0]?.id)}`);
    assert.deepEqual([reply.status, reply.body], [400, '{"code":3,"message":"Bad request"}']);
    assert.equal(sockets[0]?.readyState, "open");
    client.close();
  });
  behaviour("a second websocket is let in and closed", async (engines, url) => {
    const sockets = echo(engines);
    const client = new Client(url, { transports: ["polling", "websocket"] });
    await until("it is upgraded", () => sockets[0]?.upgraded === true && client.transport.name === "websocket");
    const second = new WebSocket(
      `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${String(sockets[0]?.id)}`,
    );
    let opened = false;
    second.on("open", () => (opened = true));
    await new Promise((resolve) => second.on("close", resolve));
    assert.ok(opened);
    assert.equal(sockets[0]?.readyState, "open");
    client.close();
  });
  behaviour(
    "a second websocket that says nothing is closed at whichever node it is, while the first upgrades too",
    async (engines) => {
      const sockets = echo(engines);
      const { sid } = await RawClient.open(engines);
      const at = (port: number): WebSocket =>
        new WebSocket(`ws://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=websocket&sid=${sid}`);
      const [first, ...others] = [...engines.balanced].reverse();
      const websocket = at(first ?? 0);
      await once(websocket, "open");
      websocket.send("2probe");
      await once(websocket, "message");
      for (const port of [first ?? 0, ...others]) await once(at(port), "close");
      websocket.send("5");
      await until("it is upgraded", () => sockets[0]?.upgraded === true);
      for (const port of [first ?? 0, ...others]) await once(at(port), "close");
      websocket.send("4still");
      assert.deepEqual(String((await once(websocket, "message"))[0]), "4still");
      websocket.close();
    },
  );
  behaviour(
    "a websocket that says nothing is closed when an upgrade may take no longer, or its session ends",
    async (engines) => {
      const sockets = echo(engines);
      const client = await RawClient.open(engines);
      for (const port of engines.balanced) {
        const url = `ws://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`;
        await once(new WebSocket(url), "close");
        await until("another one may try", () => sockets[0]?.upgrading === false);
      }
      const last = new WebSocket(
        `ws://127.0.0.1:${String(engines.balanced.at(-1))}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`,
      );
      const closed = once(last, "close");
      await until("it is there", () => sockets[0]?.upgrading === true);
      sockets[0]?.close(true);
      await closed;
    },
    { upgradeTimeout: 300 },
  );
  behaviour("a wrong probe closes only the websocket", async (engines, url) => {
    const sockets = echo(engines);
    const client = await RawClient.open(engines);
    const websocket = new WebSocket(
      `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`,
    );
    await new Promise((resolve) => websocket.on("open", resolve));
    websocket.send("2wrong");
    await new Promise((resolve) => websocket.on("close", resolve));
    assert.equal((await client.post("4still")).status, 200);
    assert.equal((await client.poll()).body, "4still");
    assert.equal(sockets[0]?.upgrading, false);
  });
  behaviour("an unknown sid is 400", async (_engines, url) => {
    const websocket = new WebSocket(`${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=none`);
    const status = await new Promise((resolve) => {
      websocket.on("unexpected-response", (_request, response) => {
        resolve(response.statusCode);
      });
    });
    assert.equal(status, 400);
    websocket.on("error", () => undefined);
    websocket.terminate();
  });
  behaviour(
    "a message over the limit closes with 1009",
    async (engines, url) => {
      echo(engines);
      for (const upgraded of [false, true]) {
        const sid = upgraded ? `&sid=${(await RawClient.open(engines)).sid}` : "";
        const websocket = new WebSocket(`${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket${sid}`);
        await new Promise((resolve) => websocket.on("open", resolve));
        websocket.send(`4${"x".repeat(2000)}`);
        const code = await new Promise((resolve) => websocket.on("close", resolve));
        assert.equal(code, 1009);
      }
    },
    { maxHttpBufferSize: 1000 },
  );
  behaviour(
    "an upgrade that is not completed in time leaves the session polling",
    async (engines, url) => {
      const sockets = echo(engines);
      const client = await RawClient.open(engines);
      const websocket = new WebSocket(
        `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`,
      );
      await new Promise((resolve) => websocket.on("open", resolve));
      websocket.send("2probe");
      await new Promise((resolve) => websocket.on("close", resolve));
      assert.equal((await client.post("4still")).status, 200);
      assert.equal(sockets[0]?.transport.name, "polling");
    },
    { upgradeTimeout: 200 },
  );
  behaviour(
    "a client that does not read is closed when what waits for it is over the limit",
    async (engines, url) => {
      const sockets = echo(engines);
      for (const upgraded of [false, true]) {
        const sid = upgraded ? `&sid=${(await RawClient.open(engines)).sid}` : "";
        const websocket = new WebSocket(`${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket${sid}`);
        await new Promise((resolve) => websocket.on("open", resolve));
        if (upgraded) {
          const pong = new Promise((resolve) => websocket.once("message", resolve));
          websocket.send("2probe");
          await pong;
          websocket.send("5");
        }
        const socket = sockets.at(-1);
        await until("it has its websocket", () => socket?.transport.name === "websocket");
        websocket.pause();
        const closed = new Promise<unknown[]>((resolve) => {
          socket?.once("close", (...args) => {
            resolve(args);
          });
        });
        let sent = 0;
        const push = (): void => {
          if (socket?.readyState !== "open") return;
          for (let i = 0; i < 10; i++) socket.send("x".repeat(100_000));
          sent += 10;
          // Far more than the runtime, the kernel, the relay and the buffer can hold.
          if (sent < 2000) setImmediate(push);
        };
        push();
        const [reason, description] = await closed;
        assert.equal(reason, "transport error");
        assert.match(String(description), /write buffer is over its limit/);
        websocket.terminate();
      }
    },
    {},
    CLUSTERED,
  );
  behaviour("the parked poll is let go by the probe", async (engines, url) => {
    const sockets = echo(engines);
    const client = await RawClient.open(engines);
    const poll = client.poll();
    await until("it is parked", () => sockets[0]?.transport.writable === true);
    const websocket = new WebSocket(
      `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`,
    );
    await new Promise((resolve) => websocket.on("open", resolve));
    const said: string[] = [];
    websocket.on("message", (data: Buffer) => said.push(String(data)));
    websocket.send("2probe");
    assert.equal((await poll).body, "6");
    await until("the pong is there", () => said.length === 1);
    // Messages right behind the upgrade wait for it.
    websocket.send("5");
    websocket.send("4one");
    websocket.send("4two");
    await until("both are echoed", () => said.length === 3);
    assert.deepEqual(said, ["3probe", "4one", "4two"]);
    websocket.close();
    await until("it is closed", () => sockets[0]?.readyState === "closed");
  });
  behaviour("what waits for a poll goes by the websocket", async (engines, url) => {
    const sockets = echo(engines);
    const client = await RawClient.open(engines);
    sockets[0]?.send("waits");
    await new Promise((resolve) => setTimeout(resolve, 20));
    const websocket = new WebSocket(
      `${url.replace("http", "ws")}/engine.io/?EIO=4&transport=websocket&sid=${client.sid}`,
    );
    await new Promise((resolve) => websocket.on("open", resolve));
    const said: string[] = [];
    websocket.on("message", (data: Buffer) => said.push(String(data)));
    websocket.send("2probe");
    await until("the pong is there", () => said.length === 1);
    sockets[0]?.send("too");
    websocket.send("5");
    await until("all is there", () => said.length === 3);
    assert.deepEqual(said, ["3probe", "4waits", "4too"]);
    websocket.close();
  });
});
