import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, afterEach, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { assertFlawless, startLoad } from "../helpers/checked-load";
import { startCluster, startServe, type Cluster } from "../helpers/cluster";
import { startNginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient, RawWebSocket } from "./raw";

/** Two beats without a word, a question that finds nobody, another one 120 ms later; and the time that this machine takes. */
const NOTICED = 4_500;
const SESSIONS = 12;

describe("deaths of nodes that websockets depend on", () => {
  let backends: Backends;
  let cluster: Cluster;

  before(async () => {
    backends = await startBackends();
  });

  afterEach(() => cluster.killAll());

  after(() => backends.stop());

  const start = async (): Promise<void> => {
    cluster = await startCluster({ nodes: 3, ...backends.urls });
  };

  test("a gateway is killed: its sessions close with transport close, others go on", async () => {
    await start();
    const [OWNER, GATEWAY, OTHER] = [0, 1, 2] as const;
    const lost = await relayed(SESSIONS, OWNER, GATEWAY);
    const kept = await relayed(SESSIONS, OWNER, OTHER);
    const start_ = performance.now();
    await cluster.kill(GATEWAY);
    const sids = lost.map(({ sid }) => sid).sort();
    const closes = await waitFor("their closes at the owner", async () => {
      const { closes } = await cluster.account(OWNER);
      return closes.length >= SESSIONS && closes;
    });
    const took = performance.now() - start_;
    assert.deepEqual(closes.map(({ sid }) => sid).sort(), sids);
    for (const { reason } of closes) assert.equal(reason, "transport close");
    assert.ok(took < NOTICED, `after ${took} ms`);
    console.log(`closed at their owner ${Math.round(took)} ms after their gateway's death`);
    await Promise.all(lost.map(({ websocket }) => websocket.closed));
    for (const { sid, websocket } of kept) assert.equal(await echo(websocket, sid), true);
    assert.equal((await cluster.account(OWNER)).sids.length, kept.length);
  });

  test("an owner is killed: its websockets are closed, direct and relayed, and its polling sessions go on", async () => {
    await start();
    const [OWNER, GATEWAY, OTHER] = [0, 1, 2] as const;
    const websockets = [...(await relayed(SESSIONS, OWNER, GATEWAY)), ...(await relayed(SESSIONS, OWNER, OTHER))];
    const direct = await Promise.all(
      Array.from({ length: SESSIONS }, () => RawWebSocket.session(cluster.urls[OWNER]!)),
    );
    const others = await relayed(SESSIONS, OTHER, GATEWAY);
    const nginx = await startNginx({ upstreams: cluster.ports });
    const load = startLoad({ url: nginx.url, sessions: 3 * SESSIONS, messages: Infinity, everyMs: 100 });
    try {
      await load.opened;
      await load.whenEchoed(10 * SESSIONS);
      const start_ = performance.now();
      await cluster.kill(OWNER);
      await Promise.all([...websockets, ...direct].map(({ websocket }) => websocket.closed));
      const took = performance.now() - start_;
      assert.ok(took < NOTICED, `after ${took} ms`);
      console.log(`relayed websockets closed ${Math.round(took)} ms after their owner's death`);
      await load.whenEchoed(load.verdict().echoed + 30 * SESSIONS);
      load.finish();
      assertFlawless(await load.done);
    } finally {
      load.abort();
      await nginx.stop();
    }
    const takeovers = [1, 2].map(async (node) => (await cluster.account(node)).takeovers.length);
    const taken = (await Promise.all(takeovers)).reduce((sum, count) => sum + count, 0);
    assert.ok(taken > 0, "nobody took over a polling session");
    for (const { sid, websocket } of others) assert.equal(await echo(websocket, sid), true);
    // What the dead owner's websockets were is nobody's session any more.
    const gone = new Set([...websockets, ...direct].map(({ sid }) => sid));
    for (const { sids } of (await cluster.accounts()).values()) assert.ok(!sids.some((sid) => gone.has(sid)));
    for (const sid of gone) assert.deepEqual(await cluster.node(OTHER).clusterSend([sid], "hello"), [false]);
  });

  for (const victim of ["owner", "gateway"] as const) {
    test(`an upgrade under way when its ${victim} is killed succeeds or fails, and never leaves a session that hangs`, async () => {
      await start();
      const [OWNER, GATEWAY, OTHER] = [0, 1, 2] as const;
      const tries: Try[] = [];
      for (let i = 0; i < 8; i++) {
        for (const stage of STAGES) tries.push(await begin(stage, cluster.urls[OWNER]!, cluster.urls[GATEWAY]!));
      }
      // One after the other: the first ones get further than the last.
      for (const one of tries) {
        one.act();
        await sleep(1);
      }
      await cluster.kill(victim === "owner" ? OWNER : GATEWAY);
      const outcomes = await Promise.all(tries.map((one) => outcome(one, cluster.urls[OTHER]!)));
      const seen = new Map<string, number>();
      for (const [i, result] of outcomes.entries()) {
        const { stage } = tries[i]!;
        // Only a client that has said that it goes over can have lost its session, since that may be recorded; and one that has
        // probed, whose websocket is gone: a stock client polls no more then, and is to be told (U7).
        if (stage === "connected" || (victim === "owner" && stage !== "upgrade"))
          assert.notEqual(result, "ended", stage);
        if (victim === "gateway" && stage === "pong") assert.equal(result, "ended", stage);
        const name = `${stage}: ${result}`;
        seen.set(name, (seen.get(name) ?? 0) + 1);
      }
      console.log([...seen].map(([name, count]) => `${name} ${count}`).join(", "));
      // Where a session has ended for its client no node goes on with it, at the latest when the dead node is noticed.
      const ended = new Set(tries.filter((_, i) => outcomes[i] === "ended").map(({ client }) => client.sid));
      await waitFor("no node to have a session that has ended", async () => {
        const accounts = [...(await cluster.accounts()).values()];
        return !accounts.some(({ sids }) => sids.some((sid) => ended.has(sid)));
      });
      // The others are served from everywhere.
      for (const [i, result] of outcomes.entries()) {
        if (result === "ended") continue;
        const { client, websocket } = tries[i]!;
        for (const node of cluster.running)
          assert.deepEqual(await cluster.node(node).clusterSend([client.sid], "hello"), [true]);
        if (result === "upgraded") {
          for (const _ of cluster.running) assert.equal(await websocket.next(), "4hello");
        }
      }
      for (const { websocket } of tries) websocket.terminate();
    });
  }

  test("embedded: when a worker is killed each websocket closes or goes on, and no session is left without a client", async () => {
    cluster = await startCluster({ nodes: 0, ...backends.urls });
    const server = await startServe({ workers: 3, balancer: "front" });
    try {
      const clients = Array.from(
        { length: 60 },
        () => new Socket(server.url, { transports: ["polling", "websocket"] }),
      );
      const closed = new Set<Socket>();
      const echoes = new Map<Socket, unknown[]>(clients.map((client) => [client, []]));
      let upgraded = 0;
      for (const client of clients) {
        client.on("upgrade", () => upgraded++);
        client.on("close", () => closed.add(client));
        client.on("message", (data) => echoes.get(client)?.push(data));
      }
      await waitFor("all of them to go over", () => upgraded === clients.length);
      const [victim] = await server.accounts();
      assert.ok(victim !== undefined && victim.sids.length > 0);
      process.kill(victim.pid, "SIGKILL");
      await waitFor("the others to be all that there is", async () => {
        const accounts = await server.accounts();
        const sids = accounts.flatMap((account) => (account.pid === victim.pid ? [] : account.sids)).sort();
        const open = clients.filter((client) => !closed.has(client));
        return open.length === sids.length && open.every((client) => sids.includes(idOf(client)));
      });
      const open = clients.filter((client) => !closed.has(client));
      assert.ok(closed.size >= victim.sids.length && open.length > 0, `${open.length} go on`);
      for (const client of open) client.send("still there?");
      await waitFor("their echoes", () => open.every((client) => echoes.get(client)?.length === 1));
      for (const client of clients) client.close();
    } finally {
      await server.stop();
    }
  });

  /** Sessions of one node whose websockets another one holds; each has echoed once. */
  async function relayed(
    count: number,
    owner: number,
    gateway: number,
  ): Promise<{ readonly sid: string; readonly websocket: RawWebSocket }[]> {
    return Promise.all(
      Array.from({ length: count }, async () => {
        const client = await RawClient.open(cluster.urls[owner]!);
        const websocket = await client.upgrade(cluster.urls[gateway]!);
        assert.equal(await echo(websocket, client.sid), true);
        return { sid: client.sid, websocket };
      }),
    );
  }
});

/** How far an upgrade is when its node is killed. */
const STAGES = ["connected", "probe", "pong", "upgrade"] as const;
type Stage = (typeof STAGES)[number];

interface Try {
  readonly stage: Stage;
  readonly client: RawClient;
  readonly websocket: RawWebSocket;
  /** What the client does in the moments before the kill. */
  readonly act: () => void;
}

async function begin(stage: Stage, owner: string, gateway: string): Promise<Try> {
  const client = await RawClient.open(owner);
  const websocket = await client.websocket(gateway);
  if (stage === "pong" || stage === "upgrade") {
    websocket.send("2probe");
    assert.equal(await websocket.next(), "3probe");
  }
  const act = (): void => {
    if (stage === "probe") websocket.send("2probe");
    if (stage === "upgrade") websocket.send("5");
  };
  return { stage, client, websocket, act };
}

/** What has become of a try whose client goes on as stock clients do. */
async function outcome({ stage, client, websocket }: Try, other: string): Promise<"upgraded" | "polls on" | "ended"> {
  const byWebSocket = async (): Promise<boolean> => {
    if (stage === "connected") websocket.send("2probe");
    if (stage === "connected" || stage === "probe") {
      const pong = await websocket.next();
      if (pong === undefined) return false;
      assert.equal(pong, "3probe");
    }
    if (stage !== "upgrade") websocket.send("5");
    return echo(websocket, "by websocket");
  };
  const hanging = sleep(20_000, "hangs" as const, { ref: false });
  const went = await Promise.race([byWebSocket(), hanging]);
  assert.notEqual(went, "hangs", `the websocket of ${stage} is neither closed nor served`);
  if (went === true) return "upgraded";
  const polled = client.poll(other);
  const post = await Promise.race([client.post(other, "4by polling"), hanging]);
  assert.ok(post !== "hangs", `a POST of ${stage} is not answered`);
  let poll = await Promise.race([polled, hanging]);
  // A ping, or what an upgrade lets a poll go with, can come before the echo.
  while (poll !== "hangs" && post.status === 200 && poll.status === 200 && /^[26](\x1e[26])*$/.test(poll.body)) {
    poll = await Promise.race([client.poll(other), hanging]);
  }
  assert.ok(poll !== "hangs", `a poll of ${stage} is not answered`);
  if (poll.status === 200 && poll.body.split("\x1e").includes("1")) return "ended";
  if (post.status === 200 && poll.status === 200) {
    assert.ok(poll.body.split("\x1e").includes("4by polling"), poll.body);
    return "polls on";
  }
  assert.equal(post.status, 400, post.body);
  assert.equal(poll.status, 400, poll.body);
  return "ended";
}

/** Whether a message comes back, before the websocket closes. Packets that came before it are skipped. */
async function echo(websocket: RawWebSocket, text: string): Promise<boolean> {
  if (websocket.isClosed) return false;
  websocket.send(`4${text}`);
  for (;;) {
    const message = await websocket.next();
    if (message === undefined) return false;
    if (message === `4${text}`) return true;
  }
}

function idOf(client: Socket): string {
  return (client as unknown as { readonly id: string }).id;
}
