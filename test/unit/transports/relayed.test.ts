import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { describe, it } from "node:test";
import { DirectJournal } from "../../../src/session/direct-journal";
import { Heartbeat } from "../../../src/session/heartbeat";
import { Socket, type SocketHost } from "../../../src/session/socket";
import { RelayedTransport, type RelayPipe } from "../../../src/transports/relayed";
import { HandClock } from "../../helpers/hand-clock";

const LIMIT = 100;

/** What was sent, for the gateway. */
class Pipe implements RelayPipe {
  readonly sent: string[] = [];
  congested = false;

  send(message: string | Buffer): void {
    this.sent.push(String(message));
  }

  close(): void {
    // Nobody is there.
  }

  leave(): void {
    // As above.
  }
}

/** A session whose websocket another node holds. */
class World {
  readonly pipe = new Pipe();
  readonly transport: RelayedTransport;
  readonly socket: Socket;
  readonly events: string[] = [];
  #counted = 0;
  #written = 0;

  constructor(limit = LIMIT) {
    this.transport = new RelayedTransport(4, this.pipe, limit);
    const times = { pingInterval: 25_000, pingTimeout: 20_000 };
    const opts = { ...times, maxHttpBufferSize: 1e6, initialPacket: undefined, transports: ["websocket"] };
    const server: SocketHost = Object.assign(new EventEmitter(), {
      opts,
      heartbeat: new Heartbeat(new HandClock(), times),
      upgrades: () => [],
      tryUpgrade: () => undefined,
    });
    this.socket = new Socket({
      id: "s",
      server,
      transport: this.transport,
      request: new IncomingMessage(new NetSocket()),
      remoteAddress: "",
      protocol: 4,
    });
    this.socket.useJournal(new DirectJournal(this.socket, this.transport));
    this.socket.onOpen();
    this.written();
    this.pipe.sent.splice(0);
    this.#counted = 0;
    for (const name of ["drain", "ready"] as const)
      this.transport.on(name, () => this.events.push(`${name} ${String(this.transport.writable)}`));
  }

  /** The gateway's runtime has taken all that was sent. */
  written(): void {
    for (const message of this.pipe.sent.slice(this.#counted)) this.#written += message.length;
    this.#counted = this.pipe.sent.length;
    this.transport.onWritten(this.#written);
  }
}

describe("a websocket that another node holds, at its owner", () => {
  it("takes what a callback sends, 20,000 times one after the other", () => {
    const { socket, pipe } = new World(Infinity);
    let left = 20_000;
    const pump = (): void => {
      if (left-- > 0) socket.send(String(left), pump);
    };
    pump();
    assert.equal(pipe.sent.length, 20_000);
    assert.deepEqual([pipe.sent[0], pipe.sent.at(-1)], ["419999", "40"]);
    assert.equal(socket.writeBuffer.length, 0);
  });

  it("takes what listeners of drain send, 20,000 times, in order", () => {
    const { socket, pipe } = new World(Infinity);
    let next = 1;
    socket.on("drain", () => {
      if (next < 20_000) socket.send(String(next++));
    });
    socket.send("0");
    assert.deepEqual(
      pipe.sent,
      Array.from({ length: 20_000 }, (_, i) => `4${String(i)}`),
    );
  });

  it("has what a listener sent that throws", () => {
    const { socket, pipe } = new World();
    socket.once("drain", () => {
      socket.send("behind");
      throw new Error("the application's");
    });
    assert.throws(() => socket.send("first"), /the application's/);
    assert.deepEqual(pipe.sent, ["4first", "4behind"]);
    socket.send("last");
    assert.equal(pipe.sent.at(-1), "4last");
  });

  it("says drain, then ready, when it is writable again, and what waited is sent then", () => {
    const world = new World();
    const { transport, socket, pipe, events } = world;
    socket.send("x".repeat(LIMIT));
    socket.send("waits");
    assert.deepEqual([transport.writable, pipe.sent.length], [false, 1]);
    events.splice(0);
    // As far as it was told.
    transport.onWritten(0);
    assert.equal(events.length, 0);
    world.written();
    assert.equal(events[0], "drain true");
    assert.equal(pipe.sent.at(-1), "4waits");
    // What waited is sent by the first who hears of "ready", with a "drain" of its own.
    assert.deepEqual(events.slice(1), ["drain true", "ready true"]);
  });

  for (const first of ["credit", "the way"] as const) {
    it(`waits for credit and for the way to the gateway, and says drain and ready once, at the second: ${first} first`, () => {
      const world = new World();
      const { transport, socket, pipe, events } = world;
      socket.send("x".repeat(LIMIT));
      pipe.congested = true;
      socket.send("waits");
      events.splice(0);
      const free = (): void => {
        pipe.congested = false;
        transport.resume();
      };
      const [one, other] = first === "credit" ? [() => world.written(), free] : [free, () => world.written()];
      one();
      assert.deepEqual([transport.writable, events.length, pipe.sent.length], [false, 0, 1]);
      other();
      assert.deepEqual([transport.writable, pipe.sent.at(-1)], [true, "4waits"]);
      // And the drain of what waited.
      assert.deepEqual(events, ["drain true", "drain true", "ready true"]);
      transport.resume();
      assert.equal(pipe.sent.length, 2);
    });
  }

  it("asks nobody for the way where there is nothing to say", () => {
    const { socket, pipe } = new World();
    let asked = 0;
    Object.defineProperty(pipe, "congested", { get: () => asked++ < 0 });
    socket.flush();
    assert.equal(asked, 0);
    socket.send("a");
    // Before it was sent, and by what this test listens with.
    assert.equal(asked, 2);
  });

  it("is closed behind what waits for the way", () => {
    const { transport, socket, pipe } = new World();
    pipe.congested = true;
    socket.send("waits");
    socket.close();
    assert.deepEqual([pipe.sent, transport.readyState], [[], "open"]);
    pipe.congested = false;
    transport.resume();
    assert.deepEqual([pipe.sent, transport.readyState], [["4waits"], "closed"]);
  });

  for (const full of [false, true]) {
    it(`is closed behind what a callback sent before it closed${full ? ", where the way was full by then" : ""}`, () => {
      const { transport, socket, pipe } = new World();
      pipe.close = () => pipe.sent.push("close");
      socket.send("last", () => {
        socket.send("bye");
        pipe.congested = full;
        socket.close();
      });
      if (full) {
        assert.deepEqual(pipe.sent, ["4last"]);
        pipe.congested = false;
        transport.resume();
      }
      assert.deepEqual(pipe.sent, ["4last", "4bye", "close"]);
    });
  }

  it("lets a program go on that waits for drain where it cannot be written to", async () => {
    const world = new World();
    const { transport, socket } = world;
    socket.send("x".repeat(LIMIT));
    assert.equal(transport.writable, false);
    const drained = EventEmitter.once(transport, "drain");
    world.written();
    await drained;
    assert.equal(transport.writable, true);
  });
});
