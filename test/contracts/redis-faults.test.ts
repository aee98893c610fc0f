import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { Cluster, Redis } from "ioredis";
import { ManualClock } from "../helpers/manual-clock";
import { eventually, startRedis, startRedisCluster, type RedisServer } from "../helpers/redis";
import { TcpProxy } from "../helpers/tcp-proxy";
import { closeAll, closeLater, fakeClient, kindOf, openMany, quietClient, storeOn } from "./redis-kit";
import { commit, commitOk, CONTRACT_LIMITS, openOk, opening, recordOf, turnOf } from "./store-kit";

async function onServer(run: (server: RedisServer) => Promise<void>, args: readonly string[] = []): Promise<void> {
  const server = await startRedis(args);
  try {
    await run(server);
  } finally {
    await server.stop();
  }
}

const AWAY = { kind: "away" };

afterEach(closeAll);

describe("RedisStore when Redis is away", () => {
  it("answers away after the bound, everything, and goes on when Redis is back", async () => {
    await onServer(async (server) => {
      const clock = new ManualClock();
      const { store, errors } = storeOn(server.url, { clock });
      await store.ready();
      await openMany(store, 3);
      await server.kill();
      await eventually("the store has noticed", () => errors.length > 0);
      const told = [
        commit(store, turnOf("s0", "n1", 1)),
        commit(store, turnOf("s0", "n1", 2)),
        store.open(opening("s9", "n1")),
        store.look("s1"),
        store.claim("s1", "n2", 0),
        store.restore("s1", recordOf("n1", 1)),
        store.renew("n1", ["s1"]),
        store.lease("n1", 1),
        store.indexSlice("n1", "0"),
      ];
      let answered = 0;
      for (const one of told) void one.then(() => answered++);
      await setImmediate();
      clock.advance(CONTRACT_LIMITS.awayAfter - 1);
      await setImmediate();
      assert.equal(answered, 0, "not before the bound");
      clock.advance(1);
      for (const one of [told[0], ...told.slice(2)]) assert.deepEqual(await one, AWAY);
      // The second turn of a session was sent when the first was answered.
      await setImmediate();
      clock.advance(CONTRACT_LIMITS.awayAfter);
      assert.deepEqual(await told[1], AWAY);
      assert.doesNotMatch(errors.join("\n"), /refused/);
      await server.restart();
      // Not one of those above: what was answered away may still have run, as the port says.
      assert.deepEqual(await store.look("s2"), { kind: "unknown" });
      await openOk(store, opening("again", "n1"));
      await commitOk(store, turnOf("again", "n1", 1));
      await store.close();
      assert.equal(clock.timers, 0);
    });
  });

  it("holds no more than its bounds, and answers away at once beyond", async () => {
    await onServer(async (server) => {
      const clock = new ManualClock();
      const { store, errors } = storeOn(server.url, { clock, maxPendingCalls: 5, maxPendingBytes: 10_000 });
      await store.ready();
      await server.kill();
      await eventually("the store has noticed", () => errors.length > 0);
      const held: Promise<{ kind: string }>[] = Array.from({ length: 4 }, (_, i) => store.look(`s${i}`));
      assert.deepEqual(await store.open(opening("big", "n1", { handshake: "x".repeat(20_000) })), AWAY, "bytes");
      held.push(store.look("s4"));
      assert.deepEqual(await store.look("s5"), AWAY, "calls");
      assert.deepEqual(await commit(store, turnOf("s6", "n1", 1)), AWAY);
      assert.equal(store.stats.refused, 3, "told apart from those that were sent in vain");
      // Without its lease this node would soon count as one that is dead.
      const { calls } = store.stats;
      held.push(store.lease("n1", 1));
      assert.equal(store.stats.calls, calls + 1);
      const queued = [1, 2, 3].map((turn) => commit(store, turnOf("s7", "n1", turn)));
      assert.deepEqual(await Promise.all(queued), [AWAY, AWAY, AWAY]);
      clock.advance(CONTRACT_LIMITS.awayAfter);
      assert.deepEqual(
        await Promise.all(held),
        held.map(() => AWAY),
      );
      assert.deepEqual(await store.look("s5"), AWAY, "still held by the client");
      await server.restart();
      await eventually("room again", async () => (await store.look("s5")).kind === "unknown");
      await store.close();
    });
  });

  it("does not hold up handshakes and its lease behind the commits of a large broadcast", async () => {
    await onServer(async (server) => {
      const { store } = storeOn(server.url, { limits: { ...CONTRACT_LIMITS, awayAfter: 60_000 } });
      await store.ready();
      const sids = await openMany(store, 100);
      process.kill(server.pid, "SIGSTOP");
      const packets = [`4${"x".repeat(1_000_000)}`];
      const kinds: string[] = [];
      const written = (): number => kinds.filter((kind) => kind === "ok").length;
      const commits = sids.map((sid) =>
        kindOf(store, turnOf(sid, "n1", 1, { packets })).then((kind) => void kinds.push(kind)),
      );
      let opened: Promise<{ kind: string }>;
      let leased: Promise<{ kind: string }>;
      try {
        await eventually("those beyond the bound are refused", () => kinds.length > 0);
        assert.equal(written(), 0);
        const { refused } = store.stats;
        opened = store.open(opening("late", "n1"));
        leased = store.lease("n1", 1);
        await setImmediate();
        assert.equal(store.stats.refused, refused, "a handshake is not");
      } finally {
        process.kill(server.pid, "SIGCONT");
      }
      assert.deepEqual(await opened, { kind: "ok" });
      assert.equal((await leased).kind, "ok");
      assert.ok(written() < 30, "most commits come behind them");
      await Promise.all(commits);
      assert.ok(written() > 55, kinds.join());
      await store.close();
    });
  });

  it("bears a server that stands still: away, the late answer ignored, the same turn sent again", async () => {
    await onServer(async (server) => {
      const clock = new ManualClock();
      const { store } = storeOn(server.url, { clock });
      await store.ready();
      await openMany(store, 1);
      const turn = turnOf("s0", "n1", 1, { packets: ["4a"], posts: ["p"] });
      process.kill(server.pid, "SIGSTOP");
      let first: Promise<unknown>;
      try {
        first = commit(store, turn);
        await setImmediate();
        await setImmediate();
        clock.advance(CONTRACT_LIMITS.awayAfter);
        assert.deepEqual(await first, AWAY);
      } finally {
        process.kill(server.pid, "SIGCONT");
      }
      assert.equal(await kindOf(store, turn), "ok");
      const claimed = await store.claim("s0", "n2", 1);
      assert.ok(claimed.kind === "ok");
      assert.deepEqual([claimed.record.packets, claimed.record.handled], [["4a"], ["p"]]);
      await store.close();
    });
  });

  it("raises the generation when another process answers, before it says that a session is unknown", async () => {
    await onServer(async (server) => {
      const { store, errors } = storeOn(server.url);
      await store.ready();
      await openMany(store, 1);
      assert.equal(await kindOf(store, turnOf("never", "n1", 1)), "unknown");
      assert.equal(store.generation, 1);
      const admin = quietClient(server.url);
      await admin.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await commitOk(store, turnOf("s0", "n1", 1));
      assert.equal(store.generation, 1, "a connection that broke loses nothing");
      await server.kill();
      await eventually("the store has noticed", () => errors.length > 0);
      const generations: number[] = [];
      const told = new Promise<string>((resolve) => {
        store.commit(turnOf("s0", "n1", 2), {
          onCommitResult: (result) => {
            generations.push(store.generation);
            resolve(result.kind);
          },
        });
      });
      await server.restart();
      assert.equal(await told, "unknown");
      assert.deepEqual(generations, [2]);
      assert.deepEqual(await store.restore("s0", recordOf("n1", 1)), { kind: "ok" });
      await commitOk(store, turnOf("s0", "n1", 2));
      admin.disconnect();
      await store.close();
    });
  });

  it("takes a server for another one where the one before did not say which it was", async () => {
    await onServer(async (server) => {
      await quietClient(server.url).call("ACL", "SETUSER", "default", "-info");
      const { store, errors } = storeOn(server.url);
      let returns = 0;
      store.onReturn = () => returns++;
      await store.ready();
      assert.match(errors.join("\n"), /does not let its version .*be checked/);
      await openMany(store, 1);
      assert.deepEqual([store.generation, returns], [1, 0]);
      const before = errors.length;
      await server.kill();
      await eventually("the store has noticed", () => errors.length > before);
      await server.restart();
      assert.equal(await kindOf(store, turnOf("s0", "n1", 1)), "unknown");
      assert.deepEqual([store.generation, returns], [2, 1]);
      await store.close();
    });
  });

  it("says that the client which it was given stays at a server that has become a replica", async () => {
    await onServer(async (server) => {
      const { store, errors } = storeOn(quietClient(server.url));
      await store.ready();
      await openMany(store, 2);
      const admin = quietClient(server.url);
      await admin.replicaof("127.0.0.1", "1");
      for (const sid of ["s0", "s1"]) assert.equal(await kindOf(store, turnOf(sid, "n1", 1)), "away");
      assert.equal(errors.length, 1);
      assert.match(errors[0] ?? "", /127\.0\.0\.1.*has become a replica.*reconnectOnError/);
      await admin.replicaof("NO", "ONE");
      await commitOk(store, turnOf("s0", "n1", 1));
      await store.close();
    });
  });

  it("keeps hints for the index until Redis takes them", async () => {
    await onServer(async (server) => {
      const clock = new ManualClock();
      const { store, errors } = storeOn(server.url, { clock, maxPendingCalls: 2 });
      await store.ready();
      await server.kill();
      await eventually("the store has noticed", () => errors.length > 0);
      const held = [store.look("a"), store.look("b")];
      store.index("n1", ["s1", "s2"], []);
      await setImmediate();
      await setImmediate();
      store.index("n1", ["s3"], ["s2"]);
      await setImmediate();
      clock.advance(CONTRACT_LIMITS.awayAfter);
      await Promise.all(held);
      await server.restart();
      await eventually("the index is written with a lease", async () => {
        await store.lease("n1", 1);
        const slice = await store.indexSlice("n1", "0");
        return slice.kind === "ok" && [...slice.sids].sort().join() === "s1,s3";
      });
      await store.close();
    });
  });
});

describe("RedisStore.ready", () => {
  it("refuses a server that evicts, and says what to set", async () => {
    for (const policy of ["allkeys-lru", "volatile-ttl"]) {
      await onServer(
        async (server) => {
          await assert.rejects(storeOn(server.url).store.ready(), (error: Error) => {
            assert.match(error.message, new RegExp(`${server.port}.*${policy}.*noeviction`));
            return true;
          });
        },
        ["--maxmemory-policy", policy],
      );
    }
  });

  it("refuses one node of a cluster, an old version, a wrong password, a closed client; never says the password", async () => {
    await onServer(
      async (server) => assert.rejects(storeOn(server.url).store.ready(), /node of a Redis Cluster.*Cluster instance/),
      ["--cluster-enabled", "yes"],
    );
    const old = fakeClient((name) =>
      name === "info" ? "redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n" : null,
    );
    await assert.rejects(storeOn(old).store.ready(), /redis\.example:6379 is version 6\.0\.16: use 6\.2/);
    await onServer(async (server) => {
      const admin = quietClient(server.url);
      await admin.config("SET", "requirepass", "secret");
      admin.disconnect();
      const said: string[] = [];
      for (const url of [server.url.replace("//", "//user:hunter2@"), server.url]) {
        const { store, errors } = storeOn(url);
        await assert.rejects(store.ready(), (error: Error) => {
          said.push(error.message, error.stack ?? "", ...errors);
          return error.message.includes("user name and password");
        });
      }
      assert.doesNotMatch(said.join("\n"), /hunter2/);
    });
    await onServer(async (server) => {
      const client = quietClient(server.url);
      await client.quit();
      await assert.rejects(storeOn(client).store.ready(), /was closed/);
    });
  });

  it("refuses clients with options that it cannot bear", async () => {
    await onServer(async (server) => {
      for (const [options, says] of [
        [{ stringNumbers: true }, /reads numbers as text.*without stringNumbers/],
        [{ autoResendUnfulfilledCommands: false }, /without an answer.*autoResendUnfulfilledCommands/],
      ] as const) {
        const client = new Redis(server.url, options);
        closeLater(() => {
          client.disconnect();
        });
        await assert.rejects(storeOn(client).store.ready(), says);
        // Of its own ones it is the store that says so.
        const { store } = storeOn({ url: server.url, ...options });
        await store.ready();
        await openMany(store, 1);
        await commitOk(store, turnOf("s0", "n1", 1));
        await store.close();
      }
    });
  });

  it("only warns where the policy cannot be read", async () => {
    const { store, errors } = storeOn(
      fakeClient((name) => {
        if (name === "info") return "redis_version:7.2.4\r\n";
        throw new Error("NOPERM this user has no permissions to run the 'config|get' command");
      }),
    );
    await store.ready();
    assert.match(errors.join("\n"), /noeviction/);
    await store.close();
  });

  it("waits for a server that is not there yet, and stops waiting when it is closed", async () => {
    await onServer(async (server) => {
      await server.kill();
      const early = storeOn(server.url);
      const ready = early.store.ready();
      const given = storeOn(server.url);
      const never = assert.rejects(given.store.ready(), /closed/);
      await eventually("both have said why they wait", () => early.errors.length > 0 && given.errors.length > 0);
      assert.match(early.errors[0] ?? "", new RegExp(`127.0.0.1:${server.port} failed: .*ECONNREFUSED`));
      await given.store.close();
      await never;
      await server.restart();
      await ready;
      await early.store.close();
    });
  });

  it("leaves nothing behind that would keep the process alive", async () => {
    await onServer(async (server) => {
      const script = `
        const { RedisStore } = require("./src/store/redis");
        const { runtimeClock: clock } = require("./src/time/runtime-clock");
        const { Tick } = require("./src/time/tick");
        (async () => {
          const limits = { recordTtl: 60000, linger: 30000, leaseTtl: 5000, awayAfter: 600000, maxPackets: 9, maxPacketChars: 9 };
          const store = new RedisStore({ redis: process.argv[1], clock, tick: new Tick(clock), limits });
          await store.ready();
          await store.lease("n", 1);
          store.index("n", ["s"], []);
          store.commit({ sid: "s", node: "n", turn: 1, acked: 0, inflight: null, packets: [], posts: [], keep: 1, refresh: false },
            { onCommitResult: (result) => console.log(result.kind) });
          await store.close();
        })();`;
      const cwd = join(__dirname, "../..");
      const args = ["--import", "tsx", "-e", script, server.url];
      const { stdout } = await promisify(execFile)(process.execPath, args, { cwd, timeout: 60_000 });
      assert.equal(stdout, "away\n");
    });
  });
});

describe("RedisStore on a cluster that changes", () => {
  it("follows slots that moved, and reports the loss of a node as a new generation", async () => {
    const cluster = await startRedisCluster();
    const client = new Cluster([...cluster.nodes]);
    client.on("error", () => undefined);
    try {
      const clock = new ManualClock();
      const { store } = storeOn(client, { clock });
      await store.ready();
      const sids = await openMany(store, 60);
      const [first, second] = cluster.servers.slice(0, 2).map((server) => quietClient(server.url));
      // Slots without keys move by word alone. The client does not know.
      const target = String(await second!.call("CLUSTER", "MYID"));
      const slots = new Map<string, number>();
      for (let i = 0; slots.size < 5; i++) {
        const slot = Number(await first!.call("CLUSTER", "KEYSLOT", `moved${i}`));
        const empty = Number(await first!.call("CLUSTER", "COUNTKEYSINSLOT", String(slot))) === 0;
        if (slot < 5_000 && empty) slots.set(`moved${i}`, slot);
      }
      for (const slot of slots.values()) {
        for (const admin of [second!, first!]) await admin.call("CLUSTER", "SETSLOT", String(slot), "NODE", target);
      }
      for (const sid of slots.keys()) await openOk(store, opening(sid, "n1"));
      await Promise.all(
        [...slots.keys(), ...sids].map((sid) => commitOk(store, turnOf(sid, "n1", 1, { packets: ["4a"] }))),
      );
      assert.deepEqual(await store.renew("n1", [...sids, ...slots.keys(), "never"]), { kind: "ok", lost: ["never"] });
      assert.equal(store.generation, 1);
      const spread = new Cluster([...cluster.nodes], { scaleReads: "slave" });
      spread.on("error", () => undefined);
      closeLater(() => {
        spread.disconnect();
      });
      const { store: reader, prefix } = storeOn(spread);
      await openOk(reader, opening("read", "n1", { handshake: "of a master" }));
      assert.deepEqual(await reader.handshake("read"), { kind: "found", handshake: "of a master" }, prefix);
      first!.disconnect();
      second!.disconnect();
      await cluster.servers[2]!.kill();
      await eventually("the loss is known", () => store.generation > 1);
      await store.close();
    } finally {
      client.disconnect();
      await cluster.stop();
    }
  });
});

describe("RedisStore where a server is silent", () => {
  /** Takes connections; each is passed on, or taken and never heard, as `passes` says of its number. What was passed can be muted. */
  async function gate(
    port: number,
    passes: (n: number) => boolean,
  ): Promise<{ port: number; taken: () => number; mute: () => void }> {
    const sockets: Socket[] = [];
    let muted = 0;
    const server = createServer((client) => {
      const n = sockets.push(client);
      client.on("error", () => undefined);
      if (!passes(n)) return;
      const upstream = connect(port, "127.0.0.1");
      upstream.on("error", () => undefined);
      client.on("data", (bytes) => void (n > muted && upstream.write(bytes)));
      upstream.on("data", (bytes) => void (n > muted && client.write(bytes)));
      client.on("close", () => upstream.destroy());
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    closeLater(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return {
      port: (server.address() as AddressInfo).port,
      taken: () => sockets.length,
      mute: () => (muted = sockets.length),
    };
  }

  it("leaves the connection after the bound, and the next one that is silent from the start, for one that answers", async () => {
    await onServer(async (server) => {
      const { port, taken, mute } = await gate(server.port, (n) => n !== 2);
      const limits = { ...CONTRACT_LIMITS, awayAfter: 300 };
      const { store } = storeOn({ host: "127.0.0.1", port, connectTimeout: 300 }, { limits });
      await store.ready();
      assert.equal((await store.lease("n1", 1)).kind, "ok");
      assert.equal(taken(), 1);
      mute();
      assert.deepEqual(await store.lease("n1", 1), AWAY);
      await eventually("it to have turned to a third connection", () => taken() === 3);
      await eventually("the lease to be taken", async () => (await store.lease("n1", 1)).kind === "ok");
      await store.close();
    });
  });

  it("is reached where the time to connect has no limit", async () => {
    await onServer(async (server) => {
      const proxy = await TcpProxy.start(server.port);
      closeLater(() => proxy.stop());
      proxy.delay(20);
      const { store } = storeOn({ host: "127.0.0.1", port: proxy.port, connectTimeout: 0 });
      await store.ready();
      assert.equal((await store.lease("n1", 1)).kind, "ok");
      await store.close();
    });
  });

  it("asks the next sentinel where one says nothing", async () => {
    await onServer(async (server) => {
      const silent = await gate(0, () => false);
      const sentinel = createServer((client) => {
        client.on("error", () => undefined);
        client.on("data", (bytes) => {
          const master = `*2\r\n$9\r\n127.0.0.1\r\n$${String(server.port).length}\r\n${server.port}\r\n`;
          // Each command is a list, which begins with its length.
          for (const command of bytes
            .toString()
            .split(/^\*\d+\r\n/m)
            .slice(1)) {
            client.write(command.includes("get-master-addr-by-name") ? master : "*0\r\n");
          }
        });
      }).listen(0, "127.0.0.1");
      await once(sentinel, "listening");
      closeLater(() => void sentinel.close());
      const ports = [silent.port, (sentinel.address() as AddressInfo).port];
      const sentinels = ports.map((port) => ({ host: "127.0.0.1", port }));
      const { store } = storeOn({ sentinels, name: "main", protocol: 2, connectTimeout: 300 });
      await store.ready();
      assert.equal(silent.taken() > 0, true);
      assert.equal((await store.lease("n1", 1)).kind, "ok");
      await store.close();
    });
  });
});
