import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import { MemoryBus } from "../../src/bus/memory/memory-bus";
import { MessageCodec } from "../../src/bus/message";
import { MessageKind } from "../../src/routing/messages";
import type { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { MemoryStore } from "../../src/store/memory";
import { http, RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { raw, UPGRADE } from "../helpers/raw-http";
import { until } from "../helpers/until";

type ClaimArguments = Parameters<MemoryStore["claim"]>;

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

/** A session, who owns it, and another node. */
async function openSession(engines: TestEngines) {
  const seen = connections(engines);
  const client = await RawClient.open(engines);
  const { node, socket } = seen[0] ?? assert.fail();
  const owner = engines.nodes[node] ?? assert.fail();
  const other = (node + 1) % engines.nodes.length;
  const { id } = engines.nodes[other] ?? assert.fail();
  return { seen, client, node, socket, owner, other, id };
}

/** Where the client polls next, at this node and not at the next one. */
function pollUrl(engines: TestEngines, client: RawClient, node: number): string {
  return client.url(client.t()).replace(/:\d+\//, `:${String(engines.ports[node])}/`);
}

async function withCluster(
  takeover: "adopt" | "close",
  test: (engines: TestEngines) => Promise<void>,
  leaseTtl = 5000,
): Promise<void> {
  const engines = await startEngines("next", {}, { takeover, beatInterval: 100, pollGrace: 300, leaseTtl });
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

describe("a node is asked for a session whose claim the store has made, and not answered yet", () => {
  it("waits for that answer: told thrice that it is not the owner, others would claim from it what it is about to have", async (t) => {
    await withCluster("adopt", async (engines) => {
      const { seen, client, node, other } = await openSession(engines);
      const third = 3 - node - other;
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` below
      const claim = MemoryStore.prototype.claim;
      t.mock.method(MemoryStore.prototype, "claim", async function (this: MemoryStore, ...args: ClaimArguments) {
        const result = await claim.apply(this, args);
        await pause(600);
        return result;
      });
      engines.kill(node);
      const at = (index: number): string => pollUrl(engines, client, index);
      const posted = http(at(other), { method: "POST", body: "4hello" });
      await until("the record names the next owner", () => {
        const found = engines.records?.look(client.sid);
        return found?.kind === "found" && found.owner === engines.nodes[other]?.id;
      });
      const [poll, post] = await Promise.all([http(at(third)), posted]);
      assert.deepEqual([poll.status, post.status], [200, 200]);
      assert.deepEqual(
        seen.map((one) => one.node),
        [node, other],
      );
      assert.ok(poll.body.split("\x1e").includes("4hello"), poll.body);
      assert.equal(engines.counters[other]?.read()["lost"], undefined);
    });
  });
});

describe("a node claims a session of which it has a copy of the time before", () => {
  it("closes the copy, which nobody asks or answers any more, and goes on with what the record says", async () => {
    await withCluster("adopt", async (engines) => {
      const { seen, client, node, socket: stale, owner } = await openSession(engines);
      const records = engines.records ?? assert.fail();
      const copy = owner.session(client.sid);
      const closes: string[] = [];
      stale.on("close", (reason: string) => closes.push(reason));
      const poll = client.poll();
      await until("the poll is parked", () => owner.vitals.parkedPolls === 1);
      // By a node that says nothing of it, and dies.
      const found = records.look(client.sid);
      assert.ok(found.kind === "found");
      const claimed = records.claim(client.sid, "in between", found.turn);
      assert.ok(claimed.kind === "ok");
      const { turn } = claimed.record;
      await owner.claim(client.sid, { ...found, owner: "in between", turn });
      assert.deepEqual(closes, ["taken over"]);
      const { socket: next } = seen[1] ?? assert.fail("there is no second connection");
      assert.deepEqual([seen[1]?.node, next.recovered], [node, true]);
      assert.notEqual(owner.session(client.sid), copy);
      // Its turns would be taken for repetitions of those that were made meanwhile.
      copy?.prove();
      stale.send("of the time before");
      next.send("of now");
      const packets = (await poll).body.split("\x1e").filter((packet) => packet !== "2");
      assert.deepEqual(packets, ["4of now"]);
      assert.equal((await client.post("4hello")).status, 200);
      const after = (await client.poll()).body.split("\x1e").filter((packet) => packet !== "2");
      assert.deepEqual(after, ["4hello"]);
      assert.equal(closes.length, 1);
    });
  });
});

describe("L3: a websocket that comes to a node that leaves", () => {
  it("is broken off and not refused, so that a balancer sends it to another node", async () => {
    await withCluster("adopt", async (engines) => {
      const [engine] = engines.engines;
      assert.ok(engine);
      // The engine's own stops listening early; whoever was connected before may still ask.
      const face = createServer().on("upgrade", (request, socket, head) => engine.handleUpgrade(request, socket, head));
      face.listen(0, "127.0.0.1");
      await once(face, "listening");
      try {
        const { port } = face.address() as AddressInfo;
        const url = `ws://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=websocket`;
        const early = new WebSocket(url);
        await once(early, "open");
        const closed = once(early, "close");
        const left = engine.drain({ timeout: 2000 });
        for (const sid of ["", "&sid=of-a-session"]) {
          await assert.rejects(raw(`${url.replace("ws", "http")}${sid}`, { headers: UPGRADE }), { code: "ECONNRESET" });
        }
        assert.deepEqual((await closed)[0], 1001);
        await left;
      } finally {
        face.close();
        face.closeAllConnections();
      }
    });
  });
});

describe("a node that leaves before it has read who the others are", () => {
  it("finds them, and hands its sessions over", async () => {
    await withCluster(
      "adopt",
      async (engines) => {
        const { seen, client, node, socket, owner: leaver } = await openSession(engines);
        // The first to take its lease has seen no other, and reads the list again when it renews it.
        assert.deepEqual(leaver.others, []);
        const closes: string[] = [];
        socket.on("close", (reason: string) => closes.push(reason));
        await leaver.leave(4000, () => undefined);
        assert.equal(seen.length, 2, "nobody has the session");
        assert.deepEqual([seen[1]?.node === node, seen[1]?.socket.recovered, closes], [false, true, ["taken over"]]);
        assert.equal((await client.post("4hello")).status, 200);
      },
      60_000,
    );
  });
});

describe("a node dies right behind the answer to a handshake", () => {
  it("and has the session in its index: it was put there before the record was made", async () => {
    await withCluster("adopt", async (engines) => {
      const records = engines.records ?? assert.fail();
      const open = records.open.bind(records);
      let listed: boolean | undefined;
      records.open = (opening) => {
        listed = records.indexSlice(opening.node, "0").sids.includes(opening.sid);
        return open(opening);
      };
      await RawClient.open(engines);
      assert.equal(listed, true);
    });
  });

  it("and has nothing there of one that was refused", async () => {
    await withCluster("adopt", async (engines) => {
      const records = engines.records ?? assert.fail();
      let asked: { readonly node: string; readonly sid: string } | undefined;
      records.open = (opening) => {
        asked = opening;
        return { kind: "exists" };
      };
      await RawClient.open(engines).catch(() => undefined);
      const { node } = asked ?? assert.fail();
      await until("the index is empty", () => records.indexSlice(node, "0").sids.length === 0);
    });
  });
});

describe("H7: a node's lease has ended", () => {
  it("and what it asked under it comes only now: it is not handled, as what it asks under its next lease is", async () => {
    // The owner's own lasts, also where the machine is slow.
    const ttl = 1_500;
    await withCluster(
      "adopt",
      async (engines) => {
        const { client, node, socket, owner, other: holder, id } = await openSession(engines);
        const heard: unknown[] = [];
        socket.on("message", (data: unknown) => heard.push(data));
        const ask = (kind: number, t: string, body: string, incarnation: number): void => {
          owner.onFrame(id, { kind, sid: client.sid, t, n: 4, body }, incarnation);
        };
        ask(MessageKind.AskPost, "1", "4in time", 1);
        await until("it is handled", () => heard.length === 1);
        engines.kill(holder);
        await until("its lease has ended", () => owner.leaseEnded(id));
        ask(MessageKind.AskPost, "2", "4late", 1);
        ask(MessageKind.AskGet, "3", "", 1);
        assert.equal(owner.vitals.parkedPolls, 0);
        ask(MessageKind.AskPost, "4", "4by its next lease", 2);
        await until("that is handled", () => heard.length > 1);
        assert.deepEqual(heard, ["in time", "by its next lease"]);
        assert.equal(engines.counters[node]?.read()["bygone"], 2);
      },
      ttl,
    );
  });

  it("as far as the store knew, which had lost it: what it asked meanwhile is asked again when the lease is back", async () => {
    // A third of it is longer than polls that wait are said again by themselves.
    const ttl = 4000;
    await withCluster(
      "adopt",
      async (engines) => {
        const { client, node, socket, owner, other: holder, id } = await openSession(engines);
        await until("they know each other", () => owner.others.includes(id));
        await until("its lease has ended", async () => {
          engines.records?.release(id);
          await owner.lookAround(1000);
          return owner.leaseEnded(id);
        });
        const poll = http(pollUrl(engines, client, holder));
        // Where the test fails before.
        poll.catch(() => undefined);
        await until("it was dropped", () => (engines.counters[node]?.read()["bygone"] ?? 0) > 0);
        await until("the poll is parked", () => owner.vitals.parkedPolls === 1);
        socket.send("hello");
        assert.equal((await poll).body, "4hello");
      },
      ttl,
    );
  });
});

describe("a node is dead, and a last word of it comes late", () => {
  it("which is not waited for again: a broken poll has no more than its grace", async () => {
    await withCluster(
      "adopt",
      async (engines) => {
        const { client, node, socket, owner, other: dead, id } = await openSession(engines);
        await until("they know each other", () => owner.others.includes(id));
        engines.kill(dead);
        await until("its lease has ended", () => owner.leaseEnded(id));
        const bus = engines.buses[node];
        assert.ok(bus instanceof MemoryBus);
        const codec = new MessageCodec(id, []);
        codec.begin(1);
        for (const bytes of codec.beats([], 1000)) bus.receive(bytes);
        const reasons: string[] = [];
        socket.on("close", (reason: string) => reasons.push(reason));
        const poll = request(pollUrl(engines, client, node)).on("error", () => undefined);
        poll.end();
        await until("it is parked", () => owner.vitals.parkedPolls === 1);
        poll.destroy();
        await until("its session is closed", () => reasons.length > 0);
        assert.deepEqual(reasons, ["transport error"]);
      },
      1_500,
    );
  });
});
