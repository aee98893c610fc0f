"use strict";

const { Socket } = require("node:net");

/** Echoes; `POST /cut` ends this worker's connection to the hub of its primary. */
module.exports = (engine, http) => {
  engine.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));
  http.on("request", (request, response) => {
    response.end(String(process.pid));
    if (request.url !== "/cut") return;
    const ownOutput = [process.stdout, process.stderr];
    for (const handle of process._getActiveHandles()) {
      // What this process has opened over a unix socket, and not what it has accepted.
      const isPipe = handle instanceof Socket && handle._handle?.constructor.name === "Pipe";
      if (isPipe && !handle.server && !ownOutput.includes(handle)) handle.destroy();
    }
  });
};
