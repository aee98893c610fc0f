import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect, type NatsConnection } from "nats";
import { FrameWriter } from "../../src/bus/frame";
import { MessageCodec } from "../../src/bus/message";
import { MessageKind } from "../../src/routing/messages";
import { seeded } from "../../src/time/virtual-clock";
import { raw } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";
import { Attacked } from "./attacked";

const SECRET = "the secret of this cluster";
const POLLING = "/engine.io/?EIO=4&transport=polling";
const ROUNDS = 2_000;

interface Recorded {
  readonly subject: string;
  readonly data: Uint8Array;
}

/** What a stranger can do who may publish on the cluster's subjects. */
describe("abuse of the bus between real nodes", () => {
  let world: Attacked;
  let stranger: NatsConnection;
  let nodes: readonly string[];

  before(async () => {
    world = await Attacked.start({ cluster: { secret: SECRET } });
    stranger = await connect({ servers: world.kit.nats.url });
    const accounts = await Promise.all(world.accounts.map((node) => node.account()));
    nodes = accounts.map(({ stats }) => stats!.node);
  });

  after(async () => {
    await stranger.close();
    await world.kit.stop();
  });

  const subjects = (): string[] => [
    `${world.kit.prefix}.beat`,
    ...nodes.map((node) => `${world.kit.prefix}.node.${node}`),
  ];

  /** Publishes it all, a bit at a time, so that it is NATS' and the nodes' work and not this process's memory that is tried. */
  const publish = async (messages: readonly Recorded[]): Promise<void> => {
    for (const [i, { subject, data }] of messages.entries()) {
      stranger.publish(subject, data);
      if (i % 200 === 0) await stranger.flush();
    }
    await stranger.flush();
  };

  /**
   * No node made a peer of whom nobody knows, and none says more of it than a few lines. They have heard it all the same: of their
   * counter `heard`, so many at least.
   */
  const isIgnored = async (
    attack: () => Promise<void>,
    heard: "rejected" | "framesReceived",
    count: number,
  ): Promise<void> => {
    const logged = world.kit.nodes.map((node) => node.logs().length);
    const { links } = await world.withstands(attack);
    assert.ok((links[heard] ?? 0) >= count, `${heard}: ${links[heard]}, and not ${count}`);
    const others = await Promise.all(world.accounts.map((node) => node.account()));
    for (const { stats } of others) {
      const { sessions: _sessions, held: _held, ...sizes } = stats!.sizes;
      assert.deepEqual(
        Object.entries(sizes).filter(([name, size]) => size > 0 && !["renewals", "grace"].includes(name)),
        [],
      );
    }
    for (const [i, node] of world.kit.nodes.entries()) {
      const more = node.logs().slice(logged[i]);
      assert.ok(more.length < 20_000, `node ${i} has logged ${more.length} characters: ${more.slice(0, 2_000)}`);
    }
  };

  test("bytes by chance", async () => {
    const random = seeded(1);
    const bytes = (): Uint8Array =>
      Uint8Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256));
    await isIgnored(
      () => publish(Array.from({ length: ROUNDS }, (_, i) => ({ subject: subjects()[i % 4]!, data: bytes() }))),
      "rejected",
      ROUNDS,
    );
  });

  test("the nodes' own messages: said again, to others, cut short, and with a bit changed", async () => {
    const heard: Recorded[] = [];
    const listening = stranger.subscribe(`${world.kit.prefix}.>`, {
      callback: (_error, { subject, data }) => {
        if (data.length > 0 && heard.length < 300) heard.push({ subject, data: Uint8Array.from(data) });
      },
    });
    await waitFor(
      "messages to be heard",
      () => heard.some(({ subject }) => subject.includes(".node.")) && heard.length > 50,
    );
    listening.unsubscribe();
    const changed = heard.map(({ subject, data }, i) => {
      const copy = Uint8Array.from(data);
      const at = (i * 31) % copy.length;
      copy[at] = copy[at]! ^ (1 << (i % 8));
      return { subject, data: copy };
    });
    await isIgnored(
      () =>
        publish([
          ...heard,
          ...heard.flatMap(({ data }) => subjects().map((subject) => ({ subject, data }))),
          ...heard.map(({ subject, data }) => ({ subject, data: data.subarray(0, data.length >> 1) })),
          ...changed,
        ]),
      "rejected",
      // Those that were cut short, and those that were changed.
      2 * heard.length,
    );
  });

  test("messages that are made well, but for the secret: nobody joins, no session ends", async () => {
    const sid = await open(world.kit.url);
    for (const secret of [undefined, "another secret, as long"]) {
      const lies = nodes.flatMap((node) => forged(world, `liar-${node}`, node, secret, [sid]));
      await isIgnored(() => publish(lies), "rejected", lies.length);
    }
    const { nodes: known } = await health(world);
    assert.equal(known, 2);
    assert.equal(
      (await raw(`${world.kit.url}${POLLING}&sid=${sid}&t=1`, { method: "POST", body: "4still" })).text,
      "ok",
    );
    assert.match((await raw(`${world.kit.url}${POLLING}&sid=${sid}&t=2`)).text, /4still$/);
  });

  test("with the secret, frames that no node would say: they end nothing but what they speak of", async () => {
    const sids = ["nobody", "__proto__", "", "*", "a\r\nb", "x".repeat(5_000)];
    const frames = nodes.flatMap((node) => forged(world, "turncoat", node, SECRET, sids));
    // Each message but the beats and those of links' own matters has one of each session, body and number: more than half of them.
    const each = sids.length * BODIES.length * NUMBERS.length;
    await isIgnored(() => publish(frames), "framesReceived", (frames.length / 2) * each);
  });

  test("behind all of it the sessions beside it had everything, once and in order", () => world.ends());
});

const BODIES = ["", "{", "null", '[1,null,{"a":1}]', '"close', Buffer.from([0, 255, 7])];
const NUMBERS = [0, 1, 2 ** 53 - 1];

/** Frames of every kind about these sessions, with bodies that nobody would write, and a beat. */
function forged(
  { kit }: Attacked,
  from: string,
  to: string,
  secret: string | undefined,
  sids: readonly string[],
): Recorded[] {
  const codec = new MessageCodec(from, secret === undefined ? [] : [secret]);
  codec.begin(1);
  const messages: Recorded[] = codec.beats([[to, { link: 1, number: 5, missed: 3 }]], 10_000).map((data) => ({
    subject: `${kit.prefix}.beat`,
    data,
  }));
  let number = 0;
  for (const kind of [...Object.values(MessageKind), 0, 99, 255]) {
    const frames = new FrameWriter();
    for (const sid of sids) {
      for (const body of BODIES) {
        for (const n of NUMBERS) frames.write({ kind, sid, t: "a:b", n, body });
      }
    }
    const position = { link: 1, number: ++number, missed: 0 };
    messages.push({
      subject: `${kit.prefix}.node.${to}`,
      data: codec.frames(to, position, false, false, frames.take()),
    });
  }
  return messages;
}

async function open(url: string): Promise<string> {
  const { text } = await raw(`${url}${POLLING}`);
  return /"sid":"([^"]+)"/.exec(text)?.[1] ?? assert.fail(text);
}

/** How many others a node knows. */
async function health(world: Attacked): Promise<{ nodes: number }> {
  const { others } = await world.accounts[0]!.account();
  return { nodes: others?.length ?? 0 };
}
