"use strict";

// Outside of the engine's path: tells its process id at /pid, and leaves every other request unanswered.
module.exports = function quietApp(_engine, httpServer) {
  httpServer.on("request", (request, response) => {
    if (request.url === "/pid") response.end(String(process.pid));
  });
};
