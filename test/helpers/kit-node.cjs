"use strict";

// A node of the tests' kits, made by the package's own API: with options that the command does not have (TEST_OPTIONS, JSON), and
// with the Redis that TEST_REDIS names: ioredis' options, or {"cluster": [{host, port}]}. With TEST_LISTEN=early it listens before it
// has joined, as an application may. The rest is told as `serve` is told.

const { createServer } = require("node:http");
const { Cluster } = require("ioredis");
const { Server } = require("../../dist/src/index.js");

const { HOST, PORT, REDIS_URL, NATS_URL, PREFIX, TEST_APP, TEST_OPTIONS = "{}", TEST_REDIS, TEST_LISTEN } = process.env;
const options = JSON.parse(TEST_OPTIONS);

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
engine.cluster.on("error", (error) => console.error(String(error)));
require(TEST_APP ?? "./app.cjs")(engine, http);
engine.attach(http);
const listen = () => http.listen(Number(PORT), HOST);
if (TEST_LISTEN === "early") listen();
else void engine.ready().then(listen);
process.once("SIGTERM", () => {
  void engine.drain({ timeout: Number(process.env.DRAIN_TIMEOUT ?? 4_000) }).finally(() => process.exit(0));
});
