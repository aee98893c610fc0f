import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket as NetSocket } from "node:net";
import { describe, it } from "node:test";
import type { ClusterNode } from "../../../src/routing/cluster-node";
import { ClusterHost } from "../../../src/server/cluster-host";
import { Engine } from "../../../src/server/engine";
import { encodingOf } from "../../../src/protocol/encoding";
import { Outbox } from "../../../src/session/outbox";
import { OwnedSession } from "../../../src/session/owned-session";
import type { EngineRequest } from "../../../src/transports/request";
import { HandClock } from "../../helpers/hand-clock";
import { FakeOwner } from "../session/owned-kit";

class NoWebSocketServer {
  close(): void {
    // There is nothing to close.
  }
}

/** An engine in a cluster, whose store takes every new session. */
class World {
  readonly did: string[] = [];
  readonly node = {
    withdrawn: false,
    leaving: false,
    start: () => Promise.resolve(),
    has: () => false,
    open: () => Promise.resolve({ kind: "ok" }),
    own: (sid: string, handshake: string) =>
      new OwnedSession(sid, new FakeOwner(), {
        encoding: encodingOf(4, false),
        transport: "polling",
        turn: 0,
        phase: "open",
        outbox: new Outbox(),
        answered: [],
        handled: [],
        handshake,
        extra: "",
      }),
  };
  readonly engine: Engine;
  readonly response = {
    shouldKeepAlive: true,
    writeHead: (status: number) => this.did.push(`status ${String(status)}`),
    end: (body: string) => {
      this.did.push(body.slice(0, 2));
      queueMicrotask(() => this.did.push("the tick is over"));
    },
  };

  constructor() {
    const clock = new HandClock();
    const make = (): Promise<ClusterNode> => Promise.resolve(this.node as unknown as ClusterNode);
    const setup = { clock, nodeId: "me", bufferLimit: { packets: 100, size: 1e6 }, make };
    const options = { wsEngine: NoWebSocketServer, httpCompression: false } as const;
    this.engine = new Engine(options, clock, (engine) => new ClusterHost(engine, setup));
    this.engine.on("connection", () => this.did.push("connection"));
  }

  async handshake(): Promise<void> {
    await this.engine.ready();
    const request = Object.assign(new IncomingMessage(new NetSocket()), { _query: { EIO: "4" }, res: this.response });
    await this.engine.host.handshake(request as unknown as EngineRequest, 4, () => assert.fail("refused"));
    await Promise.resolve();
  }
}

describe("a handshake in a cluster", () => {
  it("is answered with the open packet, and behind that, in the same tick, there is the connection (O11)", async () => {
    const world = new World();
    await world.handshake();
    assert.deepEqual(world.did, ["status 200", "0{", "connection", "the tick is over"]);
  });

  it("is answered on a connection that is at its end while the node leaves (L4)", async () => {
    for (const leaving of [false, true]) {
      const world = new World();
      world.node.leaving = leaving;
      await world.handshake();
      assert.equal(world.response.shouldKeepAlive, !leaving);
    }
  });
});
