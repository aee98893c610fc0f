import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { NodeWebSocket, NodeXHR, Socket } from "engine.io-client";
import type { WebSocket } from "ws";
import { startCluster, type Cluster } from "../helpers/cluster";
import { startNginx, type Nginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";

const CLIENTS = 40;
const [OWNER, GATEWAY] = [0, 1] as const;
/** In milliseconds: far less than pingInterval and pingTimeout, behind which a client finds out by itself; more than a lease. */
const TOLD_WITHIN = 15_000;

/** Where the requests of a client go. */
interface Places {
  readonly owner: string;
  readonly gateway: string;
  readonly nginx: string;
}

/** Stock clients whose sessions one node owns, and whose websockets another one has, or the same. Their polls go through nginx. */
function stockClient({ owner, gateway, nginx }: Places, on: { open: () => void; close: () => void }): Socket {
  class Polls extends NodeXHR {
    protected override uri(): string {
      return to("sid" in this.query ? nginx : owner, super.uri());
    }
  }
  class WebSockets extends NodeWebSocket {
    override createSocket(...[uri, protocols, options]: Parameters<NodeWebSocket["createSocket"]>): unknown {
      const url = to(gateway.replace("http", "ws"), uri);
      const websocket = super.createSocket(url, protocols, options) as WebSocket;
      websocket.once("open", on.open).once("close", on.close);
      return websocket;
    }
  }
  return new Socket(nginx, { transports: [Polls, WebSockets] });
}

function to(base: string, uri: string): string {
  const { pathname, search } = new URL(uri);
  return base + pathname + search;
}

describe("a node is killed while stock clients go over to their websockets", () => {
  let backends: Backends;
  let cluster: Cluster | undefined;
  let nginx: Nginx | undefined;

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    await nginx?.stop();
    await cluster?.killAll();
    nginx = cluster = undefined;
  });

  after(() => backends.stop());

  for (const [what, gateway, victim] of [
    ["the owner, which has the websockets", OWNER, OWNER],
    ["the owner, and another node has the websockets", GATEWAY, OWNER],
    ["the node that has the websockets", GATEWAY, GATEWAY],
  ] as const) {
    test(`${what}: each goes on, or is told that its session is over`, async () => {
      const nodes = (cluster = await startCluster({ nodes: 3, ...backends.urls }));
      nginx = await startNginx({ upstreams: nodes.ports });
      const states = Array.from({ length: CLIENTS }, () => ({
        opened: false,
        hasWebSocket: false,
        lostWebSocket: false,
        probed: false,
        upgraded: false,
        closed: "",
        echoed: false,
      }));
      let killed: Promise<void> | undefined;
      let probed = 0;
      const clients = states.map((state) => {
        const places = { owner: nodes.urls[OWNER]!, gateway: nodes.urls[gateway]!, nginx: nginx!.url };
        const client = stockClient(places, {
          open: () => (state.hasWebSocket = true),
          close: () => (state.lostWebSocket = true),
        });
        client.on("open", () => (state.opened = true));
        client.on("upgrading", () => {
          state.probed = true;
          // The first have stopped polling, the last not yet.
          if (++probed === CLIENTS / 2) killed ??= nodes.kill(victim);
        });
        client.on("upgrade", () => (state.upgraded = true));
        client.on("close", (reason) => (state.closed = reason));
        client.on("message", () => (state.echoed = true));
        return client;
      });
      try {
        await waitFor("the kill", () => killed !== undefined);
        await killed;
        const since = performance.now();
        // Nobody can have taken these for gone over: they had not begun to, when the node was dead, or had not heard the answer to their
        // probe from a node that lives.
        const sure = states.filter(({ opened, hasWebSocket, probed }) => {
          return opened && !(gateway === victim ? hasWebSocket : probed);
        });
        for (const client of clients) client.send("are you there?");
        const open = (): typeof states => states.filter(({ closed, echoed }) => closed === "" && !echoed);
        // It has had its last answer, which was on its way when its websocket closed, and asks for no other: nobody can tell it anything
        // (U7). A few milliseconds are that, and more where the machine is slow.
        const cannotBeTold = (state: (typeof states)[number]): boolean =>
          gateway === victim && state.lostWebSocket && isPaused(clients[states.indexOf(state)]!);
        await waitFor(
          "each client to have its echo, or to be closed",
          () => open().every(cannotBeTold),
          TOLD_WITHIN,
        ).catch(() => undefined);
        const silent = open().filter(cannotBeTold);
        assert.deepEqual(
          open().filter((state) => !cannotBeTold(state)),
          [],
          "these hang",
        );
        assert.ok(silent.length <= CLIENTS / 4, `${silent.length} clients were not told`);
        assert.deepEqual(
          sure.filter(({ closed }) => closed !== ""),
          [],
          "these had not gone over, and their sessions are over",
        );
        const count = (what: (state: (typeof states)[number]) => boolean): string => String(states.filter(what).length);
        console.log(
          `${sure.length} had not begun; ${silent.length} could not be told; ${count(({ probed }) => probed)} were answered their probe; ${count(({ closed }) => closed !== "")} of ${CLIENTS} closed, ` +
            `${count(({ upgraded, closed }) => upgraded && closed === "")} by websocket, after ${Math.round(performance.now() - since)} ms`,
        );
      } finally {
        for (const client of clients) client.close();
      }
    });
  }
});

/** It has stopped polling, and its last poll and POST are answered. The types do not know the state. */
function isPaused({ transport }: Socket): boolean {
  return (transport as unknown as { readonly readyState: string }).readyState === "paused";
}
