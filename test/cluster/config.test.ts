import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { readConfig, toEnvironment, withoutPassword, type Config } from "../../cluster/config";
import { connectionsOf } from "../../cluster/connections";
import { flagName, SETTINGS, type Setting } from "../../cluster/settings";
import { clusterOptions } from "../../cluster/worker";
import { FatalError } from "../../cluster/fatal";

function config(given: Record<string, string>, environment: Record<string, string> = {}): Config {
  const read = readConfig(given, environment);
  assert.ok(read.ok, read.ok ? "" : read.problems.join("; "));
  return read.config;
}

function problems(given: Record<string, string>, environment: Record<string, string> = {}): readonly string[] {
  const read = readConfig(given, environment);
  assert.ok(!read.ok, "expected to be refused");
  return read.problems;
}

describe("configuration", () => {
  test("defaults: three embedded workers behind the front", () => {
    const { workers, port, host, redis, nats, app, path, balancer, pingInterval, pingTimeout, demoKill } = config({});
    assert.deepEqual(
      { workers, port, host, redis, nats, app, path, balancer, pingInterval, pingTimeout, demoKill },
      {
        workers: 3,
        port: 3000,
        host: undefined,
        redis: undefined,
        nats: undefined,
        app: undefined,
        path: "/engine.io",
        balancer: "front",
        pingInterval: 25_000,
        pingTimeout: 20_000,
        demoKill: true,
      },
    );
  });

  test("an option wins over its variable; an empty variable is none", () => {
    assert.equal(config({}, { PORT: "4000" }).port, 4000);
    assert.equal(config({ port: "5000" }, { PORT: "4000" }).port, 5000);
    assert.equal(config({}, { PORT: "" }).port, 3000);
  });

  test("the path loses a slash at its end", () => {
    assert.equal(config({ path: "/engine.io/" }).path, "/engine.io");
  });

  test("what is refused is named with its value and what is allowed, all of it at once", () => {
    assert.deepEqual(problems({ workers: "0", balancer: "fair" }, { PORT: "web", ENGINE_PATH: "engine.io" }), [
      '--workers is "0"; allowed is a whole number from 1 to 256',
      'PORT is "web"; allowed is a whole number from 0 to 65535',
      'ENGINE_PATH is "engine.io"; allowed is a path such as /engine.io, without query',
      '--balancer is "fair"; allowed is front, round-robin, sticky',
    ]);
  });

  const refused: readonly (readonly [keyof Config, readonly string[]])[] = [
    ["workers", ["-1", "1.5", "257", "three", " 3", "1e1"]],
    ["port", ["65536", "-1", "0x10"]],
    ["host", ["a b", "http://x/"]],
    ["redis", ["localhost:6379", "http://localhost", "redis://", "redis"]],
    ["nats", ["localhost:4222", "redis://localhost", "nats://"]],
    ["app", ["  "]],
    ["path", ["/", "//", "/a?b", "/a b", "a"]],
    ["prefix", ["a.b", "a b", "*", "x".repeat(65)]],
    ["secret", ["short"]],
    ["pingInterval", ["0", "2147483648"]],
    ["maxHttpBufferSize", ["0", "1MB", "1000000001"]],
    ["transports", ["", ",", "polling,", "polling,polling", "polling websocket", "webtransport", "Polling"]],
    ["upgradeTimeout", ["0", "-1"]],
    ["perMessageDeflate", ["true", "2", ""]],
    ["leaseTtl", ["999", "5s"]],
    ["pollGrace", ["1499"]],
    ["linger", ["0"]],
    ["takeover", ["", "Close", "adopt,close"]],
    ["demoKill", ["yes"]],
    ["logFormat", ["xml"]],
  ];
  for (const [name, values] of refused) {
    for (const value of values) {
      test(`${name} ${JSON.stringify(value)} is refused`, () => {
        assert.equal(problems({ [name]: value }).length, 1);
      });
    }
  }

  test("Redis and NATS: both or neither, and the message says what to set", () => {
    const [redisOnly] = problems({ redis: "redis://localhost" });
    assert.match(redisOnly!, /--redis \(REDIS_URL\) is set and --nats \(NATS_URL\) is not; set both/);
    const [natsOnly] = problems({ workers: "1" }, { NATS_URL: "nats://localhost" });
    assert.match(natsOnly!, /--nats \(NATS_URL\) is set and --redis \(REDIS_URL\) is not; set both/);
    const both = config({ redis: "rediss://u:p@redis:6380/1" }, { NATS_URL: "tls://nats" });
    assert.equal(both.redis, "rediss://u:p@redis:6380/1");
    assert.equal(both.nats, "tls://nats");
  });

  test("idle connections are kept longer than the balancer keeps them, or it is said what to set", () => {
    const [problem] = problems({}, { KEEP_ALIVE_TIMEOUT: "60000" });
    assert.match(
      problem!,
      /--keep-alive-timeout \(KEEP_ALIVE_TIMEOUT\) is 60000 and must be above .*\(BALANCER_IDLE_TIMEOUT\), which is 60000/,
    );
    assert.equal(config({}, { KEEP_ALIVE_TIMEOUT: "60001" }).keepAliveTimeout, 60_001);
    assert.equal(config({}, { KEEP_ALIVE_TIMEOUT: "5000", BALANCER_IDLE_TIMEOUT: "0" }).keepAliveTimeout, 5000);
  });

  test("files of certificates and credentials need the URL that they are for", () => {
    const secure = { REDIS_URL: "rediss://r", NATS_URL: "tls://n" };
    const files = { REDIS_TLS_CA: "/r.pem", NATS_TLS_CA: "/n.pem", NATS_CREDS: "/n.creds" };
    const { redisTlsCa, natsTlsCa, natsCreds } = config({}, { ...secure, ...files });
    assert.deepEqual([redisTlsCa, natsTlsCa, natsCreds], ["/r.pem", "/n.pem", "/n.creds"]);
    assert.deepEqual(problems({}, { ...files, REDIS_URL: "redis://r", NATS_URL: "nats://n" }), [
      "--redis-tls-ca (REDIS_TLS_CA) is set and --redis (REDIS_URL) is not a rediss:// URL; set that, or leave the file away",
      "--nats-tls-ca (NATS_TLS_CA) is set and --nats (NATS_URL) is not a tls:// URL; set that, or leave the file away",
    ]);
    assert.match(problems({ natsCreds: "/n.creds" }).join(), /NATS_CREDS\) is set and --nats \(NATS_URL\) is not set/);
  });

  test("a file that cannot be read ends the start, with its setting", () => {
    const read = config({ redis: "rediss://r", nats: "tls://n" }, { NATS_TLS_CA: "/nowhere/ca.pem" });
    assert.throws(
      () => connectionsOf(read),
      (error) =>
        error instanceof FatalError && /--nats-tls-ca \(NATS_TLS_CA\) cannot be read: .*nowhere/.test(error.message),
    );
  });

  test("no secret and no password is shown", () => {
    assert.deepEqual(problems({}, { CLUSTER_SECRET: "hunter2" }), [
      "CLUSTER_SECRET is not shown; allowed is 16 characters or more, several of such with commas between, or off",
    ]);
    assert.ok(!problems({ redis: "http://user:hunter2@host" }).join().includes("hunter2"));
    assert.equal(withoutPassword("redis://user:pass@host:1/2"), "redis://***@host:1/2");
  });

  test("one secret, several, or none knowingly", () => {
    const [one, other] = ["0123456789abcdef", "fedcba9876543210"];
    assert.deepEqual(config({}, { CLUSTER_SECRET: one }).secret, [one]);
    assert.deepEqual(config({}, { CLUSTER_SECRET: `${one}, ${other}` }).secret, [one, other]);
    assert.equal(config({}, { CLUSTER_SECRET: "off" }).secret, "off");
    assert.equal(problems({}, { CLUSTER_SECRET: `${one},short` }).length, 1);
    const urls = { redis: "redis://r", nats: "nats://n" };
    const secretOf = (text: string): unknown =>
      (clusterOptions(config(urls, { CLUSTER_SECRET: text }), {}) as { secret?: unknown }).secret;
    assert.deepEqual([secretOf(one), secretOf("off"), secretOf("")], [[one], false, undefined]);
  });

  test("transports: a list with commas, in the engine's order", () => {
    assert.deepEqual(config({}).transports, ["polling", "websocket"]);
    assert.deepEqual(config({ transports: "websocket" }).transports, ["websocket"]);
    assert.deepEqual(config({}, { TRANSPORTS: " websocket , polling " }).transports, ["polling", "websocket"]);
  });

  test("another process reads the same from the environment that is made of it", () => {
    const original = config(
      { workers: "5", path: "/x", redis: "redis://r", nats: "nats://n", app: "./app.js", takeover: "close" },
      {
        CLUSTER_SECRET: "0123456789abcdef,fedcba9876543210",
        DEMO_KILL: "0",
        LOG_LEVEL: "warn",
        TRANSPORTS: "websocket",
        PER_MESSAGE_DEFLATE: "1",
        LEASE_TTL: "1000",
      },
    );
    assert.deepEqual(config({}, toEnvironment(original)), original);
    assert.deepEqual(config({}, { HOST: "example", ...toEnvironment(config({})) }), config({}));
  });
});

describe("the table of settings", () => {
  test("is the README's too: each option and variable has a row, and no other has one", () => {
    const text = readFileSync(join(__dirname, "../../README.md"), "utf8");
    const rows = [...text.matchAll(/^\| (?:`(--[a-z-]+)`)? +\| `([A-Z_]+)` +\|/gm)].map(([, flag, name]) => [
      name,
      flag,
    ]);
    const settings = Object.values<Setting<unknown>>(SETTINGS).map((spec) => [spec.variable, flagName(spec)]);
    assert.deepEqual(rows.sort(), settings.sort());
  });

  const all = Object.entries<Setting<unknown>>(SETTINGS);

  test("options are named as commander hands them over: --ping-interval is pingInterval", () => {
    const renamed: Record<string, string> = {};
    for (const [name, spec] of all) {
      const flag = flagName(spec)
        ?.slice(2)
        .replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
      if (flag !== undefined && flag !== name) renamed[name] = flag;
    }
    assert.deepEqual(renamed, {});
  });

  test("each has a variable of its own", () => {
    assert.equal(new Set(all.map(([, { variable }]) => variable)).size, all.length);
  });

  test("each default is one that may be given", () => {
    for (const [name, { fallback, parse }] of all) {
      if (typeof fallback !== "string" && typeof fallback !== "number") continue;
      assert.equal(parse(String(fallback)), fallback, name);
    }
  });

  test("secrets are no options", () => {
    for (const [name, { secret, flag }] of all) if (secret === true) assert.equal(flag, undefined, name);
  });
});

describe("limits", () => {
  test("are read, with how many proxies are trusted, or which", () => {
    const { maxSessions, maxSessionsPerAddress, maxRequests, bodyTimeout, trustProxy } = config({});
    assert.deepEqual(
      { maxSessions, maxSessionsPerAddress, maxRequests, bodyTimeout, trustProxy },
      {
        maxSessions: 1_000_000,
        maxSessionsPerAddress: undefined,
        maxRequests: 200_000,
        bodyTimeout: 120_000,
        trustProxy: 0,
      },
    );
    assert.equal(config({ trustProxy: "2" }).trustProxy, 2);
    assert.equal(config({}, { TRUST_PROXY: "loopback, 10.0.0.0/8" }).trustProxy, "loopback, 10.0.0.0/8");
    assert.equal(config({}, { MAX_SESSIONS_PER_ADDRESS: "20" }).maxSessionsPerAddress, 20);
    assert.deepEqual(problems({ trustProxy: "-1", maxSessions: "0" }), [
      '--max-sessions is "0"; allowed is a whole number from 1 to 1000000000',
      '--trust-proxy is "-1"; allowed is a whole number from 0 to 32, or addresses and networks with commas between',
    ]);
  });
});
