import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import dns from "node:dns";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { connect } from "nats";
import type { Frame } from "../../src/bus/frame";
import { Links } from "../../src/bus/links";
import { NatsBus } from "../../src/bus/nats/nats-bus";
import type { Bus, BusListener } from "../../src/bus/port";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { freePort } from "../helpers/free-port";
import { startNats, type NatsProcess } from "../helpers/nats";
import { makeCertificates, removeCertificates } from "../helpers/secured";
import { TcpProxy } from "../helpers/tcp-proxy";
import { until } from "../helpers/until";
import { busContract, type BusMedium } from "./bus";

/** A server that is silent is noticed soon, and dialled anew soon. */
const SOON = {
  pingInterval: 100,
  timeout: 300,
  reconnectTimeWait: 20,
  reconnectJitter: 20,
  reconnectJitterTLS: 20,
};

/** Not localhost: where no name is known, that is what the runtime holds a certificate against. */
const NAME = "nats.example";

/** The client asks the name service by itself, and it alone. */
function nameThisMachine(t: TestContext): void {
  type Told = (error: Error | null, addresses: string[]) => void;
  t.mock.method(dns, "resolve4", (name: string, told: Told) => {
    told(name === NAME ? null : new Error("unknown"), ["127.0.0.1"]);
  });
  t.mock.method(dns, "resolve6", (_name: string, told: Told) => {
    told(new Error("unknown"), []);
  });
}

let media = 0;

/** Each bus has a connection of its own, through a proxy that can cut it. */
async function ownConnections(): Promise<BusMedium> {
  const server = await startNats();
  const prefix = `contract-${++media}`;
  const proxies = new Map<Bus, TcpProxy>();
  return {
    async node() {
      const proxy = await TcpProxy.start(server.port);
      const bus = new NatsBus({ nats: `nats://127.0.0.1:${proxy.port}`, prefix });
      proxies.set(bus, proxy);
      return bus;
    },
    kill: (bus) => proxies.get(bus)?.cut(),
    outage: { cut: (bus) => proxies.get(bus)?.cut(), heal: (bus) => proxies.get(bus)?.heal() },
    unreachable: {
      bus: () => new NatsBus({ nats: "nats://someone:secret@127.0.0.1:1", prefix, joinTimeout: 500 }),
      says: /^Error: this node cannot join NATS at 127\.0\.0\.1:1: .*CONNECTION_REFUSED.*URL/,
    },
    async stop() {
      for (const proxy of proxies.values()) await proxy.stop();
      await server.stop();
    },
  };
}

/** Each bus gets a connection that somebody else made, and closes. */
async function borrowedConnections(): Promise<BusMedium> {
  const server = await startNats("max_payload: 65536");
  const prefix = `contract-${++media}`;
  const connections = new Map<Bus, Awaited<ReturnType<typeof connect>>>();
  return {
    async node() {
      const connection = await connect({ servers: server.url });
      const bus = new NatsBus({ nats: connection, prefix });
      connections.set(bus, connection);
      return bus;
    },
    kill: (bus) => connections.get(bus)?.close(),
    async stop() {
      for (const connection of connections.values()) await connection.close();
      await server.stop();
    },
  };
}

busContract("nats", ownConnections);
busContract("nats, borrowed connections", borrowedConnections);

/** A server that is gone when the test is over, however it ends. */
async function serverFor(t: TestContext, extraConfig = "", port?: number): Promise<NatsProcess> {
  const server = await startNats(extraConfig, port);
  t.after(() => server.kill());
  return server;
}

class Ears implements BusListener {
  readonly messages: Uint8Array[] = [];
  reconnects = 0;
  onMessage(message: Uint8Array): void {
    this.messages.push(message);
  }
  onNoResponder(): void {
    // Not asked for here.
  }
  onReconnected(): void {
    this.reconnects++;
  }
}

/** One that notices so soon takes a machine that stands still for a silent server too, and what was on its way is lost then. */
function hearsItself(bus: Bus, ears: Ears): Promise<void> {
  return until("it hears itself", () => {
    bus.send("one", Buffer.from("hello"));
    return ears.messages.length > 0;
  });
}

describe("nats: the server", () => {
  it("is killed and started again on its port: not connected, then reconnected, and messages flow", async (t) => {
    let server = await serverFor(t);
    const [a, b] = [new Ears(), new Ears()];
    const errors: Error[] = [];
    const buses = [a, b].map(
      () => new NatsBus({ nats: server.url, prefix: "restart", onError: (error) => errors.push(error) }),
    );
    const [one, two] = buses as [NatsBus, NatsBus];
    t.after(() => Promise.all([one.leave(), two.leave()]));
    await one.join("one", a);
    await two.join("two", b);
    await server.kill();
    await until("both notice", () => !one.connected && !two.connected);
    one.send("two", Buffer.from("lost"));
    server = await serverFor(t, "", server.port);
    await until("both are back", () => one.connected && two.connected && a.reconnects > 0 && b.reconnects > 0);
    assert.equal(errors.length, 2);
    for (const error of errors) assert.match(error.message, /cannot reach NATS again, and tries on at .*URL/);
    one.send("two", Buffer.from("hello"));
    two.broadcast(Buffer.from("hello all"));
    await until("messages arrive", () => a.messages.length > 0 && b.messages.length > 0);
    assert.deepEqual(
      b.messages.map((message) => Buffer.from(message).toString()),
      ["hello"],
    );
    assert.equal(a.messages.length, 1);
  });

  it("leaves while the server is away", async (t) => {
    const server = await serverFor(t);
    const bus = new NatsBus({ nats: server.url, prefix: "away" });
    await bus.join("one", new Ears());
    await server.kill();
    await until("it is noticed", () => !bus.connected);
    await bus.leave();
  });

  it("is not there when the node begins: it says so once, joins when one is, and leaves at once while it waits", async (t) => {
    const port = await freePort();
    const errors: Error[] = [];
    const options = {
      nats: `nats://127.0.0.1:${port}`,
      prefix: "early",
      onError: (error: Error) => errors.push(error),
    };
    const bus = new NatsBus(options);
    const ears = new Ears();
    const joining = bus.join("one", ears);
    await until("it says so", () => errors.length > 0);
    assert.match(String(errors[0]), /cannot join NATS, and tries on at 127\.0\.0\.1:\d+: .*CONNECTION_REFUSED.*URL/);
    const impatient = new NatsBus(options);
    const left = assert.rejects(impatient.join("two", new Ears()), /told to leave/);
    await until("it waits too", () => errors.length > 1);
    await impatient.leave();
    await left;
    await serverFor(t, "", port);
    t.after(() => bus.leave());
    await joining;
    bus.send("one", Buffer.from("hello"));
    await until("it hears itself", () => ears.messages.length > 0);
    assert.equal(errors.length, 2);
    assert.equal(ears.reconnects, 0);
  });

  it("is silent, and takes connections that it says nothing to: the node keeps none of them, and is back when one answers", async (t) => {
    const server = await serverFor(t);
    const open = new Set<Socket>();
    let taken = 0;
    let silent = false;
    const gate = createServer((client) => {
      taken++;
      open.add(client);
      client.on("error", () => undefined);
      client.on("end", () => client.destroy());
      client.on("close", () => open.delete(client));
      client.resume();
      if (silent) return;
      const upstream = connectTcp(server.port, "127.0.0.1");
      upstream.on("error", () => undefined);
      client.on("data", (bytes) => void (!silent && upstream.write(bytes)));
      upstream.on("data", (bytes) => void (!silent && client.write(bytes)));
      client.on("close", () => upstream.destroy());
    }).listen(0, "127.0.0.1");
    await once(gate, "listening");
    t.after(() => {
      for (const socket of open) socket.destroy();
      gate.close();
    });
    const servers = `127.0.0.1:${(gate.address() as AddressInfo).port}`;
    const ears = new Ears();
    const errors: Error[] = [];
    const nats = { servers, ...SOON, maxPingOut: 2, timeout: 200 };
    const bus = new NatsBus({ nats, prefix: "silent", onError: (error) => errors.push(error) });
    t.after(() => bus.leave());
    await bus.join("one", ears);
    silent = true;
    await until("it notices", () => !bus.connected);
    await until("it has tried often", () => taken > 8);
    // The one that it dials now, and one that it has just ended.
    assert.ok(open.size <= 2, `${String(open.size)} connections of ${String(taken)} are kept`);
    assert.equal(errors.length, 1);
    silent = false;
    await until("it is back", () => bus.connected && ears.reconnects > 0);
    await hearsItself(bus, ears);
    await until("it has one connection", () => open.size === 1);
  });

  it("is given as a port, and has told of others: the node is back when they answer again", async (t) => {
    const routes = await freePort();
    const server = await serverFor(t, `server_name: a\ncluster { name: c, listen: "127.0.0.1:${routes}" }`);
    const other = await serverFor(
      t,
      `server_name: b\ncluster { name: c, listen: "127.0.0.1:-1", routes: ["nats://127.0.0.1:${routes}"] }`,
    );
    const ears = new Ears();
    const errors: Error[] = [];
    const nats = { port: server.port, ...SOON };
    const bus = new NatsBus({ nats, prefix: "port", onError: (error) => errors.push(error) });
    t.after(() => bus.leave());
    await until("they know of each other", async () => {
      const connection = await connect({ port: server.port });
      const told = connection.info?.connect_urls?.length;
      await connection.close();
      return told === 2;
    });
    await bus.join("one", ears);
    for (const one of [server, other]) one.pause();
    await until("it dials by itself", () => errors.length > 0);
    for (const one of [server, other]) one.resume();
    await until("it is back", () => bus.connected && ears.reconnects > 0);
  });

  it("ends, and another one has told of itself by an address, which its certificate does not have: the node turns to it", async (t) => {
    const certificates = makeCertificates(`DNS:${NAME}`);
    nameThisMachine(t);
    t.after(() => {
      removeCertificates(certificates);
    });
    const { cert, key } = certificates;
    const routes = await freePort();
    const clusterOf = (name: string, more: string): string =>
      `server_name: ${name}\ntls { cert_file: "${cert}", key_file: "${key}" }\ncluster { name: c, ${more} }`;
    const one = await serverFor(t, clusterOf("a", `listen: "127.0.0.1:${routes}"`));
    const two = await serverFor(t, clusterOf("b", `listen: "127.0.0.1:-1", routes: ["nats://127.0.0.1:${routes}"]`));
    const nats = {
      servers: `tls://${NAME}:${one.port}`,
      ...SOON,
      tls: { ca: await readFile(certificates.ca, "utf8") },
    };
    await until("they know of each other", async () => {
      const connection = await connect({ ...nats, servers: `${NAME}:${one.port}` });
      const told = connection.info?.connect_urls;
      await connection.close();
      return told?.length === 2 && told.includes(`127.0.0.1:${two.port}`);
    });
    const ears = new Ears();
    const bus = new NatsBus({ nats, prefix: "tls" });
    t.after(() => bus.leave());
    await bus.join("one", ears);
    await one.kill();
    await until("it has turned to the other one", () => bus.connected && ears.reconnects > 0);
    await hearsItself(bus, ears);
    await one.restart();
    // By then it has been connected by an address alone, and has learned of the others anew.
    await until("both are known there", async () => {
      const connection = await connect({ ...nats, servers: `${NAME}:${two.port}` });
      const told = connection.info?.connect_urls?.length;
      await connection.close();
      return told === 2;
    });
    await two.kill();
    await until("it is back at the first one", () => bus.connected && ears.reconnects > 1);
  });

  it("stands still, and the next one too: the node reaches a third one, though a dial's time is over before its turn", async (t) => {
    const [one, two, three] = [await serverFor(t), await serverFor(t), await serverFor(t)];
    const ears = new Ears();
    const nats = { servers: [one.url, two.url, three.url], noRandomize: true, ...SOON };
    const errors: Error[] = [];
    const bus = new NatsBus({ nats, prefix: "third", dialTimeout: 500, onError: (error) => errors.push(error) });
    t.after(() => bus.leave());
    await bus.join("one", ears);
    for (const server of [one, two, three]) server.pause();
    await until("it dials by itself", () => errors.length > 0);
    three.resume();
    await until("it is back", () => bus.connected && ears.reconnects > 0);
  });

  it("freezes with much unsent: the node turns to another server, though the client would wait", async (t) => {
    const frozen = await serverFor(t);
    const spare = await serverFor(t);
    const ears = new Ears();
    const errors: Error[] = [];
    // The client starts with the first one only where it does not shuffle.
    const nats = {
      servers: [frozen.url, spare.url],
      noRandomize: true,
      pingInterval: 100,
      maxPingOut: 2,
      timeout: 300,
    };
    const bus = new NatsBus({
      nats,
      prefix: "frozen",
      onError: (error) => errors.push(error),
      maxPendingBytes: 32 * 1024 * 1024,
    });
    t.after(() => bus.leave());
    await bus.join("one", ears);
    frozen.pause();
    // More than the kernel's buffers take, and then more than may wait.
    for (let n = 0; n < 80; n++) bus.send("another", Buffer.alloc(512 * 1024));
    assert.match(String(errors[0]), /does not keep up/);
    assert.ok(bus.stats.dropped > 0);
    await until("it notices", () => !bus.connected);
    await until("it is back", () => bus.connected && ears.reconnects > 0);
    await hearsItself(bus, ears);
    assert.equal(Buffer.from(ears.messages[0] ?? []).toString(), "hello");
  });
});

describe("nats: what is set wrong", () => {
  let server: NatsProcess;
  before(async () => {
    server = await startNats(`authorization { users = [
      { user: "good", password: "p:1@ss" }
      { user: "deaf", password: "x", permissions: { subscribe: { deny: ">" } } }
      { user: "mute", password: "x", permissions: { publish: { deny: "mine.node.>" } } }
    ] }`);
  });
  after(() => server.stop());

  const to = (credentials: string): string => `nats://${credentials}@127.0.0.1:${server.port}`;

  it("takes credentials from the URL, also those with signs in them", async () => {
    const bus = new NatsBus({ nats: to("good:p%3A1%40ss"), prefix: "mine" });
    await bus.join("one", new Ears());
    assert.equal(bus.connected, true);
    await bus.leave();
  });

  it("says which server refuses the credentials, without showing them", async () => {
    const bus = new NatsBus({ nats: to("good:wrong-secret"), prefix: "mine" });
    await assert.rejects(bus.join("one", new Ears()), (error: Error) => {
      assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${server.port}: .*AUTHORIZATION_VIOLATION.*password`));
      assert.doesNotMatch(error.message, /wrong-secret/);
      return true;
    });
  });

  it("says which permissions are missing: to listen, when it joins; to send, when it sends", async () => {
    await assert.rejects(new NatsBus({ nats: to("deaf:x"), prefix: "mine" }).join("one", new Ears()), /"mine\.>"/);
    const errors: Error[] = [];
    const bus = new NatsBus({ nats: to("mute:x"), prefix: "mine", onError: (error) => errors.push(error) });
    await bus.join("one", new Ears());
    for (let n = 0; n < 10; n++) bus.send("two", Buffer.from("x"));
    await until("it is told", () => errors.length > 0);
    assert.match(errors[0]?.message ?? "", /forbids publish to "mine\.node\.two".*"mine\.>"/);
    await bus.leave();
    assert.equal(errors.length, 1);
  });

  for (const isBorrowed of [false, true]) {
    it(`may not listen for a while, ${isBorrowed ? "by a connection that is not its own" : "by its own connection"}: then it hears again, each message once`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "eio-nats-permissions-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const permit = (subject: string): Promise<void> =>
        writeFile(
          join(folder, "users.conf"),
          `authorization { users: [{ user: one, password: x, permissions: { publish: ">", subscribe: "${subject}" } }] }\n`,
        );
      await permit(">");
      // Relative to the configuration, which has a folder of its own beside this one.
      const own = await serverFor(t, `include "../${basename(folder)}/users.conf"`);
      const nats = { servers: own.url, user: "one", pass: "x" };
      const connection = isBorrowed ? await connect(nats) : undefined;
      const ears = new Ears();
      const errors: Error[] = [];
      const bus = new NatsBus({
        nats: connection ?? { ...nats, reconnectTimeWait: 50 },
        prefix: "mine",
        onError: (error) => errors.push(error),
      });
      t.after(async () => {
        await bus.leave();
        await connection?.close();
      });
      await bus.join("one", ears);
      await permit("other.>");
      process.kill(own.pid, "SIGHUP");
      await until("it notices", () => !bus.connected && errors.length > 0);
      await permit(">");
      process.kill(own.pid, "SIGHUP");
      await until("it is back", () => bus.connected && ears.reconnects > 0);
      ears.messages.length = 0;
      for (const text of ["a", "b"]) bus.send("one", Buffer.from(text));
      await until("it hears itself", () => ears.messages.length > 1);
      assert.deepEqual(ears.messages.map(String), ["a", "b"]);
    });
  }

  it("refuses a server that takes only tiny messages, and says what to set", async (t) => {
    const tiny = await serverFor(t, "max_payload: 1024");
    const bus = new NatsBus({ nats: tiny.url, prefix: "mine" });
    await assert.rejects(bus.join("one", new Ears()), /1024 bytes.*set max_payload/);
  });

  it("reports a connection that was closed for good", async () => {
    const connection = await connect({ servers: server.url, user: "good", pass: "p:1@ss" });
    const errors: Error[] = [];
    const bus = new NatsBus({ nats: connection, prefix: "mine", onError: (error) => errors.push(error) });
    await bus.join("one", new Ears());
    await connection.close();
    await until("it is told", () => errors.length > 0);
    assert.match(errors[0]?.message ?? "", /closed for good/);
    assert.equal(bus.connected, false);
    await bus.leave();
  });

  it("refuses URLs and prefixes that cannot be meant, without showing a password", () => {
    for (const nats of ["http://x", "nats://u:secret@", "nats://u:secret@host:port"]) {
      assert.throws(
        () => new NatsBus({ nats, prefix: "p" }),
        (error: Error) => error.message.includes("NATS URL") && !error.message.includes("secret"),
      );
    }
    for (const prefix of ["", "a b", "a.", "a.*", ">"])
      assert.throws(() => new NatsBus({ nats: "nats://h", prefix }), /prefix/);
  });
});

describe("nats: a borrowed connection", () => {
  it("is left as it was: open, without subscriptions", async (t) => {
    const server = await serverFor(t);
    const connection = await connect({ servers: server.url });
    t.after(() => connection.close());
    const bus = new NatsBus({ nats: connection, prefix: "borrowed" });
    await bus.join("one", new Ears());
    await bus.leave();
    assert.equal(connection.isClosed(), false);
    await connection.flush();
    const other = new NatsBus({ nats: connection, prefix: "borrowed" });
    const ears = new Ears();
    await other.join("two", ears);
    other.send("two", Buffer.from("x"));
    await until("it works", () => ears.messages.length === 1);
    await other.leave();
  });
});

describe("nats: a process", () => {
  it("ends by itself after leave", async (t) => {
    const server = await serverFor(t);
    const script = `
      const { NatsBus } = require(${JSON.stringify(resolve(__dirname, "../../src/bus/nats/nats-bus.ts"))});
      const bus = new NatsBus({ nats: process.argv[1], prefix: "ends" });
      const none = () => {};
      bus.join("one", { onMessage: none, onNoResponder: none, onReconnected: none }).then(() => bus.leave()).then(() => console.log("left"));
    `;
    const child = spawn(process.execPath, ["--import", "tsx", "-e", script, server.url], {
      stdio: ["ignore", "pipe", "inherit"],
      cwd: resolve(__dirname, "../.."),
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    const [code] = (await once(child, "close")) as [number | null];
    clearTimeout(timer);
    assert.equal(code, 0);
    assert.equal(output, "left\n");
  });
});

describe("links over nats", () => {
  async function node(
    name: string,
    url: string,
    prefix: string,
  ): Promise<{ links: Links; frames: Frame[]; losses: string[]; silent: string[] }> {
    const frames: Frame[] = [];
    const losses: string[] = [];
    const silent: string[] = [];
    const links = new Links({
      bus: new NatsBus({ nats: url, prefix }),
      node: name,
      clock: runtimeClock,
      tick: new Tick(runtimeClock),
      secrets: ["shared"],
      beatInterval: 50,
      handler: {
        onFrame: (_from, frame) => frames.push(frame),
        onLoss: (peer) => losses.push(peer),
        onNoResponder: (peer) => silent.push(peer),
      },
    });
    await links.start(1);
    return { links, frames, losses, silent };
  }

  it("carries frames of five megabytes over messages of a few kilobytes, and notices what a restart lost", async (t) => {
    const server = await serverFor(t, "max_payload: 8192");
    const a = await node("a", server.url, "links");
    const b = await node("b", server.url, "links");
    t.after(() => Promise.all([a.links.stop(), b.links.stop()]));
    const body = Buffer.alloc(5 * 1024 * 1024, "0123456789abcdef!");
    for (const [from, to] of [
      ["a", b],
      ["b", a],
    ] as const) {
      const sender = from === "a" ? a : b;
      sender.links.send(from === "a" ? "b" : "a", { kind: 1, sid: "s", t: "t", n: 1, body });
      sender.links.send(from === "a" ? "b" : "a", { kind: 2, sid: "s", t: "t", n: 2, body: "behind it" });
      await until("both frames are there", () => to.frames.length === 2);
      assert.ok(body.equals(to.frames[0]?.body as Buffer));
      assert.equal(to.frames[1]?.body, "behind it");
    }
    assert.deepEqual([...a.losses, ...b.losses], []);
    assert.equal(a.links.stats.rejected + b.links.stats.rejected, 0);

    a.links.send("nobody", { kind: 1, sid: "", t: "", n: 0, body: "" });
    await until("it is told", () => a.silent.includes("nobody"));

    await server.kill();
    await serverFor(t, "max_payload: 8192", server.port);
    await until("both were told", () => a.losses.includes("b") && b.losses.includes("a"));
    a.links.send("b", { kind: 3, sid: "s", t: "t", n: 3, body: "after" });
    await until("it flows again", () => b.frames.at(-1)?.body === "after");
  });
});
