import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "nats";
import { FRONT_METRICS } from "../../cluster/primary-operations";
import { PATHS } from "../../src/operations/handler";
import { READINGS } from "../../src/operations/readings";
import { STORE_LATENCY } from "../../src/operations/store-latency";
import { Kit, type KitNode } from "../../testing";
import { RawClient, RawWebSocket } from "../e2e/raw";
import { startServe, type ServeProcess } from "../helpers/cluster";
import { FullQueues } from "./full-queues";
import { LimitedEngine } from "./limited-engine";
import { ROOT } from "./manifests";
import { readMetrics, Watched } from "./metrics-kit";

const watched = new Watched();
const { moved } = watched;
const rises = watched.rises.bind(watched);
const becomes = watched.becomes.bind(watched);

/** Sessions of which no metric may know the name. */
const sids: string[] = [];

function healthUrl(node: KitNode): string {
  const ports = [...node.logs().matchAll(/"port":(\d+),"msg":"health and metrics"/g)];
  return `http://127.0.0.1:${ports.at(-1)?.[1] ?? ""}`;
}

const of = (node: KitNode) => async (): Promise<string> => (await fetch(`${healthUrl(node)}${PATHS.metrics}`)).text();

async function open(node: KitNode): Promise<RawClient> {
  const client = await RawClient.open(node.url);
  sids.push(client.sid);
  return client;
}

async function tell(node: KitNode, path: string, body = ""): Promise<void> {
  const { status } = await fetch(`${node.url}/__test/${path}`, { method: "POST", body });
  assert.equal(status, 200, path);
}

const push = (node: KitNode, { sid }: RawClient): Promise<void> => tell(node, `push?sid=${sid}`, "hello");

/** A request with a `t` of the test's choice. */
function request(node: KitNode, { sid }: RawClient, t: string, body?: string): Promise<Response> {
  const url = `${node.url}/engine.io/?EIO=4&transport=polling&sid=${sid}&t=${t}`;
  if (body === undefined) return fetch(url);
  return fetch(url, { method: "POST", body, headers: { "content-type": "text/plain" } });
}

describe("metrics of a node", () => {
  let kit: Kit;
  let owner: KitNode;
  let other: KitNode;
  let third: KitNode;

  before(async () => {
    kit = await Kit.start({
      app: join(ROOT, "test/helpers/app.cjs"),
      env: { HEALTH_PORT: "0", LEASE_TTL: "6000", DRAIN_TIMEOUT: "2000", PING_TIMEOUT: "3000" },
    });
    [owner, other, third] = [kit.node(0), kit.node(1), kit.node(2)];
  });

  after(() => kit.stop());

  test("sessions by transport and owner; those that began, and that ended, with why", async () => {
    const client = await rises(of(owner), "engineio_sessions_opened_total", {}, () => open(owner));
    await becomes(of(owner), "engineio_sessions", { transport: "polling", owner: "here" }, 1);
    await becomes(of(other), "engineio_sessions", { transport: "polling" }, 0);
    await rises(of(owner), "engineio_sessions_closed_total", { reason: "transport close" }, () =>
      client.post(owner.url, "1"),
    );
    await becomes(of(owner), "engineio_sessions", { transport: "polling" }, 0);
    const websocket = await RawWebSocket.session(owner.url);
    sids.push(websocket.sid);
    await becomes(of(owner), "engineio_sessions", { transport: "websocket", owner: "here" }, 1);
    websocket.websocket.terminate();
    await becomes(of(owner), "engineio_sessions", { transport: "websocket", owner: "here" }, 0);
  });

  test("requests by kind and locality, and what they cost: look-ups, turns, commands, messages, frames", async () => {
    const client = await open(owner);
    const [here, there] = [of(owner), of(other)];
    const remote = { kind: "post", locality: "remote" };
    await rises(here, "engineio_requests_total", { kind: "post", locality: "local" }, () =>
      rises(here, "engineio_turns_total", {}, () =>
        rises(here, "engineio_store_calls_total", {}, () =>
          rises(here, "engineio_store_operations_total", {}, () =>
            rises(here, `${STORE_LATENCY}_count`, {}, () => client.post(owner.url, "4a")),
          ),
        ),
      ),
    );
    moved.add(STORE_LATENCY);
    await rises(there, "engineio_requests_total", remote, () =>
      rises(there, "engineio_owner_lookups_total", {}, () =>
        rises(there, "engineio_bus_messages_total", { direction: "sent" }, () =>
          rises(here, "engineio_bus_messages_total", { direction: "received" }, () =>
            rises(there, "engineio_bus_frames_total", { direction: "sent" }, () =>
              rises(here, "engineio_bus_frames_total", { direction: "received" }, () => client.post(other.url, "4b")),
            ),
          ),
        ),
      ),
    );
    await rises(there, "engineio_requests_total", { kind: "poll", locality: "remote" }, () => client.poll(other.url));
    await push(owner, client);
    await rises(here, "engineio_requests_total", { kind: "poll", locality: "local" }, () => client.poll(owner.url));
  });

  test("polls that wait: at the node that holds them, and at the owner", async () => {
    const client = await open(owner);
    const poll = client.poll(other.url);
    await becomes(of(owner), "engineio_parked_polls", {}, 1);
    await becomes(of(other), "engineio_held_requests", { kind: "poll" }, 1);
    await becomes(of(other), "engineio_requests_under_way", {}, 1);
    await push(owner, client);
    await poll;
    await becomes(of(owner), "engineio_parked_polls", {}, 0);
    await becomes(of(other), "engineio_held_requests", { kind: "poll" }, 0);
    await becomes(of(other), "engineio_requests_under_way", {}, 0);
  });

  test("write buffers", async () => {
    const client = await open(owner);
    await push(owner, client);
    await becomes(of(owner), "engineio_buffered_packets", {}, 1);
    await becomes(of(owner), "engineio_buffer_bytes", {}, "hello".length);
    await client.poll(owner.url);
    await becomes(of(owner), "engineio_buffer_bytes", {}, 0);
  });

  test("refused requests, by the engine's text", async () => {
    await rises(of(other), "engineio_refused_requests_total", { reason: "Session ID unknown" }, () =>
      new RawClient("nobody").poll(other.url),
    );
  });

  test("requests that came again and were not done again", async () => {
    const client = await open(owner);
    const duplicates = (kind: string) => [of(owner), "engineio_duplicates_suppressed_total", { kind }] as const;
    await request(owner, client, "once", "4a");
    await rises(...duplicates("posts"), () => request(other, client, "once", "4a"));
    await request(owner, client, "got");
    await rises(...duplicates("polls"), () => request(other, client, "got"));
  });

  test("websockets of others' sessions, and the frames between the two", async () => {
    const client = await open(owner);
    const websocket = await client.upgrade(other.url);
    await becomes(of(other), "engineio_sessions", { transport: "websocket", owner: "elsewhere" }, 1);
    await becomes(of(owner), "engineio_relayed_sessions", {}, 1);
    await rises(of(owner), "engineio_relayed_frames_total", { direction: "fromClient" }, () =>
      rises(of(other), "engineio_relayed_frames_total", { direction: "toClient" }, async () => {
        websocket.send("4x");
        assert.equal(await websocket.next(), "4x");
      }),
    );
    websocket.terminate();
    await becomes(of(owner), "engineio_relayed_sessions", {}, 0);
  });

  test("the way to the bus, and messages that are not the cluster's", async () => {
    await becomes(of(owner), "engineio_bus_round_trip_seconds", {}, (seconds) => seconds > 0 && seconds < 1);
    await rises(of(owner), "engineio_messages_rejected_total", {}, async () => {
      const foreign = await connect({ servers: kit.nats.url });
      foreign.publish(`${kit.prefix}.beat`, Buffer.from("not a message"));
      await foreign.drain();
    });
  });

  test("a node that leaves, and one that dies", async () => {
    await becomes(of(owner), "engineio_nodes", {}, 3);
    await becomes(of(third), "engineio_nodes", {}, 3);
    const left = await open(third);
    // Whichever of the two it gives its session to.
    const heirs = async (): Promise<string> => (await of(owner)()) + (await of(other)());
    await rises(heirs, "engineio_sessions_adopted_total", {}, () =>
      rises(heirs, "engineio_handovers_total", {}, () => third.terminate()),
    );
    await left.post(owner.url, "4still");
    await becomes(of(owner), "engineio_nodes", {}, 2);
    await third.start();
    await becomes(of(owner), "engineio_nodes", {}, 3);
    const orphan = await open(third);
    await third.kill();
    await rises(of(other), "engineio_takeovers_total", {}, () => orphan.post(other.url, "4on"));
  });

  test("with the store standing still: requests that wait, asks repeated after a loss on the link", async () => {
    const client = await open(owner);
    // The other node knows by this who owns the session, and has nobody to ask for it.
    await client.post(other.url, "4known");
    kit.redis.pause();
    const post = client.post(other.url, "4slow");
    const send = tell(other, `cluster-send?sid=${client.sid}`, "sent");
    const done = Promise.all([post, send]);
    await becomes(of(other), "engineio_held_requests", { kind: "post" }, 1);
    await becomes(of(other), "engineio_held_requests", { kind: "send" }, 1);
    await rises(of(owner), "engineio_duplicates_suppressed_total", { kind: "sends" }, async () => {
      await rises(of(other), "engineio_link_losses_total", {}, () =>
        rises(of(other), "engineio_asks_repeated_total", { why: "link loss" }, async () => {
          other.links!.nats.cut();
          await becomes(of(other), "engineio_ready", { condition: "bus" }, 0);
          await becomes(of(other), "engineio_bus_round_trip_seconds", {}, undefined);
          other.links!.nats.heal();
        }),
      );
      kit.redis.resume();
      await done;
    });
    await becomes(of(other), "engineio_ready", { condition: "bus" }, 1);
  });

  test("a store that comes back empty: failures, and records that are written again", async () => {
    const client = await open(owner);
    await rises(of(owner), "engineio_store_failures_total", {}, async () => {
      await kit.redis.kill();
      await becomes(of(owner), "engineio_ready", { condition: "store" }, 0);
    });
    await rises(of(owner), "engineio_records_restored_total", {}, async () => {
      await kit.redis.restart();
      await client.post(owner.url, "4after");
    });
    await becomes(of(owner), "engineio_ready", { condition: "store" }, 1);
  });

  test("a node that is cut off: its sessions go on elsewhere, and its turns are refused", async () => {
    const session = await open(owner);
    await session.post(other.url, "4known");
    await rises(of(owner), "engineio_withdrawals_total", {}, async () => {
      owner.links!.nats.cut();
      await rises(of(other), "engineio_takeovers_total", {}, () => session.post(other.url, "4mine"));
      await rises(of(owner), "engineio_sessions_closed_total", { reason: "taken over" }, () =>
        rises(of(owner), "engineio_turns_refused_total", {}, () => push(owner, session)),
      );
    });
  });

  test("the process itself: event-loop lag, memory, CPU", async () => {
    for (const name of [
      "nodejs_eventloop_lag_seconds",
      "nodejs_eventloop_lag_p99_seconds",
      "process_resident_memory_bytes",
      "process_cpu_seconds_total",
    ])
      assert.ok(((await watched.read(of(other), name)) ?? 0) > 0, name);
  });
});

describe("metrics of a primary and its workers", () => {
  let served: ServeProcess;
  const primary = async (): Promise<string> => {
    const [, port = ""] = /"port":(\d+),"msg":"health and metrics"/.exec(served.logs()) ?? [];
    return (await fetch(`http://127.0.0.1:${port}${PATHS.metrics}`)).text();
  };

  before(async () => {
    const env = { HEALTH_PORT: "0", BODY_LIMIT: "100" };
    served = await startServe({ workers: 2, app: join(__dirname, "quiet-app.cjs"), env });
  });

  after(() => served.kill());

  test("the front's requests, upgrades and refused bodies; each worker's own, by its name", async () => {
    await rises(primary, "engineio_front_requests_total", {}, () => fetch(`${served.url}/pid`));
    await rises(primary, "engineio_front_upgrades_total", {}, async () => {
      (await RawWebSocket.session(served.url)).websocket.terminate();
    });
    await rises(primary, "engineio_front_bodies_refused_total", {}, () =>
      fetch(`${served.url}/pid`, { method: "POST", body: "x".repeat(101) }),
    );
    const workers = readMetrics(await primary()).filter(({ name }) => name === "engineio_nodes");
    assert.deepEqual(workers.map(({ labels }) => labels["worker"]).sort(), ["w1", "w2"]);
  });

  test("requests that were sent again, and those that nobody answered, when a worker dies", async () => {
    const pid = Number(await (await fetch(`${served.url}/pid`)).text());
    const ended: Promise<unknown>[] = [];
    await rises(primary, "engineio_front_retries_total", {}, () =>
      rises(primary, "engineio_front_failures_total", {}, async () => {
        const requests = (await watched.read(primary, "engineio_front_requests_total")) ?? 0;
        // Two of each, so that both workers have one. A GET is sent again; a POST that the engine does not know is not.
        const abort = new AbortController();
        for (const method of ["GET", "GET", "POST", "POST"])
          ended.push(fetch(`${served.url}/hangs`, { method, signal: abort.signal }).catch(() => undefined));
        await becomes(primary, "engineio_front_requests_total", {}, requests + 4);
        process.kill(pid, "SIGKILL");
        await becomes(primary, "engineio_front_failures_total", {}, (count) => count > 0);
        abort.abort();
      }),
    );
    await Promise.all(ended);
  });
});

describe("limits", () => {
  let engine: LimitedEngine;

  before(async () => {
    engine = await LimitedEngine.start();
  });

  after(() => engine.stop());

  for (const [limit, meet] of LimitedEngine.limits) {
    test(`${limit}: counted when it is met`, async () => {
      await rises(engine.metrics, "engineio_limits_hit_total", { limit }, () => meet(engine));
    });
  }

  test("bytes of bodies that are being read", async () => {
    const body = await engine.slowBody(100);
    await becomes(engine.metrics, "engineio_body_bytes", {}, 100);
    body.destroy();
    await becomes(engine.metrics, "engineio_body_bytes", {}, 0);
  });
});

describe("queues to the servers of a cluster", () => {
  let queues: FullQueues;

  before(async () => {
    queues = await FullQueues.start();
  });

  after(() => queues.stop());

  for (const [limit, meet] of [
    ["busQueue", () => queues.manyBytes()],
    ["storeQueue", () => queues.manyLooks()],
  ] as const) {
    test(`${limit}: counted when more is said than is kept`, async () => {
      await rises(queues.metrics, "engineio_limits_hit_total", { limit }, meet);
    });
  }
});

describe("all metrics", () => {
  test("of ours have been seen to move", () => {
    const all = [...READINGS, ...FRONT_METRICS].map(({ name }) => name).concat(STORE_LATENCY);
    assert.deepEqual(
      all.filter((name) => !moved.has(name)),
      [],
    );
  });

  test("have no session's id in them", () => {
    assert.ok(sids.length > 10 && watched.texts.length > 50);
    for (const text of new Set(watched.texts)) for (const sid of sids) assert.ok(!text.includes(sid));
  });
});
