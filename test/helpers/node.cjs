"use strict";

// A node made by the package's own API, for tests that need options which the command does not have. The options come as JSON
// in TEST_NODE; what it prints and how it ends is what the command does.

const { createServer } = require("node:http");
const { Server } = require("../../dist/src/index.js");

const { app, port, options } = JSON.parse(process.env.TEST_NODE);

const http = createServer({ keepAliveTimeout: 65_000 });
const engine = new Server(options);
require(app)(engine, http);
engine.attach(http);
void engine.ready().then(() => {
  http.listen(port, "127.0.0.1", () => console.log(JSON.stringify({ port: http.address().port, msg: "listening" })));
});
process.once("SIGTERM", () => void engine.drain().finally(() => process.exit(0)));
