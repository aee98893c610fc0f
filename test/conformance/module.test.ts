import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, it } from "node:test";
import engine from "../../src/index";

describe("the module", () => {
  it("is a function that makes a server, with and without new", () => {
    const made = engine();
    assert.ok(made instanceof engine.Server);
    made.close();
    const created = new (engine as unknown as new () => InstanceType<typeof engine.Server>)();
    assert.ok(created instanceof engine.Server);
    created.close();
  });

  it("attaches where it is given an HTTP server", () => {
    const server = createServer();
    const made = engine(server, { pingInterval: 1234 });
    assert.ok(made instanceof engine.Server);
    assert.equal(made.opts.pingInterval, 1234);
    assert.equal(server.listenerCount("request"), 1);
    assert.equal(server.listenerCount("upgrade"), 1);
    made.close();
  });

  it("listens: other requests are answered 501", async () => {
    const made = await new Promise<InstanceType<typeof engine.Server>>((resolve) => {
      const listening = engine.listen(0, {}, () => {
        resolve(listening);
      });
    });
    const address = made.httpServer?.address();
    assert.ok(typeof address === "object" && address !== null);
    const reply = await fetch(`http://127.0.0.1:${String(address.port)}/other`);
    assert.deepEqual([reply.status, await reply.text()], [501, "Not Implemented"]);
    made.close();
    made.httpServer?.close();
    made.httpServer?.closeAllConnections();
  });

  it("has what engine.io has", () => {
    assert.equal(engine.protocol, 4);
    assert.equal(engine.parser.protocol, 4);
    assert.equal(engine.parser3.protocol, 3);
    assert.deepEqual(engine.Server.errors, {
      UNKNOWN_TRANSPORT: 0,
      UNKNOWN_SID: 1,
      BAD_HANDSHAKE_METHOD: 2,
      BAD_REQUEST: 3,
      FORBIDDEN: 4,
      UNSUPPORTED_PROTOCOL_VERSION: 5,
    });
    assert.equal(engine.Server.name, "Server");
    assert.equal(engine.v3.Server.name, "Server");
    assert.equal(engine.Server.errorMessages[1], "Session ID unknown");
    assert.deepEqual(engine.transports.polling.upgradesTo, ["websocket"]);
    const polling = engine.transports.polling({ _query: { EIO: "4" } });
    assert.ok(polling instanceof engine.Transport);
    assert.equal(polling.name, "polling");
  });
});
