import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClusterNode } from "../../../src/routing/cluster-node";
import type { Whereabouts } from "../../../src/routing/holder";
import { ClusterWebSockets, type WebSocketsHost } from "../../../src/server/cluster-websockets";
import type { Engine } from "../../../src/server/engine";
import type { WebSocketOffer } from "../../../src/server/host";
import type { Opened } from "../../../src/server/openings";

/** A node that leaves when the test says so, and what becomes of the websockets that come. */
class World {
  readonly did: string[] = [];
  readonly node = {
    leaving: false,
    withdrawn: false,
    find: () => {
      this.did.push("looked for");
      return this.found;
    },
  };
  found: Promise<Whereabouts> = Promise.resolve({ kind: "away" });
  readonly #websockets: ClusterWebSockets;

  constructor() {
    const engine = { admission: { takeRequest: () => undefined }, load: { requests: 0 } };
    const host = {
      node: this.node as unknown as ClusterNode,
      closing: false,
      open: (): Promise<Opened> => {
        this.did.push("opened");
        return Promise.resolve({ kind: "away" });
      },
    };
    this.#websockets = new ClusterWebSockets(engine as unknown as Engine, host as unknown as WebSocketsHost);
  }

  /** A websocket comes, of that session or for a new one. */
  async comes(sid: string | undefined): Promise<void> {
    const offer = {
      request: { _query: sid === undefined ? {} : { sid }, headers: {}, socket: {} },
      accept: () => this.did.push("accepted"),
      refuse: () => this.did.push("refused"),
      unavailable: () => this.did.push("answered 503"),
      abandon: () => this.did.push("broken off"),
    };
    this.#websockets.take(offer as unknown as WebSocketOffer, 4);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("L3: a websocket that comes to a node that leaves", () => {
  for (const [what, sid] of [
    ["begins a session", undefined],
    ["is for one that polls", "s"],
  ] as const) {
    it(`is broken off at once where it ${what}, so that it goes to another node`, async () => {
      const world = new World();
      world.node.leaving = true;
      await world.comes(sid);
      assert.deepEqual(world.did, ["broken off"]);
      world.node.leaving = false;
      world.did.splice(0);
      await world.comes(sid);
      assert.deepEqual(world.did, [sid === undefined ? "opened" : "looked for", "answered 503"]);
    });
  }

  it("is broken off too where the node began to leave while its session was looked for", async () => {
    const world = new World();
    let tell: (found: Whereabouts) => void = () => undefined;
    world.found = new Promise((resolve) => (tell = resolve));
    await world.comes("s");
    world.node.leaving = true;
    tell({ kind: "at", node: "b", protocol: 4 });
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(world.did, ["looked for", "broken off"]);
  });
});
