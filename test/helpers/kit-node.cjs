"use strict";

// A node of the tests' kits, made by the package's own API: with options that the command does not have (TEST_OPTIONS, JSON), and
// with the Redis that TEST_REDIS names: ioredis' options, or {"cluster": [{host, port}]}. With TEST_LISTEN=early it listens before it
// has joined, as an application may. The rest is told as `serve` is told.

const pendingTimers = require("./pending-timers.cjs");
const { createServer } = require("node:http");
const { Cluster } = require("ioredis");
const { Server } = require("../../dist/src/index.js");

const { HOST, PORT, REDIS_URL, NATS_URL, PREFIX, TEST_APP, TEST_OPTIONS = "{}", TEST_REDIS, TEST_LISTEN } = process.env;
const options = JSON.parse(TEST_OPTIONS);

/** A line of the log, with the time and as one of this process. */
function say(text) {
  console.error(`${new Date().toISOString()} ${process.pid} ${text}`);
}

/** What becomes of its sessions, for whoever wants to know why one ended (TEST_TRACE=1). */
function trace() {
  say(`node ${engine.cluster.nodeId} starts`);
  engine.on("connection", (socket) => {
    say(`${socket.id} ${socket.recovered ? "recovered" : "opened"} (${socket.transport.name})`);
    socket.on("close", (reason, why) =>
      say(`${socket.id} closed: ${reason} ${why instanceof Error ? why.message : ""}`),
    );
  });
  engine.on("connection_error", ({ code, message, context, req }) => {
    say(`refused with ${code}, ${message}: ${req?.method} ${req?.url} ${JSON.stringify(context)}`);
  });
  engine.cluster.on("takeover", ({ sid, from }) => say(`${sid} taken from ${from}`));
  engine.cluster.on("node:leave", (node) => say(`${node} is dead`));
  engine.cluster.on("node:join", (node) => say(`${node} is there`));
}

function redis() {
  if (TEST_REDIS === undefined) return REDIS_URL;
  const given = JSON.parse(TEST_REDIS);
  return given.cluster === undefined ? given : new Cluster(given.cluster, { clusterRetryStrategy: () => 200 });
}

const http = createServer({ keepAliveTimeout: 65_000 });
const engine = new Server({
  ...options,
  cluster: { ...options.cluster, redis: redis(), nats: NATS_URL, prefix: PREFIX },
});
engine.cluster.on("error", (error) => say(String(error)));
if (process.env.TEST_TRACE === "1") trace();
require(TEST_APP ?? "./app.cjs")(engine, http, pendingTimers);
engine.attach(http);
const listen = () => http.listen(Number(PORT), HOST);
if (TEST_LISTEN === "early") listen();
else void engine.ready().then(listen);
process.once("SIGTERM", () => {
  engine.drain({ timeout: Number(process.env.DRAIN_TIMEOUT ?? 4_000) }).then(
    () => process.exit(0),
    (error) => {
      say(`it could not leave: ${error}`);
      process.exit(1);
    },
  );
});
