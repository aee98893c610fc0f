"use strict";

// A process that has an engine, closes it, and is to exit by itself then. TEST_CLOSING says how, as JSON; see exit.test.ts.

const { createServer } = require("node:http");
const { Server } = require("../../dist/src/index.js");

const { redis, nats, prefix, local, handed, when, how } = JSON.parse(process.env.TEST_CLOSING);

void main();

async function main() {
  const clients = handed ? await connections() : undefined;
  const engine = new Server(cluster(clients));
  const http = createServer();
  engine.attach(http);
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  engine.cluster?.on("error", ({ message }) => console.log(`trouble: ${message}`));
  engine.ready().then(
    () => console.log("ready"),
    ({ message }) => console.log(`not ready: ${message}`),
  );
  const close = () => void end(engine, http, clients);
  // A listener of a signal keeps no process.
  process.once("SIGUSR2", close);
  if (when === "in the same call") close();
  else if (when === "a moment later") setImmediate(close);
  else http.listen(0, "127.0.0.1", () => console.log(`listening at ${http.address().port}`));
}

async function end(engine, http, clients) {
  const from = performance.now();
  console.log("closing");
  process.once("exit", () => console.log(`exit after ${Math.round(performance.now() - from)} ms`));
  if (how === "drain") void engine.drain();
  else if (how === "by the HTTP server") http.closeAllConnections();
  else engine.close();
  if (how === "twice") engine.close();
  if (how === "twice") void engine.drain();
  http.close();
  await engine.closed();
  if (how === "twice") engine.close();
  await engine.closed();
  console.log("closed");
  if (clients === undefined) return;
  // Whoever made them goes on with them.
  const subject = `${prefix}.after`;
  const heard = new Promise((resolve) => clients.nats.subscribe(subject, { max: 1, callback: resolve }));
  clients.nats.publish(subject);
  await heard;
  console.log(`still there: ${await clients.redis.ping()}`);
  await clients.redis.quit();
  await clients.nats.close();
}

function cluster(clients) {
  if (local) return { cluster: "local" };
  if (redis === undefined) return {};
  return { cluster: { redis, nats, prefix, ...clients } };
}

async function connections() {
  const { Redis } = require("ioredis");
  const { connect } = require("nats");
  return { redis: new Redis(redis), nats: await connect({ servers: nats }) };
}
