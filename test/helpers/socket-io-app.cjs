"use strict";

// Plain Socket.IO as an application of the command (`--app`), with the adapter that ADAPTER names over the Redis at ADAPTER_REDIS. Its
// clients ask it for everything, so that a test needs nothing but stock clients.

const { createAdapter: pubSubAdapter } = require("@socket.io/redis-adapter");
const { createAdapter: streamsAdapter } = require("@socket.io/redis-streams-adapter");
const { Redis } = require("ioredis");
const { createClient } = require("redis");
const { Server } = require("socket.io");

const pid = process.pid;
/** A node that died is forgotten within a test. */
const STREAMS = { heartbeatInterval: 500, heartbeatTimeout: 2000 };

async function node4(url) {
  const client = createClient({ url });
  client.on("error", (error) => console.error("redis", error.message));
  await client.connect();
  return client;
}

const ADAPTERS = {
  "redis-adapter": async (url) => {
    const client = await node4(url);
    const other = client.duplicate();
    await other.connect();
    return pubSubAdapter(client, other);
  },
  "redis-adapter on ioredis": async (url) => pubSubAdapter(new Redis(url), new Redis(url)),
  // Times at which a node that died is forgotten within a test.
  "redis-streams-adapter": async (url) => streamsAdapter(await node4(url), STREAMS),
};

/** @type {(engine: import("../../src/index").Server) => Promise<void>} */
module.exports = async function socketIoApp(engine) {
  const { ADAPTER, ADAPTER_REDIS } = process.env;
  const io = new Server(process.env.RECOVERY === "1" ? { connectionStateRecovery: {} } : {});
  io.adapter(await ADAPTERS[ADAPTER](ADAPTER_REDIS));
  io.bind(engine);
  io.engine.use((_request, response, next) => {
    response.setHeader("x-node", String(pid));
    next();
  });
  for (const namespace of [io.of("/"), io.of(/^\/tenant-\d+$/)]) {
    namespace.use((socket, next) => {
      socket.data.name = socket.handshake.auth.name;
      next(socket.handshake.auth.name === "mallory" ? new Error("not you") : undefined);
    });
    namespace.on("connection", (socket) => serve(socket));
  }
  io.on("which", (answer) => answer(pid));
  io.of("/").on("connection", (socket) => {
    socket.on("nodes", async (done) => done([pid, ...(await io.serverSideEmitWithAck("which"))]));
  });
};

/** What a client may ask; the last argument takes the answer. */
function serve(socket) {
  const { nsp } = socket;
  socket.use(([event], next) => next(event === "forbidden" ? new Error("no such event") : undefined));
  socket.on("error", (error) => socket.emit("told off", error.message));
  socket.on("echo", (value, done) => done(value));
  // Which process has this connection's Socket.IO state.
  socket.on("where", (done) => done(pid));
  socket.on("join", (room, done) => Promise.resolve(socket.join(room)).then(() => done()));
  socket.on("leave", (room, done) => Promise.resolve(socket.leave(room)).then(() => done()));
  socket.on("say", (room, value, done) => {
    nsp.to(room).emit("said", value);
    done();
  });
  socket.on("say to others", (room, value, done) => {
    socket.to(room).emit("said", value);
    done();
  });
  socket.on("ask", (room, value, done) => {
    nsp
      .to(room)
      .timeout(10_000)
      .emit("asked", value, (error, answers) => done(error === null ? answers : String(error)));
  });
  socket.on("names", async (room, done) => {
    const sockets = await nsp.in(room).fetchSockets();
    done(sockets.map(({ data }) => data.name).sort());
  });
  socket.on("move", (from, to, done) => {
    nsp.in(from).socketsJoin(to);
    nsp.in(from).socketsLeave(from);
    done();
  });
  socket.on("throw out", (room, done) => {
    nsp.in(room).disconnectSockets(true);
    done();
  });
}
