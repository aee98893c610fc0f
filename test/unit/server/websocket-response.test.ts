import assert from "node:assert/strict";
import { once } from "node:events";
import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, it } from "node:test";
import { WebSocketResponse } from "../../../src/server/websocket-response";

function make(): { response: WebSocketResponse; socket: Duplex; request: IncomingMessage } {
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  const request = new IncomingMessage(new Socket());
  return { response: new WebSocketResponse(request, socket), socket, request };
}

/** What middlewares do with headers, on the stand-in and on a response of the runtime. */
type Headers = Pick<
  ServerResponse,
  | "setHeader"
  | "appendHeader"
  | "getHeader"
  | "getHeaders"
  | "getHeaderNames"
  | "hasHeader"
  | "removeHeader"
  | "headersSent"
  | "statusCode"
>;

const uses: Readonly<Record<string, (response: Headers) => unknown>> = {
  "a header by any case of its name": (response) => {
    response.setHeader("X-One", "1");
    return [response.getHeader("x-ONE"), response.hasHeader("x-one"), response.hasHeader("X-Two")];
  },
  "the last of two": (response) => {
    response.setHeader("a", "1");
    response.setHeader("A", "2");
    return [response.getHeader("a"), response.getHeaderNames()];
  },
  "lists and numbers as they were": (response) => {
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.setHeader("x-count", 5);
    return { ...response.getHeaders() };
  },
  "what is appended": (response) => {
    response.appendHeader("x-a", "1");
    response.appendHeader("X-A", ["2", "3"]);
    return response.getHeader("x-a");
  },
  "none that was removed": (response) => {
    response.setHeader("X-A", "1");
    response.removeHeader("x-a");
    return [response.getHeader("X-A"), response.getHeaderNames(), response.headersSent];
  },
  "no prototype among its headers": (response) => {
    return [response.getHeader("constructor"), response.hasHeader("toString"), "toString" in response.getHeaders()];
  },
};

describe("the response that middlewares have of a websocket's request", () => {
  for (const [name, use] of Object.entries(uses)) {
    it(`has ${name}, as one of the runtime`, () => {
      const { response, request } = make();
      assert.deepEqual(use(response as unknown as Headers), use(new ServerResponse(request)));
    });
  }
  it("refuses names and values that are no headers, as one of the runtime", () => {
    const { response, request } = make();
    for (const each of [response as unknown as Headers, new ServerResponse(request)]) {
      assert.throws(() => each.setHeader("a b", "1"), { code: "ERR_INVALID_HTTP_TOKEN" });
      assert.throws(() => each.setHeader("a", "1\r\nb: 2"), { code: "ERR_INVALID_CHAR" });
    }
  });
  it("gives its headers to the 101 once, by the names that they were written by, with those of writeHead", () => {
    const { response } = make();
    response.setHeader("X-One", "1");
    const writeHead = response.writeHead.bind(response);
    // As packages that set a last header when the head is written.
    response.writeHead = (...args: [number?, ...unknown[]]) => {
      response.setHeader("X-Late", "2");
      return writeHead(...args);
    };
    assert.equal(response.headersSent, false);
    assert.deepEqual(response.takeHeaders(), { "X-One": "1", "X-Late": "2" });
    assert.equal(response.headersSent, true);
    assert.equal(response.statusCode, 101);
  });
  it("takes all forms of writeHead, a body that nobody reads, and flushHeaders", () => {
    const { response } = make();
    assert.equal(response.writeHead(418), response);
    response.writeHead(200, "fine", { "x-a": "1" });
    response.writeHead(201, { "x-b": ["1", "2"] });
    assert.deepEqual(
      [response.statusCode, response.getHeader("x-a"), response.getHeader("x-b")],
      [201, "1", ["1", "2"]],
    );
    response.flushHeaders();
    assert.equal(response.write(), true);
  });
  it("closes the connection when it is ended, and tells of both", async () => {
    const { response, socket, request } = make();
    assert.equal(response.req, request);
    assert.equal(response.socket, socket);
    assert.equal(response.writableEnded, false);
    const events: string[] = [];
    for (const event of ["finish", "close"]) response.on(event, () => events.push(event));
    const closed = once(response, "close");
    response.end();
    assert.equal(response.writableEnded, true);
    await closed;
    assert.deepEqual(events, ["finish", "close"]);
  });
  it("tells when the client goes", async () => {
    const { response, socket } = make();
    const closed = once(response, "close");
    socket.destroy();
    await closed;
    assert.equal(response.writableEnded, true);
  });
});
