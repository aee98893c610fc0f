"use strict";

// The application of the tests' clusters: it echoes every message, keeps account of what happened at this node, and
// answers to the test on the engine's own HTTP server, below /__test/. See cluster.ts for who asks.

/**
 * @param {import("../../src/index").Server} engine
 * @param {import("node:http").Server} httpServer
 * @param {() => Record<string, number>} [pendingTimers] how many there are of each duration, where somebody counts
 */
module.exports = function testApp(engine, httpServer, pendingTimers) {
  const sockets = new Map();
  const connections = [];
  const closes = [];
  const takeovers = [];
  const messages = {};
  const messagesBy = {};
  const upgrades = { begun: 0, done: 0, atOnce: 0 };

  engine.on("connection", (socket) => {
    sockets.set(socket.id, socket);
    const { url, method, headers, _query } = socket.request;
    const { remoteAddress } = socket;
    const request = { url, method, headers: { ...headers }, query: { ..._query }, remoteAddress };
    connections.push({ sid: socket.id, recovered: socket.recovered, data: socket.data, request });
    socket.on("message", (data) => {
      messages[socket.id] = (messages[socket.id] ?? 0) + 1;
      const { name } = socket.transport;
      messagesBy[name] = (messagesBy[name] ?? 0) + 1;
      socket.send(data);
    });
    socket.on("upgrading", () => {
      upgrades.begun++;
      upgrades.atOnce = Math.max(upgrades.atOnce, upgrades.begun - upgrades.done);
    });
    socket.on("upgrade", () => upgrades.done++);
    socket.on("close", (reason, description) => {
      if (sockets.get(socket.id) === socket) sockets.delete(socket.id);
      closes.push({ sid: socket.id, reason, ...(description instanceof Error ? { why: description.message } : {}) });
    });
  });
  engine.cluster?.on("takeover", ({ sid, from }) => takeovers.push({ sid, from }));

  /** What one socket is told, by the path of the request. */
  const orders = {
    push: (socket, body, query) => socket.send(query.has("binary") ? body : body.toString()),
    data: (socket, body) => (socket.data = JSON.parse(body.toString())),
    close: (socket) => socket.close(),
    flood: (socket, body, query) => void flood(socket, body, Number(query.get("bytes")), query.has("patient")),
  };

  /** What this node is asked to do, whoever owns the session. */
  const requests = {
    stats: () => ({
      pid: process.pid,
      sids: [...sockets.keys()],
      connections,
      closes,
      takeovers,
      messages,
      messagesBy,
      upgrades,
      rss: process.memoryUsage().rss,
      timers: process.getActiveResourcesInfo().filter((name) => name === "Timeout").length,
      // `serve` gives its applications something else there.
      pendingTimers: typeof pendingTimers === "function" ? pendingTimers() : undefined,
      others: engine.cluster?.nodes,
      stats: engine.cluster?.stats(),
      health: engine.cluster?.health(),
    }),
    // Bytes in use behind a collection, where the process was started with --expose-gc.
    heap: () => {
      globalThis.gc?.();
      return { heapUsed: process.memoryUsage().heapUsed };
    },
    // To all sessions here, in one tick: once, or so often, numbered.
    "push-all": (body, query) => {
      const times = Number(query.get("times") ?? 0);
      const text = body.toString();
      for (const socket of sockets.values()) {
        if (times === 0) socket.send(text);
        for (let n = 0; n < times; n++) socket.send(`${n} ${text}`);
      }
      return { sent: sockets.size };
    },
    "cluster-send": async (body, query) => {
      const data = query.has("binary") ? body : body.toString();
      return { answers: await Promise.all(query.getAll("sid").map((sid) => engine.cluster.send(sid, data))) };
    },
    // Numbered messages to each of the sessions, all in one tick.
    "cluster-send-many": async (body) => {
      const { sids, each } = JSON.parse(body.toString());
      const answers = [];
      for (let n = 1; n <= each; n++) for (const sid of sids) answers.push(engine.cluster.send(sid, `many ${n}`));
      return { taken: (await Promise.all(answers)).filter((taken) => taken).length };
    },
    // This process stops as soon as it has read a POST of a session of another node, and has said nothing of it to anybody yet; with
    // `own`, one of a session of its own, which its handlers have had and no commit has yet.
    "stop-at-post": (_body, query) => {
      const own = query.has("own");
      const onRequest = (request) => {
        const sid = new URL(request.url, "http://localhost").searchParams.get("sid");
        if (request.method !== "POST" || sid === null || sockets.has(sid) !== own) return;
        httpServer.off("request", onRequest);
        // The engine's listeners are before this one.
        request.on("end", () => process.kill(process.pid, "SIGSTOP"));
      };
      httpServer.on("request", onRequest);
      return {};
    },
    "cluster-close": async (_body, query) => ({ answers: [await engine.cluster.close(query.get("sid"))] }),
    "cluster-count": async () => ({ count: await engine.cluster.count() }),
  };

  httpServer.on("request", (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://localhost");
    const answer = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const name = pathname.startsWith("/__test/") ? pathname.slice("/__test/".length) : "";
      if (Object.hasOwn(orders, name)) {
        const socket = sockets.get(searchParams.get("sid") ?? "");
        if (socket === undefined) return answer(404, { error: "not here" });
        orders[name](socket, body, searchParams);
        return answer(200, { pid: process.pid });
      }
      if (!Object.hasOwn(requests, name)) return answer(404, { error: "no such page" });
      Promise.resolve(requests[name](body, searchParams)).then(
        (result) => answer(200, result),
        (error) => answer(500, { error: String(error) }),
      );
    });
  });
};

/**
 * Sends the same message again and again, a little at a time, until it was so many bytes. `patient`: waits until what was sent is on
 * its way, as an application does that heeds backpressure.
 */
async function flood(socket, body, bytes, patient) {
  const each = 4 * body.length;
  for (let sent = 0; sent < bytes && socket.readyState === "open"; sent += each) {
    for (let i = 0; i < 3; i++) socket.send(body);
    await new Promise((resolve) => {
      socket.send(body, undefined, patient ? resolve : undefined);
      if (!patient) setTimeout(resolve, 1);
    });
  }
}
