"use strict";

// The application of the tests' clusters: it echoes every message, keeps account of what happened at this node, and
// answers to the test on the engine's own HTTP server, below /__test/. See cluster.ts for who asks.

/**
 * @param {import("../../src/index").Server} engine
 * @param {import("node:http").Server} httpServer
 */
module.exports = function testApp(engine, httpServer) {
  const sockets = new Map();
  const connections = [];
  const closes = [];
  const takeovers = [];
  const messages = {};

  engine.on("connection", (socket) => {
    sockets.set(socket.id, socket);
    const { url, method, headers, _query } = socket.request;
    const request = { url, method, userAgent: headers["user-agent"], query: { ..._query } };
    connections.push({ sid: socket.id, recovered: socket.recovered, data: socket.data, request });
    socket.on("message", (data) => {
      messages[socket.id] = (messages[socket.id] ?? 0) + 1;
      socket.send(data);
    });
    socket.on("close", (reason) => {
      if (sockets.get(socket.id) === socket) sockets.delete(socket.id);
      closes.push({ sid: socket.id, reason });
    });
  });
  engine.cluster?.on("takeover", ({ sid, from }) => takeovers.push({ sid, from }));

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
      const socket = sockets.get(searchParams.get("sid") ?? "");
      switch (`${request.method} ${pathname}`) {
        case "GET /__test/stats": {
          const stats = engine.cluster?.stats();
          return answer(200, {
            pid: process.pid,
            sids: [...sockets.keys()],
            connections,
            closes,
            takeovers,
            messages,
            stats,
          });
        }
        case "POST /__test/push":
          if (socket === undefined) return answer(404, { error: "not here" });
          socket.send(searchParams.has("binary") ? body : body.toString());
          return answer(200, { pid: process.pid });
        case "POST /__test/data":
          if (socket === undefined) return answer(404, { error: "not here" });
          socket.data = JSON.parse(body.toString());
          return answer(200, { pid: process.pid });
        case "POST /__test/close":
          if (socket === undefined) return answer(404, { error: "not here" });
          socket.close();
          return answer(200, { pid: process.pid });
        default:
          return answer(404, { error: "no such page" });
      }
    });
  });
};
