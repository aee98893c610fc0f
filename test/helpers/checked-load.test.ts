import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, test } from "node:test";
import { Server, type Socket } from "engine.io";
import { assertFlawless, runLoad, startLoad, type LoadOptions } from "./checked-load";

/** What an application does with the n-th message of a session: normally it sends it back. */
type App = (socket: Socket, data: string | Buffer, n: number) => void;

const echo: App = (socket, data) => void socket.send(data);

describe("checked load", () => {
  let http: HttpServer | undefined;
  let engine: Server | undefined;
  const sockets = new Map<string, Socket>();

  afterEach(() => {
    engine?.close();
    http?.closeAllConnections();
    http?.close();
    sockets.clear();
  });

  async function serve(app: App): Promise<string> {
    http = createServer();
    engine = new Server();
    engine.attach(http);
    engine.on("connection", (socket: Socket) => {
      // Its types call the id private.
      sockets.set((socket as unknown as { readonly id: string }).id, socket);
      let n = 0;
      socket.on("message", (data: string | Buffer) => app(socket, data, ++n));
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  }

  const small = { sessions: 3, messages: 20 };
  /** Where something is lost, that shows when nothing has come for a while. */
  const lossy = { ...small, stallMs: 1_000 };

  for (const transports of [["polling"], ["websocket"], ["polling", "websocket"]]) {
    for (const payload of ["text", "binary", "mixed"] as const) {
      test(`finds nothing wrong with a server that echoes: ${transports.join(" to ")}, ${payload}`, async () => {
        const verdict = await runLoad({ url: await serve(echo), ...small, transports, payload });
        assertFlawless(verdict);
        assert.equal(verdict.sent, 60);
      });
    }
  }

  const paces: readonly Partial<LoadOptions>[] = [
    { everyMs: 2 },
    { window: 5 },
    { everyMs: 1, window: 2 },
    { size: 9_000 },
  ];
  for (const pace of paces) {
    test(`finds nothing wrong at another pace or size: ${JSON.stringify(pace)}`, async () => {
      assertFlawless(await runLoad({ url: await serve(echo), ...small, ...pace }));
    });
  }

  test("copes with 200 sessions of 50 messages", async () => {
    const verdict = await runLoad({ url: await serve(echo), sessions: 200, messages: 50 });
    assertFlawless(verdict);
    assert.equal(verdict.sent, 10_000);
  });

  test("counts a message that is lost, of each session", async () => {
    const url = await serve((socket, data, n) => n !== 7 && void socket.send(data));
    const { lost, doubled, outOfOrder, dropped, echoed } = await runLoad({ url, ...lossy, window: 4 });
    assert.deepEqual(
      { lost, doubled, outOfOrder, dropped, echoed },
      { lost: 3, doubled: 0, outOfOrder: 0, dropped: 0, echoed: 57 },
    );
  });

  test("follows sessions that are dropped, also when all are at once, and those that are done by none", async () => {
    const url = await serve((socket, data, n) => {
      // The first ones of all, that is: until there are more than three.
      if (n === 5 && sockets.size <= 3) engine?.close();
      else socket.send(data);
    });
    const { dropped, sessions, unfinished } = await runLoad({ url, ...small, everyMs: 20, reopen: true });
    assert.ok(dropped > 0 && dropped <= 3);
    assert.deepEqual({ sessions, unfinished }, { sessions: 3 + dropped, unfinished: 0 });
  });

  test("goes on after a loss although only one message may be without echo", async () => {
    const url = await serve((socket, data, n) => n !== 3 && n !== 9 && void socket.send(data));
    const { lost, echoed } = await runLoad({ url, sessions: 2, messages: 12, stallMs: 1_000 });
    assert.deepEqual({ lost, echoed }, { lost: 4, echoed: 20 });
  });

  test("counts the last message when that is lost", async () => {
    const url = await serve((socket, data, n) => n !== 20 && void socket.send(data));
    assert.equal((await runLoad({ url, ...lossy, everyMs: 1 })).lost, 3);
  });

  test("counts a message that is doubled, at once or much later", async () => {
    let kept: string | Buffer = "";
    const url = await serve((socket, data, n) => {
      socket.send(data);
      if (n === 4) socket.send(data);
      if (n === 6) kept = data;
      if (n === 20) socket.send(kept);
    });
    const { lost, doubled, outOfOrder } = await runLoad({ url, sessions: 1, messages: 20 });
    assert.deepEqual({ lost, doubled, outOfOrder }, { lost: 0, doubled: 2, outOfOrder: 0 });
  });

  test("counts a message that comes after a later one", async () => {
    let kept: string | Buffer | undefined;
    const url = await serve((socket, data, n) => {
      if (n === 5 || n === 11) {
        kept = data;
        return;
      }
      socket.send(data);
      if (kept === undefined) return;
      socket.send(kept);
      kept = undefined;
    });
    const { lost, doubled, outOfOrder } = await runLoad({ url, sessions: 1, messages: 20, window: 3 });
    assert.deepEqual({ lost, doubled, outOfOrder }, { lost: 0, doubled: 0, outOfOrder: 2 });
  });

  test("counts messages that nobody sent like that", async () => {
    const url = await serve((socket, data, n) => {
      if (n === 2 && typeof data === "string") socket.send(data.replace("€", "?"));
      else if (n === 3)
        socket.send(Buffer.from(data)); // the right bytes, as another kind
      else if (n === 4) socket.send("999 of session 0 ");
      else socket.send(data);
    });
    const { corrupted, lost } = await runLoad({
      url,
      sessions: 1,
      messages: 20,
      payload: "text",
      everyMs: 1,
      stallMs: 1_000,
    });
    assert.deepEqual({ corrupted, lost }, { corrupted: 3, lost: 3 });
  });

  test("counts another session's messages", async () => {
    const url = await serve((socket, data, n) => {
      if (n === 10) for (const other of sockets.values()) other.send(data);
      else socket.send(data);
    });
    assert.ok((await runLoad({ url, sessions: 2, messages: 20 })).corrupted > 0);
  });

  test("expects numbered pushes, and finds one that is lost and one that is doubled", async () => {
    const url = await serve(echo);
    const pushed: string[] = [];
    const verdict = await runLoad({
      url,
      sessions: 2,
      messages: 10,
      stallMs: 1_000,
      pushes: {
        count: 6,
        push: async (sid, text) => {
          pushed.push(text);
          if (text.startsWith("push 2 ")) return;
          sockets.get(sid)?.send(text);
          if (text.startsWith("push 4 ")) sockets.get(sid)?.send(text);
        },
      },
    });
    assert.equal(pushed.length, 12);
    const { received, lost, doubled, echoed } = verdict;
    assert.deepEqual({ received, lost, doubled, echoed }, { received: 10, lost: 2, doubled: 2, echoed: 20 });
  });

  test("counts sessions that are closed, with the reason, and what they did not get as lost", async () => {
    const url = await serve((socket, data, n) => {
      if (n === 5) socket.close();
      else socket.send(data);
    });
    const { dropped, closes, lost } = await runLoad({ url, ...small });
    assert.deepEqual({ dropped, lost }, { dropped: 3, lost: 3 });
    assert.equal(closes.length, 3);
    assert.match(closes[0] ?? "", /^transport close|^transport error/);
  });

  test("counts sessions that cannot be opened", async () => {
    const url = await serve(echo);
    http?.close();
    engine?.close();
    await once(http!, "close");
    const { opened, dropped, errors } = await runLoad({ url, ...small });
    assert.deepEqual({ opened, dropped }, { opened: 0, dropped: 3 });
    assert.match(errors[0] ?? "", /xhr poll error/);
  });

  test("measures the longest silence of a session that waits", async () => {
    const url = await serve((socket, data, n) => {
      if (n === 5) setTimeout(() => void socket.send(data), 1_000);
      else socket.send(data);
    });
    const verdict = await runLoad({ url, sessions: 1, messages: 10 });
    assertFlawless(verdict);
    // Not all of it: what this process was late by is not counted.
    assert.ok(verdict.longestSilenceMs >= 500, String(verdict.longestSilenceMs));
  });

  test("tells how far it is, and the ids of its sessions", async () => {
    const url = await serve(echo);
    const load = startLoad({ url, ...small });
    await load.opened;
    assert.deepEqual(load.sids().sort(), [...sockets.keys()].sort());
    await load.whenEchoed(30);
    assert.ok(load.verdict().echoed >= 30);
    assertFlawless(await load.done);
    await assert.doesNotReject(load.whenEchoed(60));
  });

  test("ends when its time is over, and says what was not finished", async () => {
    const load = startLoad({ url: await serve(() => undefined), ...small, stallMs: 60_000, timeoutMs: 500 });
    await assert.rejects(load.whenEchoed(1), /ended before 1 echoes/);
    const { unfinished, dropped } = await load.done;
    assert.deepEqual({ unfinished, dropped }, { unfinished: 3, dropped: 0 });
  });
});
