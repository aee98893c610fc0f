"use strict";

// The application of the tests' clusters, with /readyz on the engine's own port: balancers ask there.

const { operationsHandler } = require("../../dist/src/index.js");

module.exports = function readyApp(engine, httpServer, pendingTimers) {
  const operations = operationsHandler(engine, { process: false });
  const listened = {
    on: (event, listener) =>
      httpServer.on(event, (request, response) => {
        if (request.url === "/readyz") operations(request, response);
        else listener(request, response);
      }),
  };
  require("./app.cjs")(engine, listened, pendingTimers);
};
