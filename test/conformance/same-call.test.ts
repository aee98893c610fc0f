import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Client, OneEngine, type CommonOptions } from "../helpers/both-engines";
import { until } from "../helpers/until";

/** One process without a cluster: what applications and Socket.IO see happen inside a call must go on doing so. */
function inOneProcess(
  name: string,
  test: (one: OneEngine, client: Client) => Promise<void>,
  options: CommonOptions = {},
): void {
  it(name, async () => {
    const one = await OneEngine.start("own", options);
    try {
      const client = await one.open();
      one.log.length = 0;
      await test(one, client);
    } finally {
      one.stop();
    }
  });
}

/** Runs `call`, and gives what was logged until it returned. */
function during(one: OneEngine, call: () => unknown): string[] {
  one.log.length = 0;
  call();
  return [...one.log];
}

describe("inside send", () => {
  inOneProcess("the parked poll is answered, and all events have been", async (one, client) => {
    const { socket } = client;
    const { reply, response } = await client.park();
    assert.equal(response.writableEnded, false);
    const log = during(one, () => socket.send("x", undefined, () => one.log.push("callback")));
    assert.equal(response.writableEnded, true);
    assert.equal(socket.transport.writable, false);
    assert.deepEqual(socket.writeBuffer, []);
    assert.deepEqual(log, [
      "packetCreate message x",
      "flush [message x]",
      "server flush [message x]",
      "answer GET t1",
      "callback",
      "drain",
      "server drain",
    ]);
    assert.equal((await reply).body, "4x");
  });

  inOneProcess("the first packet of a tick leaves alone, the second waits for the next poll", async (one, client) => {
    const { socket } = client;
    const { reply } = await client.park();
    const log = during(one, () => {
      socket.send("first");
      socket.send("second", undefined, () => one.log.push("callback"));
      socket.send("third");
    });
    assert.equal(log.includes("callback"), false);
    assert.deepEqual(
      socket.writeBuffer.map(({ data }) => data),
      ["second", "third"],
    );
    assert.equal((await reply).body, "4first");
    assert.equal((await client.poll()).body, "4second\x1e4third");
    assert.equal(one.log.filter((event) => event === "callback").length, 1);
  });
});

describe("inside a request's event", () => {
  inOneProcess("a poll that finds packets is answered", async (one, client) => {
    client.socket.send("x");
    let answered: boolean | undefined;
    one.onHandled = ({ response }) => (answered = response.writableEnded);
    assert.equal((await client.poll()).body, "4x");
    assert.equal(answered, true);
  });

  inOneProcess("refusals are given", async (one, client) => {
    const answered: boolean[] = [];
    one.onHandled = ({ response }) => answered.push(response.writableEnded);
    await new Client(one, "nobody", client.socket, client.opened).poll();
    const { reply } = await client.park();
    assert.equal((await client.poll()).status, 400);
    await reply;
    assert.deepEqual(answered, [true, false, true]);
  });

  inOneProcess("an overlap closes the session", async (one, client) => {
    const { reply, response } = await client.park();
    let seen: unknown[] = [];
    one.onHandled = () => (seen = [client.socket.readyState, response.writableEnded, client.sid in one.clients]);
    await client.poll();
    assert.deepEqual(seen, ["closed", true, false]);
    assert.equal((await reply).body, "1");
  });
});

describe("inside the end event of a POST", () => {
  /** What has become of a POST and of the parked poll when the engine's own listener of `end` has returned. */
  async function atEnd(one: OneEngine, client: Client, body: string): Promise<{ log: string[]; ended: boolean[] }> {
    const { reply, response: poll } = await client.park();
    let at: { log: string[]; ended: boolean[] } | undefined;
    one.onHandled = ({ request, response }) => {
      one.log.length = 0;
      // A chance for what is deferred would show as a line of its own between the events.
      setImmediate(() => one.log.push("immediate"));
      request.on("end", () => (at = { log: [...one.log], ended: [poll.writableEnded, response.writableEnded] }));
    };
    await client.post(body);
    await reply;
    return at ?? assert.fail("the POST never ended");
  }

  inOneProcess("handlers run, and replies leave before the ok", async (one, client) => {
    client.socket.on("message", (data: unknown) => client.socket.send(data));
    const { log, ended } = await atEnd(one, client, "4x");
    assert.deepEqual(ended, [true, true]);
    const events = log.filter((event) => event !== "immediate");
    assert.deepEqual(events, [
      "packet message x",
      "data x",
      "message x",
      "packetCreate message x",
      "flush [message x]",
      "server flush [message x]",
      "answer GET t1",
      "drain",
      "server drain",
      "answer POST t2",
    ]);
    const from = log.indexOf("packet message x");
    assert.deepEqual(log.slice(from), events, "nothing of it waited for another turn of the loop");
  });

  inOneProcess("a payload 1 closes, and the poll is released", async (one, client) => {
    const { log, ended } = await atEnd(one, client, "4x\x1e1\x1e4y");
    assert.deepEqual(ended, [true, true]);
    assert.deepEqual(
      log.filter((event) => event !== "immediate"),
      [
        "packet message x",
        "data x",
        "message x",
        "answer GET t1",
        "close transport close (closed, gone from the clients, buffer [])",
        "transport close",
        "answer POST t2",
      ],
    );
  });
});

describe("inside close", () => {
  inOneProcess("with a poll parked the session has ended", async (one, client) => {
    const { reply, response } = await client.park();
    const log = during(one, () => client.socket.close());
    assert.deepEqual(log, [
      "answer GET t1",
      "close forced close (closed, gone from the clients, buffer [])",
      "transport close",
    ]);
    assert.equal(response.writableEnded, true);
    assert.equal((await reply).body, "1");
  });

  inOneProcess("with discard the session has ended, poll or none, and the buffer is readable", (one, client) => {
    client.socket.send("lost");
    const log = during(one, () => client.socket.close(true));
    assert.deepEqual(log, [
      "close forced close (closed, gone from the clients, buffer [message lost])",
      "transport close",
    ]);
    return Promise.resolve();
  });

  inOneProcess(
    "without a poll only the state changes; the poll that comes ends it in its event",
    async (one, client) => {
      assert.deepEqual(
        during(one, () => client.socket.close()),
        [],
      );
      assert.equal(client.socket.readyState, "closing");
      let state: string | undefined;
      one.onHandled = () => (state = client.socket.readyState);
      assert.equal((await client.poll()).body, "6\x1e1");
      assert.equal(state, "closed");
    },
  );

  inOneProcess("of the engine all sessions have ended", async (one, client) => {
    const others = [await one.open(), await one.open()];
    const { reply } = await client.park();
    const log = during(one, () => one.engine.close());
    assert.deepEqual(Object.keys(one.clients), []);
    assert.equal(log.filter((event) => event.startsWith("close forced close")).length, 3);
    assert.deepEqual(
      [client, ...others].map(({ socket }) => socket.readyState),
      ["closed", "closed", "closed"],
    );
    assert.equal((await reply).body, "1");
  });
});

describe("around a close", () => {
  inOneProcess("the buffer is readable in the listener, and empty a tick later", async (_one, { socket }) => {
    socket.send("left");
    let inListener: readonly unknown[] = [];
    socket.once("close", () => (inListener = [...socket.writeBuffer]));
    socket.close(true);
    assert.equal(inListener.length, 1);
    assert.equal(socket.writeBuffer.length, 1);
    await new Promise<void>((resolve) => {
      process.nextTick(resolve);
    });
    assert.equal(socket.writeBuffer.length, 0);
  });

  inOneProcess("an aborted poll ends the session in the event of its connection", async (one, client) => {
    let abort: () => void = () => assert.fail("not started");
    const { reply, response } = await client.park({ onStarted: (breakIt) => (abort = breakIt) });
    let state: string | undefined;
    // Registered behind the engine's own: it has run when this one does.
    response.on("close", () => (state = client.socket.readyState));
    abort();
    await assert.rejects(reply);
    await until("the server has seen it", () => state !== undefined);
    assert.equal(state, "closed");
    assert.deepEqual(one.log, [
      "transport close",
      "close transport error: poll connection closed prematurely (closed, gone from the clients, buffer [])",
    ]);
  });
});

describe("connection", () => {
  it("comes one microtask after the request, with the answer on its way", async () => {
    const one = await OneEngine.start("own");
    try {
      const marks: string[] = [];
      let answered: boolean | undefined;
      let response: { readonly writableEnded: boolean } | undefined;
      one.engine.on("connection", () => {
        marks.push("connection");
        answered = response?.writableEnded;
      });
      one.onHandled = (seen) => {
        ({ response } = seen);
        marks.push("handled");
        void Promise.resolve().then(() => marks.push("microtask"));
        setImmediate(() => marks.push("immediate"));
      };
      await one.open();
      await until("the loop has turned", () => marks.includes("immediate"));
      assert.deepEqual(marks, ["handled", "connection", "microtask", "immediate"]);
      assert.equal(answered, true);
    } finally {
      one.stop();
    }
  });
});
