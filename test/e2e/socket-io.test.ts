import assert from "node:assert/strict";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { startCluster, type Cluster } from "../helpers/cluster";
import { startNginx, type Nginx } from "../helpers/nginx";
import { ChatClient, takeTurn, type ClientOptions } from "../helpers/socket-io-clients";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";

const APP = join(__dirname, "../helpers/socket-io-app.cjs");
const ADAPTERS = ["redis-adapter", "redis-adapter on ioredis", "redis-streams-adapter"];
const ROOM = "everybody";

/** Three nodes of the command with plain Socket.IO on each, and nginx, which gives each request to the next of them. */
interface World {
  readonly cluster: Cluster;
  readonly nginx: Nginx;
  readonly pids: readonly number[];
  readonly open: (name: string, options?: ClientOptions, namespace?: string) => ChatClient;
}

/** A client, and the process that has its connection. */
interface Placed {
  readonly client: ChatClient;
  readonly pid: number;
}

describe("plain Socket.IO on three nodes", () => {
  let backends: Backends;
  const stops: (() => unknown)[] = [];

  before(async () => {
    backends = await startBackends();
  });

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  after(() => backends.stop());

  async function start(adapter: string, more: Readonly<Record<string, string>> = {}): Promise<World> {
    const env = { TAKEOVER: "close", ENGINE_PATH: "/socket.io", LEASE_TTL: "3000", ...more };
    const ofApp = { ADAPTER: adapter, ADAPTER_REDIS: backends.redis.url };
    const cluster = await startCluster({ nodes: 3, ...backends.urls, app: APP, env: { ...env, ...ofApp } });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const pids = [0, 1, 2].map((i) => cluster.node(i).process.pid);
    const open = (name: string, options?: ClientOptions, namespace = "/"): ChatClient => {
      const client = new ChatClient(nginx.url + namespace, name, [ROOM], options);
      stops.push(() => client.close());
      return client;
    };
    return { cluster, nginx, pids, open };
  }

  for (const adapter of ADAPTERS) {
    test(`what applications do, each request on the next node [${adapter}]`, async () => {
      const world = await start(adapter);
      const placed = await openEverywhere(world, [["polling"], ["websocket"], ["polling", "websocket"]]);
      const clients = placed.map(({ client }) => client);
      await checkMiddlewares(world);
      await checkRooms(clients);
      await checkAcknowledgements(world, clients);
      await checkNamespace(world, clients);
      const { byUpstream, refused } = await world.nginx.counts();
      assert.deepEqual(refused, []);
      assert.equal(Object.keys(byUpstream).length, 3);
      // Last: a client that closes while its session is being closed may be told that there is none any more.
      await checkDisconnect(clients);
    });
  }

  for (const adapter of ADAPTERS) {
    test(`kill -9 of a node: its clients connect anew, the others lose nothing [${adapter}]`, async (t) => {
      const world = await start(adapter);
      const placed = await openEverywhere(world, [["polling"], ["websocket"]]);
      const dead = placed[0]!.pid;
      const orphans = placed.filter(({ pid }) => pid === dead).map(({ client }) => client);
      const others = placed.filter(({ pid }) => pid !== dead).map(({ client }) => client);
      t.diagnostic(`${orphans.length} clients of the node that dies, ${others.length} of the others`);
      const speech = startSpeech(others.slice(0, 4));
      await waitFor("something is said", () => others.every(({ said }) => said.length > 20));

      await world.cluster.kill(world.pids.indexOf(dead));

      await waitFor("all clients of the dead node are back", () => orphans.every(({ joined }) => joined === 2));
      const back = await Promise.all(orphans.map((client) => client.where()));
      assert.ok(!back.includes(dead));
      const said = await speech.end();
      for (const client of others) {
        const { disconnects } = client;
        await waitFor("all that was said has come", () => client.said.length >= said.length);
        assert.deepEqual({ disconnects, said: bySpeaker(client.said) }, { disconnects: [], said: bySpeaker(said) });
      }
      // Its next poll tells a polling client that the session is over; it does not have to find that out.
      for (const { disconnects } of orphans) assert.deepEqual(disconnects, ["transport close"]);
      const clients = placed.map(({ client }) => client);
      const names = clients.map((_, i) => `client ${i}`).sort();
      await waitFor("the rooms are complete", async () => {
        return (await others[0]!.ask<string[]>("names", ROOM)).join() === names.join();
      });
      await checkRooms(clients);
    });
  }

  test("connection state recovery: a client goes on at another node, with what it missed", async () => {
    const world = await start("redis-streams-adapter", { RECOVERY: "1" });
    const placed = await openEverywhere(world, [["polling"]]);
    const [first, speaker] = [placed[0]!, placed.find(({ pid }) => pid !== placed[0]!.pid)!];
    const { client } = first;
    const { id } = client.socket;
    const said: unknown[] = [];
    const moved = new Set([first.pid]);
    for (let n = 0; moved.size < 3; n++) {
      assert.ok(n < 40, "the client does not come to every node");
      said.push(`heard ${n}`, `missed ${n}`);
      await speaker.client.ask("say", ROOM, `heard ${n}`);
      await waitFor("the client has heard it", () => client.said.length === said.length - 1);
      client.socket.io.engine.close();
      if (n % 4 === 3) await takeTurn(world.nginx.url);
      await speaker.client.ask("say", ROOM, `missed ${n}`);
      await waitFor("the client is back", () => client.joined === n + 2);
      assert.deepEqual([client.socket.recovered, client.socket.id], [true, id]);
      await waitFor("what it missed has come", () => client.said.length === said.length);
      moved.add(await client.where());
    }
    assert.deepEqual(client.said, said);
  });
});

/** Clients of each of these kinds, until each node has two of each. */
async function openEverywhere(world: World, kinds: readonly string[][]): Promise<Placed[]> {
  const placed: Placed[] = [];
  for (const transports of kinds) {
    const found = new Map<number, number>(world.pids.map((pid) => [pid, 0]));
    for (let tries = 0; [...found.values()].some((count) => count < 2); tries++) {
      assert.ok(tries < 40, "connections do not come to every node");
      if (tries % 4 === 3) await takeTurn(world.nginx.url);
      const client = world.open(`client ${placed.length}`, { transports });
      await waitFor("the client has joined", () => client.joined === 1);
      const wanted = transports.at(-1);
      await waitFor(`the client has ${wanted}`, () => client.transport === wanted);
      const pid = await client.where();
      found.set(pid, (found.get(pid) ?? 0) + 1);
      placed.push({ client, pid });
    }
  }
  return placed;
}

/** Each of these says to all what nobody has said before, again and again. */
function startSpeech(speakers: readonly ChatClient[]): { end: () => Promise<unknown[]> } {
  const said: unknown[] = [];
  let ended = false;
  const speak = async (speaker: ChatClient, who: number): Promise<void> => {
    for (let n = 1; !ended; n++) {
      await speaker.ask("say", ROOM, [who, n, Buffer.from([n % 256])]);
      said.push([who, n, Buffer.from([n % 256])]);
    }
  };
  const all = Promise.all(speakers.map(speak));
  // Where it fails before its end is waited for, the end says so.
  all.catch(() => undefined);
  return {
    end: async () => {
      ended = true;
      await all;
      return said;
    },
  };
}

/** What each speaker said, in the order in which it came; one speaker's words and another's may come in any order. */
function bySpeaker(said: readonly unknown[]): Map<unknown, unknown[]> {
  const speakers = new Map<unknown, unknown[]>([...said].map((value) => [(value as unknown[])[0], []]));
  for (const value of said) speakers.get((value as unknown[])[0])?.push(value);
  return new Map([...speakers].sort(([one], [other]) => Number(one) - Number(other)));
}

async function checkMiddlewares({ nginx, pids, open }: World): Promise<void> {
  const seen = new Set<string | null>();
  for (let i = 0; i < 12; i++) {
    const response = await fetch(`${nginx.url}/socket.io/?EIO=4&transport=polling`);
    await response.text();
    seen.add(response.headers.get("x-node"));
  }
  assert.deepEqual([...seen].sort(), pids.map(String).sort());
  const mallory = open("mallory", { reconnection: false });
  await waitFor("mallory is refused", () => mallory.refused.length > 0);
  assert.deepEqual(mallory.refused, ["not you"]);
  const alice = open("alice");
  const toldOff = new Promise((resolve) => alice.socket.once("told off", resolve));
  alice.socket.emit("forbidden");
  assert.equal(await toldOff, "no such event");
  // She stays until the test ends: a poll on its way that a close overtakes would be refused, as by any server.
  await alice.ask("leave", ROOM);
}

/** What one says, all get once; others are those who did not say it. */
async function checkRooms(clients: readonly ChatClient[]): Promise<void> {
  for (const { said } of clients) said.length = 0;
  const value = { text: "é😀", bytes: Buffer.from("bytes"), list: [1, null] };
  const [first] = clients;
  await first!.ask("say", ROOM, value);
  await waitFor("all have heard it", () => clients.every(({ said }) => said.length === 1));
  await clients.at(-1)!.ask("say to others", ROOM, "to others");
  await waitFor("the others have heard it", () => clients.slice(0, -1).every(({ said }) => said.length === 2));
  // Behind it, whatever was said too often has come.
  await first!.ask("say", ROOM, "last");
  await waitFor("all have heard the last", () => clients.every(({ said }) => said.at(-1) === "last"));
  for (const client of clients) {
    const others = client === clients.at(-1) ? [] : ["to others"];
    assert.deepEqual(client.said, [value, ...others, "last"]);
  }
}

async function checkAcknowledgements({ pids }: World, clients: readonly ChatClient[]): Promise<void> {
  const [first] = clients;
  const value = [Buffer.from([0, 255]), "text"];
  for (const client of clients) assert.deepEqual(await client.ask("echo", value), value);
  const names = clients.map((_, i) => `client ${i}`);
  const answers = await first!.ask<[string, unknown][]>("ask", ROOM, "how are you?");
  assert.deepEqual(answers.sort(), names.map((name) => [name, "how are you?"]).sort());
  assert.deepEqual(await first!.ask("names", ROOM), [...names].sort());
  await waitFor("the nodes know each other", async () => (await first!.ask<number[]>("nodes")).length === 3);
  assert.deepEqual((await first!.ask<number[]>("nodes")).sort(), [...pids].sort());
}

async function checkNamespace({ open }: World, clients: readonly ChatClient[]): Promise<void> {
  for (const { said } of clients) said.length = 0;
  const tenants = Array.from({ length: 4 }, (_, i) => open(`tenant ${i}`, {}, "/tenant-7"));
  await waitFor("the tenants are there", () => tenants.every(({ joined }) => joined === 1));
  await tenants[0]!.ask("say", ROOM, "among us");
  await waitFor("the tenants have heard it", () => tenants.every(({ said }) => said.length === 1));
  assert.deepEqual(
    clients.filter(({ said }) => said.length > 0),
    [],
  );
  await clients[0]!.ask("move", ROOM, "elsewhere");
  await waitFor("all have moved", async () => (await clients[0]!.ask<string[]>("names", ROOM)).length === 0);
  assert.equal((await clients[1]!.ask<string[]>("names", "elsewhere")).length, clients.length);
  assert.equal((await tenants[1]!.ask<string[]>("names", ROOM)).length, tenants.length);
}

async function checkDisconnect(clients: readonly ChatClient[]): Promise<void> {
  void clients[0]!.socket.emit("throw out", "elsewhere", () => undefined);
  await waitFor("all were thrown out", () => clients.every(({ disconnects }) => disconnects.length === 1));
  for (const { disconnects } of clients) assert.deepEqual(disconnects, ["io server disconnect"]);
}
