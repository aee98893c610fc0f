import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, test } from "node:test";
import { TcpProxy } from "./tcp-proxy";
import { waitFor } from "./wait-for";

/** One end of a connection, and all that it has heard. */
interface End {
  readonly socket: Socket;
  heard: string;
  ended: boolean;
}

function endOf(socket: Socket): End {
  const end: End = { socket, heard: "", ended: false };
  socket.on("data", (bytes) => (end.heard += bytes.toString()));
  socket.on("end", () => (end.ended = true));
  socket.on("error", () => undefined);
  return end;
}

/** What would have come, came long before this is over. */
const A_MOMENT = 100;

describe("a proxy of a test", () => {
  let server: Server;
  let proxy: TcpProxy;
  let sockets: Socket[];

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy = await TcpProxy.start((server.address() as AddressInfo).port);
    sockets = [];
  });

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await proxy.stop();
    server.close();
  });

  const join = async (): Promise<{ client: End; upstream: End }> => {
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    const [other] = await accepted;
    sockets.push(socket, other);
    return { client: endOf(socket), upstream: endOf(other) };
  };

  const say = (end: End, text: string): Promise<void> =>
    new Promise((resolve, reject) => end.socket.write(text, (error) => (error ? reject(error) : resolve())));

  for (const who of ["client", "server", "both"] as const) {
    test(`silences ${who}: the connection stays and nothing arrives; healed, all of it does, in order`, async () => {
      const { client, upstream } = await join();
      await Promise.all([say(client, "1"), say(upstream, "1")]);
      await waitFor("both to be heard", () => client.heard === "1" && upstream.heard === "1");
      proxy.silence(who);
      await Promise.all([say(client, "2"), say(upstream, "2")]);
      if (who === "client") await waitFor("the server to be heard", () => client.heard === "12");
      if (who === "server") await waitFor("the client to be heard", () => upstream.heard === "12");
      await sleep(A_MOMENT);
      assert.equal(upstream.heard, who === "server" ? "12" : "1");
      assert.equal(client.heard, who === "client" ? "12" : "1");
      await Promise.all([say(client, "3"), say(upstream, "3")]);
      proxy.heal();
      await waitFor("all to arrive", () => client.heard === "123" && upstream.heard === "123");
    });
  }

  test("silences connections that are made meanwhile, and the ends of those that are closed", async () => {
    const old = await join();
    proxy.silence();
    old.client.socket.end("bye");
    const late = await join();
    await say(late.client, "hello");
    await sleep(A_MOMENT);
    assert.deepEqual([old.upstream.heard, old.upstream.ended, late.upstream.heard], ["", false, ""]);
    proxy.heal();
    await waitFor("all to arrive", () => old.upstream.heard === "bye" && old.upstream.ended);
    await waitFor("the new one to be heard", () => late.upstream.heard === "hello");
  });

  test("keeps a delay that was set before a silence until it is healed", async () => {
    const { client, upstream } = await join();
    proxy.silence("server");
    proxy.delay(2 * A_MOMENT);
    const began = performance.now();
    await Promise.all([say(client, "1"), say(upstream, "1")]);
    await waitFor("the client to be heard", () => upstream.heard === "1");
    // A timer may run a little early.
    assert.ok(performance.now() - began >= 2 * A_MOMENT - 5);
    assert.equal(client.heard, "");
    proxy.heal();
    await waitFor("the server to be heard", () => client.heard === "1");
  });
});
