import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { startCluster, type Cluster } from "../helpers/cluster";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient, RawWebSocket } from "./raw";

const LIMIT = 4e6;
const MESSAGE = 64 * 1024;
/** A multiple of what is sent at a time. */
const READ = 200 * 4 * MESSAGE;
/** As the client shows a message: base64 behind a letter. */
const READ_LENGTH = 1 + Math.ceil(MESSAGE / 3) * 4;
/** Far more than anything but a buffer without a limit could take. */
const FLOOD = 300e6;
/** What a process may grow by: the limit, what is under way, and what a collector leaves lying for a while. */
const GROWTH = 60e6;

const [OWNER, GATEWAY] = [0, 1] as const;

describe("a client that does not read", () => {
  let backends: Backends;
  let cluster: Cluster;

  before(async () => {
    backends = await startBackends();
  });

  afterEach(() => cluster.killAll());

  after(() => backends.stop());

  for (const kind of ["direct", "relayed"] as const) {
    test(`by a ${kind} websocket: its session closes at the limit, and no process grows beyond it`, async () => {
      const options = { cluster: { maxBufferedSize: LIMIT } };
      cluster = await startCluster({ nodes: 2, ...backends.urls, options });
      const { sid, websocket } = await open(kind);
      // One that reads gets far more than the limit.
      assert.ok(await cluster.node(OWNER).flood(sid, MESSAGE, READ, "patient"));
      for (let read = 0; read < READ; read += MESSAGE) assert.equal((await websocket.next())?.length, READ_LENGTH);
      const before = await memory();
      websocket.socket.pause();
      assert.ok(await cluster.node(OWNER).flood(sid, MESSAGE, FLOOD, "heedless"));
      let most = before.map(() => 0);
      const [close] = await waitFor(
        "the session to close at its owner",
        async () => {
          const growth = (await memory()).map((bytes, node) => bytes - before[node]!);
          most = most.map((bytes, node) => Math.max(bytes, growth[node]!));
          const { closes } = await cluster.account(OWNER);
          return closes.length > 0 && closes;
        },
        20_000,
      );
      console.log(`${kind}: grown by ${most.map((bytes) => `${Math.round(bytes / 1e6)} MB`).join(" and ")} at most`);
      assert.equal(close?.sid, sid);
      assert.equal(close.reason, "transport error");
      assert.match(close.why ?? "", /limit/);
      for (const bytes of most) assert.ok(bytes < GROWTH, `${bytes} bytes`);
      assert.deepEqual(await cluster.node(GATEWAY).clusterSend([sid], "late"), [false]);
      // Its connection is not kept either: what was under way is there, and then the close.
      websocket.socket.resume();
      await websocket.closed;
    });
  }

  async function open(kind: "direct" | "relayed"): Promise<{ sid: string; websocket: RawWebSocket }> {
    if (kind === "direct") return RawWebSocket.session(cluster.urls[OWNER]!);
    const client = await RawClient.open(cluster.urls[OWNER]!);
    return { sid: client.sid, websocket: await client.upgrade(cluster.urls[GATEWAY]!) };
  }

  async function memory(): Promise<number[]> {
    return [...(await cluster.accounts()).values()].map(({ rss }) => rss);
  }
});
