import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Cluster, Redis } from "ioredis";
import { connect, type ConnectionOptions } from "nats";
import { NatsBus, type NatsBusOptions } from "../../src/bus/nats/nats-bus";
import { RedisStore } from "../../src/store/redis";
import { SCRIPTS } from "../../src/store/redis/scripts.generated";
import { runtimeClock } from "../../src/time/runtime-clock";
import { Tick } from "../../src/time/tick";
import { busContract, type BusMedium } from "../contracts/bus";
import { age, checkTimesToLive } from "../contracts/redis-aging";
import { CONTRACT_LIMITS, storeContract, type StoreHarness } from "../contracts/store";
import { opening } from "../contracts/store-kit";
import { assertFlawless, startLoad } from "../helpers/checked-load";
import { startCluster } from "../helpers/cluster";
import { startRedisCluster } from "../helpers/redis";
import { startNginx } from "../helpers/nginx";
import {
  documented,
  readDocs,
  logs,
  makeCertificates,
  removeCertificates,
  startSecuredNats,
  startSecuredRedis,
  type Certificates,
  type SecuredNats,
  type SecuredRedis,
} from "../helpers/secured";
import { until } from "../helpers/until";
import { waitFor } from "../helpers/wait-for";
import { credentialsFor, seedOf, userKey } from "./nats-accounts";

const ACL = documented("ACL SETUSER eioc");
const NATS = documented("tls {");
const USER = "eioc";
const PASSWORD = "PASSWORD";

const nkey = userKey();
/** The users of the docs, the same by an nkey, and one who may do everything. */
const natsUsers = NATS.replace(
  "users = [",
  `users = [
    { user: "all", password: "all" }
    { nkey: "${nkey.getPublicKey()}", permissions: { publish: "eioc.>", subscribe: "eioc.>" } }`,
);

let certificates: Certificates;
let redis: SecuredRedis;
let nats: SecuredNats;
let admin: Redis;
let ca: string;

before(async () => {
  certificates = makeCertificates();
  ca = readFileSync(certificates.ca, "utf8");
  [redis, nats] = await Promise.all([startSecuredRedis(certificates), startSecuredNats(certificates, natsUsers)]);
  admin = new Redis(redis.admin);
  await giveUser(USER);
});
after(async () => {
  admin.disconnect();
  await Promise.all([redis.stop(), nats.stop()]);
  removeCertificates(certificates);
});

/** The user of the docs, for another prefix. */
async function giveUser(prefix: string): Promise<void> {
  const [, ...args] = ACL.replaceAll(USER, prefix).split(" ");
  assert.equal(await admin.call("acl", ...args), "OK");
}

function redisUrl(user = USER): string {
  return `rediss://${user}:${PASSWORD}@127.0.0.1:${redis.port}`;
}

function natsUrl(): string {
  return `tls://${USER}:${PASSWORD}@127.0.0.1:${nats.port}`;
}

/** What Redis has refused to anybody. */
function refusals(): Promise<unknown> {
  return admin.call("acl", "log");
}

let prefixes = 0;

async function storeHarness(): Promise<StoreHarness> {
  const prefix = `${USER}-${++prefixes}-`;
  await giveUser(prefix);
  const stores: RedisStore[] = [];
  const another = async (): Promise<RedisStore> => {
    const tick = new Tick(runtimeClock);
    const source = { url: redisUrl(prefix), tls: { ca } };
    const store = new RedisStore({ redis: source, prefix, clock: runtimeClock, tick, limits: CONTRACT_LIMITS });
    stores.push(store);
    await store.ready();
    return store;
  };
  return {
    store: await another(),
    another,
    advance: (ms) => age(admin, prefix, ms),
    checkTimesToLive: () => checkTimesToLive(admin, prefix),
    stop: async () => {
      for (const store of stores) await store.close();
    },
  };
}

function busMedium(target: () => NatsBusOptions["nats"]): () => Promise<BusMedium> {
  return async () => {
    const connections = new Map<object, { readonly errors: Error[] }>();
    return Promise.resolve({
      node: () => {
        const errors: Error[] = [];
        const bus = new NatsBus({ nats: target(), prefix: USER, onError: (error) => errors.push(error) });
        connections.set(bus, { errors });
        return bus;
      },
      kill: (bus) => bus.leave(),
      stop: () => {
        assert.deepEqual(
          [...connections.values()].flatMap(({ errors }) => errors),
          [],
        );
        return Promise.resolve();
      },
    });
  };
}

storeContract("redis over TLS, as the user of the docs", storeHarness);
busContract(
  "nats over TLS, as the user of the docs",
  busMedium(() => ({ servers: natsUrl(), tls: { ca } })),
);
busContract(
  "nats over TLS, by an nkey",
  busMedium(() => ({
    servers: `tls://127.0.0.1:${nats.port}`,
    tls: { ca },
    credentials: seedOf(nkey),
  })),
);

describe("a cluster on servers that are secured as the docs say", () => {
  test("a node is killed under load: its sessions go on, and nothing is refused to anybody", async () => {
    const { ca: file } = certificates;
    const env = { PREFIX: USER, REDIS_TLS_CA: file, NATS_TLS_CA: file, CLUSTER_SECRET: "of all nodes of a test" };
    const cluster = await startCluster({ nodes: 3, redisUrl: redisUrl(), natsUrl: natsUrl(), env });
    const nginx = await startNginx({ upstreams: cluster.ports });
    const load = startLoad({ url: nginx.url, sessions: 30, messages: Infinity });
    try {
      await load.opened;
      await load.whenEchoed(300);
      await cluster.kill(1);
      await waitFor("takeovers", async () =>
        [...(await cluster.accounts()).values()].some(({ takeovers }) => takeovers.length > 0),
      );
      await load.whenEchoed(load.verdict().echoed + 600);
      load.finish();
      assertFlawless(await load.done);
      await cluster.stopAll();
    } finally {
      load.abort();
      await nginx.stop();
      await cluster.killAll();
    }
    for (const i of [0, 2]) assert.doesNotMatch(cluster.logs(i), /"level":"(warn|error)"/);
  });

  test("neither server has refused anything", async () => {
    assert.deepEqual(await refusals(), []);
    assert.doesNotMatch(nats.log(), /violation/i);
  });

  test("the user of Redis has what the store sends and its scripts call, and nothing else", () => {
    const called = Object.values(SCRIPTS).flatMap(({ source }) =>
      [...source.matchAll(/'([A-Z]{3,})'/g)].map(([, name = ""]) => name.toLowerCase()),
    );
    const sent = ["info", "evalsha", "eval", "hdel", "sscan", "pexpire"];
    const given = [...ACL.matchAll(/ \+(\S+)/g)].map(([, name]) => name);
    assert.deepEqual(given.sort(), [...new Set([...called, ...sent])].sort());
  });
});

describe("a Redis Cluster whose users are those of the docs", () => {
  test("serves a node with the commands that it needs besides, and refuses nothing", async (t) => {
    const servers = await startRedisCluster();
    t.after(() => servers.stop());
    const besides = /^- a Redis Cluster: `([^`]+)`/m.exec(readDocs())?.[1] ?? "";
    const admins = servers.nodes.map(({ host, port }) => new Redis({ host, port }));
    t.after(() => admins.forEach((client) => client.disconnect()));
    const [, ...args] = `${ACL} ${besides}`.split(" ");
    for (const client of admins) assert.equal(await client.call("acl", ...args), "OK");
    const redisOptions = { username: USER, password: PASSWORD, disableClientInfo: true };
    const client = new Cluster([...servers.nodes], { redisOptions });
    t.after(() => client.disconnect());
    const [clock, limits] = [runtimeClock, CONTRACT_LIMITS];
    const errors: Error[] = [];
    const onError = (error: Error): void => void errors.push(error);
    const store = new RedisStore({ redis: client, prefix: USER, clock, tick: new Tick(clock), limits, onError });
    await store.ready();
    for (const sid of ["a", "b", "c", "d"]) {
      assert.deepEqual(await store.open(opening(sid, "n1")), { kind: "ok" });
      assert.equal((await store.claim(sid, "n2", 0)).kind, "ok");
    }
    assert.equal((await store.lease("n1", 1)).kind, "ok");
    await store.close();
    assert.deepEqual(errors, []);
    for (const each of admins) assert.deepEqual(await each.call("acl", "log"), []);
  });
});

describe("what the user of Redis may not do", () => {
  let client: Redis;
  before(async () => {
    client = new Redis(redisUrl(), { tls: { ca }, disableClientInfo: true });
    await client.info();
  });
  after(() => client.disconnect());

  const denied: readonly (readonly string[])[] = [
    ["get", "eioc2{sid}:s"],
    ["set", "other{sid}:d", "x"],
    ["hset", "other{nodes}:l", "node", "1 9 9"],
    ["set", "eioc:of-an-application", "x"],
    ["eval", "return redis.call('GET', KEYS[1])", "1", "other{sid}:s"],
    // Not even where the script hides which key it wants.
    ["eval", "return redis.call('GET', ARGV[1])", "0", "other{sid}:s"],
    ["eval", "return redis.call('FLUSHALL')", "0"],
    ["flushall"],
    ["config", "set", "maxmemory", "1"],
    ["config", "get", "requirepass"],
    ["keys", "*"],
    ["scan", "0"],
    ["script", "flush"],
    ["acl", "list"],
    ["client", "list"],
    ["publish", "eioc", "x"],
    ["replicaof", "127.0.0.1", "1"],
    ["shutdown"],
  ];
  for (const [command = "", ...args] of denied) {
    test([command, ...args].join(" "), async () => {
      await assert.rejects(client.call(command, ...args), /NOPERM|can't run this command|can't access/i);
    });
  }

  test("nobody comes in as the default user, or without TLS", async () => {
    const nobody = new Redis({ ...redis.admin, username: "default", password: "", retryStrategy: () => null });
    nobody.on("error", () => undefined);
    await assert.rejects(nobody.info(), /WRONGPASS|NOAUTH/);
    nobody.disconnect();
    const plain = new Redis({ host: "127.0.0.1", port: redis.port, retryStrategy: () => null });
    plain.on("error", () => undefined);
    await assert.rejects(plain.ping());
    plain.disconnect();
  });
});

describe("what the user of NATS may not do", () => {
  const secure = (): ConnectionOptions => ({
    servers: `127.0.0.1:${nats.port}`,
    tls: { ca },
    user: USER,
    pass: PASSWORD,
  });

  test("publish to the subjects of another prefix", async () => {
    const listener = await connect({ ...secure(), user: "all", pass: "all" });
    const heard: string[] = [];
    listener.subscribe(">", { callback: (_error, message) => void heard.push(message.subject) });
    await listener.flush();
    const client = await connect(secure());
    client.publish("eioc2.node.one", "x");
    client.publish("$SYS.REQ.USER.INFO", "x");
    await logs(nats, /Publish Violation.*"eioc2\.node\.one"/);
    client.publish("eioc.node.one", "x");
    await until("what is allowed comes through", () => heard.includes("eioc.node.one"));
    assert.ok(!heard.includes("eioc2.node.one"));
    await Promise.all([client.close(), listener.close()]);
  });

  test("listen to them, or to everything", async () => {
    const client = await connect(secure());
    for (const subject of ["eioc2.>", ">", "*.node.*"]) {
      const refused = new Promise<unknown>((resolve) => {
        client.subscribe(subject, { callback: (error) => resolve(error) });
      });
      assert.match(String(await refused), /permissions violation/i, subject);
    }
    await client.close();
  });

  test("come in without a password, or without TLS", async () => {
    await assert.rejects(connect({ ...secure(), user: USER, pass: "x" }), { code: "AUTHORIZATION_VIOLATION" });
    await assert.rejects(connect({ ...secure(), tls: null, reconnect: false, user: "all", pass: "all" }));
  });
});

describe("certificates and credentials", () => {
  const ears = { onMessage: () => undefined, onNoResponder: () => undefined, onReconnected: () => undefined };

  test("a server whose certificate is not trusted is not spoken to", async () => {
    const bus = new NatsBus({ nats: natsUrl(), prefix: USER });
    await assert.rejects(bus.join("one", ears), /certificate|unable to verify/i);
    const errors: string[] = [];
    const tick = new Tick(runtimeClock);
    const onError = (error: Error): void => void errors.push(error.message);
    const limits = CONTRACT_LIMITS;
    const store = new RedisStore({ redis: redisUrl(), prefix: USER, clock: runtimeClock, tick, limits, onError });
    const ready = assert.rejects(store.ready(), /closed/);
    await until("it says so", () => errors.some((text) => text.includes("certificate")));
    await store.close();
    await ready;
    assert.ok(errors.every((text) => !text.includes(PASSWORD)));
  });

  test("a file of credentials: a JWT of an account, and its seed", async (t) => {
    const { server, credentials } = credentialsFor("eioc.>");
    const { ca: file } = certificates;
    const operated = await startSecuredNats(certificates, `${NATS.slice(0, NATS.indexOf("authorization"))}\n${server}`);
    t.after(() => operated.kill());
    const servers = `tls://127.0.0.1:${operated.port}`;
    const bus = new NatsBus({ nats: { servers, tls: { caFile: file }, credentials }, prefix: USER });
    await bus.join("one", ears);
    assert.equal(bus.connected, true);
    await bus.leave();
    const stranger = new NatsBus({ nats: { servers, tls: { caFile: file } }, prefix: USER });
    await assert.rejects(stranger.join("two", ears), /AUTHORIZATION_VIOLATION/);
  });

  test("what is no credentials is refused at once, and not shown", () => {
    const nats = { servers: natsUrl(), credentials: "hunter2" };
    assert.throws(
      () => new NatsBus({ nats, prefix: USER }),
      (error: Error) => error.message.includes("nsc generate creds") && !error.message.includes("hunter2"),
    );
  });

  test("serve takes the file of an nkey's seed", async () => {
    const file = join(certificates.folder, "seed");
    writeFileSync(file, `${seedOf(nkey)}\n`);
    const { ca: authority } = certificates;
    const env = { PREFIX: USER, REDIS_TLS_CA: authority, NATS_TLS_CA: authority, NATS_CREDS: file };
    const secret = { CLUSTER_SECRET: "of all nodes of a test" };
    const natsUrl = `tls://127.0.0.1:${nats.port}`;
    const cluster = await startCluster({ nodes: 1, redisUrl: redisUrl(), natsUrl, env: { ...env, ...secret } });
    assert.equal((await cluster.account(0)).sids.length, 0);
    await cluster.stopAll();
  });
});
