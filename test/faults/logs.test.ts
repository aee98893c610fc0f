import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import { Redis } from "ioredis";
import { startLoad } from "../../testing/checked-load";
import { startNats } from "../../testing/nats";
import { startRedis } from "../../testing/redis";
import { startProcess } from "../../testing/processes";
import { TcpProxy } from "../../testing/tcp-proxy";
import { CLI, randomPrefix, startCluster } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { raw } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";

const POLLING = "/engine.io/?EIO=4&transport=polling";

/** Who reads logs must not be able to take sessions over, nor to speak to Redis, NATS or the nodes. */
describe("logs at LOG_LEVEL=debug", () => {
  const stops: (() => Promise<unknown>)[] = [];

  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const token = (): string => randomBytes(12).toString("hex");

  /** A Redis and a NATS that want passwords, and proxies to both. */
  const startServers = async (): Promise<{ urls: (password?: string) => Urls; cut: () => void; heal: () => void }> => {
    const [redisPassword, natsPassword] = [`redis${token()}`, `nats${token()}`];
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const client = new Redis(redis.port, "127.0.0.1");
    await client.config("SET", "requirepass", redisPassword);
    client.disconnect();
    const nats = await startNats(`authorization { user: node, password: "${natsPassword}" }`);
    stops.push(() => nats.stop());
    const ways = [await TcpProxy.start(redis.port), await TcpProxy.start(nats.port)] as const;
    stops.push(...ways.map((way) => () => way.stop()));
    return {
      urls: (password) => ({
        redisUrl: `redis://:${password ?? redisPassword}@127.0.0.1:${ways[0].port}`,
        natsUrl: `nats://node:${password ?? natsPassword}@127.0.0.1:${ways[1].port}`,
        secrets: [redisPassword, natsPassword, ...(password === undefined ? [] : [password])],
      }),
      cut: () => ways.forEach((way) => way.cut()),
      heal: () => ways.forEach((way) => way.heal()),
    };
  };

  test("have no session's whole id, and no secret, whatever happens to the nodes", async () => {
    const servers = await startServers();
    const { secrets, redisUrl, natsUrl } = servers.urls();
    const secret = `secret${token()}`;
    const cluster = await startCluster({
      nodes: 2,
      redisUrl,
      natsUrl,
      app: "demo",
      env: { LOG_LEVEL: "debug", CLUSTER_SECRET: secret, LEASE_TTL: "2000" },
    });
    stops.push(() => cluster.killAll());
    const nginx = await startNginx({ upstreams: cluster.ports });
    stops.push(() => nginx.stop());
    const shared = { url: nginx.url, sessions: 10, messages: Infinity, everyMs: 100, timeoutMs: 90_000 };
    const loads = [startLoad(shared), startLoad({ ...shared, transports: ["polling", "websocket"], reopen: true })];
    stops.push(async () => {
      for (const load of loads) load.abort();
      await Promise.all(loads.map(({ done }) => done));
    });
    const goesOn = (): Promise<void> => loads[0]!.whenEchoed(loads[0]!.verdict().echoed + 30);
    await goesOn();
    const said = [0, 1].map((i) => cluster.node(i).process.logs().length);
    servers.cut();
    const saysSo = async (i: number): Promise<void> => {
      const { process } = cluster.node(i);
      await process.until("word of Redis or NATS", () => /Redis|NATS/.exec(process.logs().slice(said[i])) ?? undefined);
    };
    await Promise.all([saysSo(0), saysSo(1)]);
    servers.heal();
    await goesOn();
    // The demo kills its process when its visitor asks, and says whose visitor.
    const { text } = await raw(`${cluster.urls[1]!}${POLLING}`);
    const killer = /"sid":"([^"]+)"/.exec(text)?.[1] ?? assert.fail(text);
    const session = `${cluster.urls[1]!}${POLLING}&sid=${killer}`;
    // Its last words wait for a poll.
    const poll = raw(`${session}&t=1`).catch(() => undefined);
    const kill = raw(`${session}&t=2`, { method: "POST", body: '4{"demo":"kill"}' }).catch(() => undefined);
    await waitFor("the node to have killed itself", () => !cluster.node(1).process.running);
    await Promise.all([poll, kill]);
    await goesOn();
    await cluster.start(1, cluster.ports[1]);
    const before = cluster.logs(1);
    await raw(`${nginx.url}${POLLING}&sid=${killer.slice(0, 12)}strange&t=1`);
    await goesOn();
    await cluster.stopAll();
    const logs = [before, cluster.logs(0), cluster.logs(1)].join("\n");
    assert.match(logs, /listening/);
    const sids = [killer, `${killer.slice(0, 12)}strange`, ...loads.flatMap((load) => load.sids())];
    assert.ok(sids.length > 20);
    for (const hidden of [...sids, ...secrets, secret]) assert.ok(!logs.includes(hidden), `${hidden} is in\n${logs}`);
  });

  test("of a node that is refused by Redis, or by NATS, name no password", async () => {
    const servers = await startServers();
    const right = servers.urls();
    const wrong = servers.urls(`wrong${token()}`);
    for (const [redisUrl, natsUrl] of [
      [wrong.redisUrl, right.natsUrl],
      [right.redisUrl, wrong.natsUrl],
    ] as const) {
      const env = { REDIS_URL: redisUrl, NATS_URL: natsUrl, LOG_LEVEL: "debug", PREFIX: randomPrefix(), WORKERS: "1" };
      const node = startProcess(process.execPath, [CLI, "serve", "--port", "0", "--host", "127.0.0.1"], {
        name: "a node that is refused",
        env: { ...env, HEALTH_PORT: "off", LOG_FORMAT: "json" },
      });
      stops.push(() => node.kill());
      await waitFor("it to end", () => !node.running, 40_000);
      const { code } = await node.ended;
      assert.notEqual(code, 0);
      assert.match(node.logs(), /redis|nats/i);
      for (const hidden of wrong.secrets) assert.ok(!node.logs().includes(hidden), `${hidden} is in\n${node.logs()}`);
    }
  });
});

interface Urls {
  readonly redisUrl: string;
  readonly natsUrl: string;
  /** What must not be seen. */
  readonly secrets: readonly string[];
}
