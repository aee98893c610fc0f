import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Socket } from "engine.io-client";
import { startCluster, type Cluster } from "../helpers/cluster";
import { startNginx, type Nginx } from "../helpers/nginx";
import { waitFor } from "../helpers/wait-for";
import { startBackends, type Backends } from "./backends";
import { RawClient, RawWebSocket } from "./raw";

const NODES = [0, 1, 2];
const ROUNDS = 20;
/** 10,000 sends in one tick. */
const MANY_SESSIONS = 100;
const MANY_EACH = 100;

/** A session, and what has come to its client. */
interface Receiver {
  readonly kind: string;
  readonly sid: string;
  readonly received: string[];
  readonly isClosed: () => boolean;
  readonly leave: () => void;
}

describe("sends from anywhere", () => {
  let backends: Backends;
  let cluster: Cluster;
  let nginx: Nginx;

  before(async () => {
    backends = await startBackends();
    // Without pings, leases and beats of sessions that fall due: messages are counted here.
    const options = { pingInterval: 600_000, pingTimeout: 600_000 };
    cluster = await startCluster({ nodes: NODES.length, ...backends.urls, options });
    nginx = await startNginx({ upstreams: cluster.ports });
  });

  after(async () => {
    await nginx.stop();
    await cluster.stopAll();
    await backends.stop();
  });

  test("from every node to every kind of session of every node: taken, and there once and in order", async () => {
    const receivers: Receiver[] = [];
    for (const owner of NODES) {
      receivers.push(await polling(nginx.url));
      const direct = await RawWebSocket.session(cluster.urls[owner]!);
      receivers.push(receiving("websocket", direct.sid, direct.websocket));
      for (const gateway of NODES.filter((node) => node !== owner)) {
        const client = await RawClient.open(cluster.urls[owner]!);
        receivers.push(receiving("relayed websocket", client.sid, await client.upgrade(cluster.urls[gateway]!)));
      }
    }
    const sids = receivers.map(({ sid }) => sid);
    for (const node of NODES) {
      await waitFor("all of them to be counted", async () => (await cluster.node(node).clusterCount()) === sids.length);
    }
    const taken = sids.map(() => true);
    await Promise.all(
      NODES.map(async (node) => {
        for (let n = 1; n <= ROUNDS; n++) {
          assert.deepEqual(await cluster.node(node).clusterSend(sids, `${node} ${n}`), taken);
          assert.deepEqual(await cluster.node(node).clusterSend(sids, Buffer.from(`${node} ${n} binary`)), taken);
        }
      }),
    );
    for (const { kind, sid, received } of receivers) {
      await waitFor(`all at ${kind} ${sid}`, () => received.length >= NODES.length * ROUNDS * 2);
      for (const node of NODES) {
        const expected = Array.from({ length: ROUNDS }, (_, i) => [`${node} ${i + 1}`, `${node} ${i + 1} binary`]);
        const fromThere = received.filter((message) => message.startsWith(`${node} `));
        assert.deepEqual(fromThere, expected.flat(), `from ${node} to ${kind} ${sid}`);
      }
      assert.equal(received.length, NODES.length * ROUNDS * 2);
    }

    for (const node of NODES) {
      assert.deepEqual(await cluster.node(node).clusterSend(["nobody", "AAAAAAAAAAAAAAAAAAAA"], "hello"), [
        false,
        false,
      ]);
      assert.equal(await cluster.node(node).clusterClose("nobody"), false);
    }
    // What is sent before the close is delivered; each session is closed from another node than the one before.
    for (const [i, { kind, sid, received, isClosed }] of receivers.entries()) {
      const node = cluster.node(i % NODES.length);
      assert.deepEqual(await node.clusterSend([sid], "the last"), [true]);
      assert.equal(await node.clusterClose(sid), true);
      await waitFor(`the close of ${kind} ${sid}`, isClosed);
      assert.equal(received.at(-1), "the last");
      for (const other of NODES) assert.deepEqual(await cluster.node(other).clusterSend([sid], "late"), [false]);
    }
    for (const node of NODES) {
      await waitFor("none to be counted", async () => (await cluster.node(node).clusterCount()) === 0);
    }
    for (const { leave } of receivers) leave();
    const reasons = [...(await cluster.accounts()).values()].flatMap(({ closes }) =>
      closes.map(({ reason }) => reason),
    );
    assert.deepEqual(
      reasons,
      sids.map(() => "forced close"),
    );
  });

  for (const kind of ["websocket", "polling"] as const) {
    test(`10,000 sends in one tick to ${kind} sessions of one node are one message of NATS`, async () => {
      const [OWNER, SENDER, HOLDER] = [0, 1, 2] as const;
      const expected = Array.from({ length: MANY_EACH }, (_, i) => `4many ${i + 1}`);
      const clients = await Promise.all(
        Array.from({ length: MANY_SESSIONS }, () =>
          kind === "websocket"
            ? ByWebSocket.open(cluster.urls[OWNER]!)
            : ByPolls.open(cluster.urls[OWNER]!, cluster.urls[HOLDER]!),
        ),
      );
      const sids = clients.map(({ sid }) => sid);
      // The sender learns here where the sessions are.
      const greeted = clients.map((client) => client.next(1));
      assert.deepEqual(
        await cluster.node(SENDER).clusterSend(sids, "hello"),
        sids.map(() => true),
      );
      for (const greeting of greeted) assert.deepEqual(await greeting, ["4hello"]);
      const arrivals = clients.map((client) => client.next(MANY_EACH));
      await waitFor("the polls to be held", async () => {
        return kind === "websocket" || (await cluster.account(HOLDER)).stats?.held === MANY_SESSIONS;
      });
      const sentBy = async (node: number): Promise<{ messages: number; frames: number }> => {
        const { links } = (await cluster.account(node)).stats!;
        return { messages: links["messagesSent"]!, frames: links["framesSent"]! };
      };
      const [owner, sender] = [await sentBy(OWNER), await sentBy(SENDER)];
      assert.equal(await cluster.node(SENDER).clusterSendMany(sids, MANY_EACH), MANY_SESSIONS * MANY_EACH);
      const [ownerAfter, senderAfter] = [await sentBy(OWNER), await sentBy(SENDER)];
      for (const arrived of arrivals) assert.deepEqual(await arrived, expected);
      assert.deepEqual(
        { messages: senderAfter.messages - sender.messages, frames: senderAfter.frames - sender.frames },
        { messages: 1, frames: MANY_SESSIONS },
      );
      // To the sender, and to the holder of the polls.
      const answers = kind === "websocket" ? 1 : 2;
      assert.equal(ownerAfter.frames - owner.frames, answers * MANY_SESSIONS);
      // One more where a peer asked, which it does now and then, how far it is.
      const messages = ownerAfter.messages - owner.messages;
      assert.ok(messages === answers || messages === answers + 1, `${String(messages)} messages`);
      for (const client of clients) await client.leave();
    });
  }
});

/** A client that reads as many messages as it is asked for. */
interface Reader {
  readonly sid: string;
  next(count: number): Promise<string[]>;
  leave(): Promise<unknown>;
}

class ByWebSocket implements Reader {
  readonly sid: string;
  readonly #websocket: RawWebSocket;

  static async open(url: string): Promise<ByWebSocket> {
    const { sid, websocket } = await RawWebSocket.session(url);
    return new ByWebSocket(sid, websocket);
  }

  constructor(sid: string, websocket: RawWebSocket) {
    this.sid = sid;
    this.#websocket = websocket;
  }

  async next(count: number): Promise<string[]> {
    const messages: string[] = [];
    while (messages.length < count) messages.push((await this.#websocket.next()) ?? "closed");
    return messages;
  }

  leave(): Promise<unknown> {
    this.#websocket.terminate();
    return this.#websocket.closed;
  }
}

class ByPolls implements Reader {
  readonly #client: RawClient;
  readonly #url: string;

  static async open(owner: string, url: string): Promise<ByPolls> {
    return new ByPolls(await RawClient.open(owner), url);
  }

  constructor(client: RawClient, url: string) {
    this.#client = client;
    this.#url = url;
  }

  get sid(): string {
    return this.#client.sid;
  }

  async next(count: number): Promise<string[]> {
    const messages: string[] = [];
    while (messages.length < count) {
      const { status, body } = await this.#client.poll(this.#url);
      assert.equal(status, 200);
      messages.push(...body.split("\x1e"));
    }
    return messages;
  }

  leave(): Promise<unknown> {
    return this.#client.post(this.#url, "1");
  }
}

async function polling(url: string): Promise<Receiver> {
  const client = new Socket(url, { transports: ["polling"] });
  client.binaryType = "arraybuffer";
  const received: string[] = [];
  client.on("message", (data: unknown) => {
    received.push(data instanceof ArrayBuffer ? Buffer.from(data).toString() : String(data));
  });
  await new Promise<void>((resolve, reject) => {
    client.on("open", () => resolve());
    client.on("error", reject);
  });
  const { id: sid } = client as unknown as { readonly id: string };
  const isClosed = (): boolean => client.readyState === "closed";
  return { kind: "polling", sid, received, isClosed, leave: () => client.close() };
}

function receiving(kind: string, sid: string, websocket: RawWebSocket): Receiver {
  const received: string[] = [];
  const read = async (): Promise<void> => {
    for (let message = await websocket.next(); message !== undefined; message = await websocket.next()) {
      if (message.startsWith("b")) received.push(Buffer.from(message.slice(1), "base64").toString());
      else if (message.startsWith("4")) received.push(message.slice(1));
    }
  };
  void read();
  return { kind, sid, received, isClosed: () => websocket.isClosed, leave: () => websocket.terminate() };
}
