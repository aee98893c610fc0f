"use strict";

// The tests' application, with a message that the node which handles it does not survive.

const testApp = require("./app.cjs");

module.exports = function poisonApp(engine, httpServer) {
  testApp(engine, httpServer);
  engine.on("connection", (socket) => {
    socket.on("message", (data) => {
      if (data === "poison") process.kill(process.pid, "SIGKILL");
    });
  });
};
