import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { describe, it } from "node:test";
import type { RequestSource } from "../../../src/server/attach";
import { HttpServers } from "../../../src/server/http-servers";
import { HandClock } from "../../helpers/hand-clock";

/** A server, and one connection that a request came by. */
class World {
  readonly clock = new HandClock();
  readonly connection = Object.assign(new EventEmitter(), { destroyed: false, writableLength: 0 });
  /** How often the idle connections were closed. */
  closed = 0;
  readonly server = {
    listening: true,
    close: () => {
      this.server.listening = false;
    },
    closeIdleConnections: () => {
      this.closed++;
    },
  };
  readonly servers = new HttpServers(this.clock);

  constructor() {
    this.servers.add(this.server as unknown as RequestSource);
    this.servers.onRequest(this.connection as unknown as Duplex);
  }
}

describe("L4: the connections of a node that takes no more", () => {
  it("are closed when they are idle, again and again, until none is left", () => {
    const world = new World();
    world.servers.stopListening();
    assert.deepEqual([world.server.listening, world.closed], [false, 1]);
    world.clock.advance(100);
    assert.equal(world.closed, 5);
    world.connection.emit("close");
    world.clock.advance(100);
    assert.deepEqual([world.closed, world.clock.timers], [6, 0]);
  });

  it("are not closed before an answer is written: the runtime takes them for idle", async () => {
    const world = new World();
    world.connection.writableLength = 1;
    world.servers.stopListening();
    world.clock.advance(100);
    assert.equal(world.closed, 0);
    let written = false;
    void world.servers.written(1000).then(() => (written = true));
    await Promise.resolve();
    assert.equal(written, false);
    world.connection.writableLength = 0;
    world.clock.advance(25);
    assert.equal(world.closed, 1);
    for (let i = 0; i < 5; i++) await Promise.resolve();
    assert.equal(written, true);
  });
});
