import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { until } from "../helpers/until";

interface Seen {
  readonly node: number;
  readonly socket: Socket;
}

function connections(engines: TestEngines): Seen[] {
  const seen: Seen[] = [];
  engines.engines.forEach((engine: Engine, node) => {
    engine.on("connection", (socket: Socket) => {
      seen.push({ node, socket });
      socket.on("message", (data: unknown) => socket.send(data));
    });
  });
  return seen;
}

async function withCluster(takeover: "adopt" | "close", test: (engines: TestEngines) => Promise<void>): Promise<void> {
  const engines = await startEngines("next", {}, { takeover, beatInterval: 100, pollGrace: 300 });
  try {
    await test(engines);
  } finally {
    await engines.stop();
  }
}

describe("the owner of a session dies", () => {
  it("and another node goes on with it: same id, data, request, and what waited", async () => {
    await withCluster("adopt", async (engines) => {
      const seen = connections(engines);
      const client = await RawClient.open(engines);
      const first = seen[0] ?? assert.fail();
      first.socket.data = { user: "ada" };
      first.socket.send("waits");
      await until("the turn is recorded", () => engines.records?.look(client.sid).kind === "found");
      await until("the packet is recorded", () => {
        const found = engines.records?.look(client.sid);
        return found?.kind === "found" && found.turn > 0;
      });
      engines.kill(first.node);
      assert.equal((await client.post("4hello")).status, 200);
      const second = seen[1] ?? assert.fail();
      assert.notEqual(second.node, first.node);
      assert.equal(second.socket.id, client.sid);
      assert.equal(second.socket.recovered, true);
      assert.equal(first.socket.recovered, false);
      assert.deepEqual(second.socket.data, { user: "ada" });
      assert.match(second.socket.request.url ?? "", /^\/engine\.io\/\?EIO=4&transport=polling/);
      assert.equal(second.socket.request.headers.host, first.socket.request.headers.host);
      assert.equal(second.socket.remoteAddress, first.socket.remoteAddress);
      const got = (await client.poll()).body.split("\x1e").filter((packet) => packet !== "2");
      assert.deepEqual(got, ["4waits", "4hello"]);
    });
  });

  it("and its client is told to reconnect, where sessions are not to be adopted", async () => {
    await withCluster("close", async (engines) => {
      const seen = connections(engines);
      const client = await RawClient.open(engines);
      engines.kill(seen[0]?.node ?? assert.fail());
      assert.match((await client.poll()).body, /(^|\x1e)1$/);
      assert.equal(seen.length, 1);
      const late = await client.poll();
      assert.deepEqual([late.status, late.body], [400, '{"code":1,"message":"Session ID unknown"}']);
    });
  });
});
