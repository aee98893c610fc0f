"use strict";

const { WebSocketServer } = require("ws");

/** What `wsEngine` or the environment can name: a server of websockets by itself. */
exports.Server = class extends WebSocketServer {};
