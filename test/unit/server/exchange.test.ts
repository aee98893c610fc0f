import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { ClusterNode } from "../../../src/routing/cluster-node";
import { Held, type Asked, type WaitingConnection } from "../../../src/routing/held";
import { Exchange, type ExchangeHost } from "../../../src/server/exchange";
import { Load } from "../../../src/telemetry/load";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Bodies } from "../../../src/transports/bodies";
import { AnswerCode, bare, RequestKind } from "../../../src/session/answers";
import { waitFor } from "../../helpers/wait-for";

const PAUSE = 100;
/** Longer than a request waits, and than it takes to read what lies behind it. */
const LONG = 4 * PAUSE;

const GET = "GET /?t=a HTTP/1.1\r\nHost: here\r\n\r\n";
const POST = "POST /?t=b HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n4x";

/** A real HTTP server, since what counts is the order in which the runtime reads; the node is of the test. */
class Place {
  readonly held: Asked[] = [];
  /** What waits for the answers to those. */
  readonly waiting: WaitingConnection[] = [];
  readonly load = new Load();
  /** Requests that came. */
  came = 0;
  pause = 0;
  breaksOff = false;
  leaving = false;
  node: ClusterNode | undefined;
  /** For so long the turn of the event loop that reads a request goes on behind it, as where many others come with it. */
  turnMs = 0;
  readonly #server: Server;

  constructor() {
    const { held, waiting } = this;
    const pause = (): number => this.pause;
    const leaving = (): boolean => this.leaving;
    const node = {
      get pause() {
        return pause();
      },
      get leaving() {
        return leaving();
      },
      clock: runtimeClock,
      hold: (asked: Asked, connection: WaitingConnection) => {
        held.push(asked);
        waiting.push(connection);
        return new Held(asked);
      },
      release: () => undefined,
    };
    this.node = node as unknown as ClusterNode;
    this.#server = createServer((incoming, response) => {
      this.came++;
      this.load.requests++;
      const request = Object.assign(incoming, { _query: { EIO: "4" }, res: response });
      const exchange = new Exchange(this.#host, node as unknown as ClusterNode, request, response, "sid", "t", () => {
        assert.fail("refused");
      });
      if (request.method === "GET") exchange.poll();
      else exchange.post(100);
      setImmediate(() => {
        const end = performance.now() + this.turnMs;
        while (performance.now() < end);
      });
    });
  }

  get #host(): ExchangeHost {
    const breaksOff = (): boolean => this.breaksOff;
    const node = (): ClusterNode | undefined => this.node;
    const bodies = new Bodies(runtimeClock, this.load, { bodyBytes: 1000, bodyTimeout: 10_000 });
    return {
      load: this.load,
      bodies,
      closing: false,
      headers: () => undefined,
      httpCompression: false,
      get breaksOff() {
        return breaksOff();
      },
      get node() {
        return node();
      },
    };
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  /** A connection that the server has accepted. */
  async connection(): Promise<Socket> {
    const { port } = this.#server.address() as AddressInfo;
    const accepted = once(this.#server, "connection");
    const socket = connect(port, "127.0.0.1");
    await Promise.all([once(socket, "connect"), accepted]);
    return socket;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

describe("Exchange", () => {
  let place: Place;

  beforeEach(async () => {
    place = new Place();
    await place.listen();
  });

  afterEach(() => place.close());

  /** All of it is there before the server reads any of it, as behind a standstill. */
  async function comesAndIsGivenUp(request: string): Promise<void> {
    const connection = await place.connection();
    connection.write(request);
    connection.destroy();
    await waitFor("the request to come", () => Promise.resolve(place.came === 1));
    await sleep(LONG);
  }

  /** What is written there next; nothing, where the connection breaks instead. */
  function answerOn(connection: Socket): Promise<string> {
    return new Promise((resolve) => {
      connection.once("data", (data: Buffer) => {
        resolve(data.toString());
      });
      connection.once("close", () => {
        resolve("");
      });
    });
  }

  /** A poll that is held, and what it is answered. */
  async function answered(code: AnswerCode): Promise<string> {
    const connection = await place.connection();
    connection.write(GET);
    await waitFor("it to be held", () => Promise.resolve(place.waiting.length > 0));
    const answer = answerOn(connection);
    place.waiting.pop()?.answer(bare(code));
    const text = await answer;
    connection.destroy();
    return text;
  }

  for (const [code, status] of [
    [AnswerCode.Refused, 400],
    [AnswerCode.TooLarge, 413],
    [AnswerCode.Unavailable, 503],
  ] as const) {
    it(`makes a refusal a status on its connection: ${String(status)} (H5)`, async () => {
      assert.match(await answered(code), new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    });
  }

  it("says with each answer that the connection is at its end while the node leaves, and not before (L4)", async () => {
    assert.match(await answered(AnswerCode.Ok), /\r\nConnection: keep-alive\r\n/);
    place.leaving = true;
    assert.match(await answered(AnswerCode.Ok), /\r\nConnection: close\r\n/);
  });

  it("refuses a POST that is longer than a body may be, of which nobody is asked (H3)", async () => {
    const connection = await place.connection();
    let text: string | undefined;
    void answerOn(connection).then((answer) => (text = answer));
    connection.write(`POST /?t=b HTTP/1.1\r\nHost: here\r\nContent-Length: 101\r\n\r\n${"4".padEnd(101)}`);
    await waitFor("it to be answered, or held", () => text !== undefined || place.held.length > 0);
    assert.deepEqual(place.held, []);
    assert.match(text ?? "", /^HTTP\/1\.1 413 /);
    connection.destroy();
  });

  for (const [kind, what, request] of [
    [RequestKind.Get, "poll", GET],
    [RequestKind.Post, "POST", POST],
  ] as const) {
    it(`holds a ${what} at once when the node has not stood still`, async () => {
      const connection = await place.connection();
      connection.write(request);
      await waitFor("it to be held", () => Promise.resolve(place.held.length === 1));
      assert.equal(place.held[0]?.kind, kind);
      connection.destroy();
    });

    it(`holds a ${what} that came while the node stood still, and whose connection is open, a moment later`, async () => {
      place.pause = PAUSE;
      const connection = await place.connection();
      connection.write(request);
      const written = performance.now();
      await waitFor("it to be held", () => Promise.resolve(place.held.length === 1));
      assert.ok(performance.now() - written > PAUSE - 2, "it did not wait");
      assert.equal(place.held[0]?.kind, kind);
      connection.destroy();
    });

    it(`drops a ${what} that came while the node stood still, and whose connection has ended (H6)`, async () => {
      place.pause = PAUSE;
      await comesAndIsGivenUp(request);
      assert.deepEqual(place.held, []);
      assert.deepEqual([place.load.requests, place.load.bodyBytes], [0, 0]);
    });

    it(`drops such a ${what} also where reading all that came takes longer than the wait (H6)`, async () => {
      place.pause = PAUSE;
      place.turnMs = 1.5 * PAUSE;
      await comesAndIsGivenUp(request);
      assert.deepEqual(place.held, []);
      assert.equal(place.load.requests, 0);
    });

    for (const [why, happens] of [
      ["the node withdraws while it waits (I3)", () => (place.breaksOff = true)],
      ["the node is stopped while it waits", () => (place.node = undefined)],
    ] as const) {
      it(`breaks a ${what} off when ${why}`, async () => {
        place.pause = PAUSE;
        const connection = await place.connection();
        connection.write(request);
        await waitFor("it to come", () => Promise.resolve(place.came === 1));
        happens();
        await once(connection, "close");
        assert.deepEqual(place.held, []);
      });
    }
  }
});
