import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import engine, { type Server } from "../../src/index";
import type { Socket } from "../../src/session/socket";
import { http } from "../helpers/engines";
import { someCluster } from "../helpers/fabric";
import { until } from "../helpers/until";

interface Node {
  readonly engine: Server;
  readonly server: HttpServer;
  readonly cluster: NonNullable<Server["cluster"]>;
  readonly sockets: Socket[];
  /** The events of its cluster. */
  readonly events: string[];
}

const nodes: Node[] = [];

/** A node made as a user makes it, and not yet waited for. */
async function start(cluster: Awaited<ReturnType<typeof someCluster>>): Promise<Node> {
  const server = createServer();
  const made = engine(server, { cluster: { ...cluster, leaseTtl: 900, beatInterval: 100, pollGrace: 300 } });
  const node: Node = { engine: made, server, cluster: made.cluster ?? assert.fail(), sockets: [], events: [] };
  made.on("connection", (socket: Socket) => node.sockets.push(socket));
  node.cluster.on("node:join", (id: string) => node.events.push(`join ${id}`));
  node.cluster.on("node:leave", (id: string) => node.events.push(`leave ${id}`));
  node.cluster.on("error", ({ message }: Error) => node.events.push(message));
  nodes.push(node);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return node;
}

function handshake({ server }: Node): ReturnType<typeof http> {
  const { port } = server.address() as AddressInfo;
  return http(`http://127.0.0.1:${String(port)}/engine.io/?EIO=4&transport=polling`);
}

describe("server.cluster", () => {
  afterEach(async () => {
    for (const { engine, server } of nodes.splice(0)) {
      engine.close();
      server.close();
      server.closeAllConnections();
      await engine.closed();
    }
  });

  it("is none without a cluster", () => {
    const alone = engine();
    assert.equal(alone.cluster, undefined);
    alone.close();
  });

  it("before it has joined: requests are answered 503, and what it is asked throws", async () => {
    const { url } = await silentServer();
    const node = await start({
      redis: url.replace("http", "redis"),
      nats: url.replace("http", "nats"),
      prefix: "none",
    });
    const { status, headers } = await handshake(node);
    assert.deepEqual([status, headers["retry-after"]], [503, "1"]);
    assert.throws(() => node.cluster.send("sid", "x"), /engine\.ready\(\)/);
    assert.throws(() => node.cluster.close("sid"), /engine\.ready\(\)/);
    assert.throws(() => node.cluster.count(), /engine\.ready\(\)/);
    assert.deepEqual(node.cluster.nodes, []);
    assert.equal(node.cluster.stats().sessions, 0);
    await until("it tells of its trouble", () => node.events.length > 0);
    assert.match(node.events[0] ?? "", /^The connection to Redis at 127\.0\.0\.1:\d+ failed: connect ECONNREFUSED/);
  });

  it("knows the others, counts, sends and closes wherever a session is", async () => {
    const cluster = await someCluster();
    const [one, other] = [await start(cluster), await start(cluster)];
    await Promise.all([one.engine.ready(), other.engine.ready()]);
    await until("they know each other", () => one.cluster.nodes.length === 1 && other.cluster.nodes.length === 1);
    assert.deepEqual(one.cluster.nodes, [other.cluster.nodeId]);
    assert.deepEqual(other.cluster.nodes, [one.cluster.nodeId]);
    assert.deepEqual(one.events, [`join ${other.cluster.nodeId}`]);
    assert.equal((await handshake(one)).status, 200);
    assert.equal((await handshake(other)).status, 200);
    const [socket = assert.fail()] = one.sockets;
    await until("both are counted", async () => (await other.cluster.count()) === 2);
    assert.equal(one.engine.clientsCount, 1);
    assert.equal(one.cluster.stats().sessions, 1);
    assert.equal(one.cluster.stats().node, one.cluster.nodeId);
    const created: unknown[] = [];
    socket.on("packetCreate", ({ data, options }: { data: unknown; options: unknown }) =>
      created.push([data, options]),
    );
    assert.equal(await other.cluster.send(socket.id, "from elsewhere", { compress: false }), true);
    assert.deepEqual(created, [["from elsewhere", { compress: false }]]);
    assert.equal(await other.cluster.send("nobody", "x"), false);
    assert.equal(await other.cluster.close("nobody"), false);
    assert.equal(await other.cluster.close(socket.id), true);
    assert.equal(socket.readyState, "closing");
    assert.equal(await other.cluster.send(socket.id, "too late"), false);
  });

  it("hears of a node that leaves", async () => {
    const cluster = await someCluster();
    const [one, other] = [await start(cluster), await start(cluster)];
    await Promise.all([one.engine.ready(), other.engine.ready()]);
    await until("they know each other", () => one.cluster.nodes.length === 1);
    other.engine.close();
    await other.engine.closed();
    await until("it has left", () => one.cluster.nodes.length === 0);
    assert.deepEqual(one.events, [`join ${other.cluster.nodeId}`, `leave ${other.cluster.nodeId}`]);
  });
});

/** A port at which nobody listens any more. */
async function silentServer(): Promise<{ url: string }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return { url: `http://127.0.0.1:${String(port)}` };
}
