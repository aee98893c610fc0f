"use strict";

// The application of the tests' clusters in a process that counts its timers: one that loaded pending-timers.cjs before all else.

const testApp = require("./app.cjs");
const pendingTimers = require("./pending-timers.cjs");

module.exports = (engine, httpServer) => testApp(engine, httpServer, pendingTimers);
