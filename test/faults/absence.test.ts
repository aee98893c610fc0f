import assert from "node:assert/strict";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, test } from "node:test";
import type { ClusterStats } from "../../src/index";
import { Kit } from "../../testing/kit";
import type { NodeAccount, NodeOptions } from "../helpers/cluster";
import { raw, type RawReply } from "../helpers/raw-http";
import { waitFor } from "../helpers/wait-for";
import { accountsOf } from "./attacked";
import { mostWhile } from "./most-while";

const REQUESTS = 300;
const BODY_BYTES = 3_000_000;
const SENDS = 500;
const SESSIONS = 200;
const GIVE_UP = 2_500;
const OPTIONS: NodeOptions = {
  // Its sessions have no client that would answer pings: they live until a while behind the flood.
  pingInterval: 4_000,
  pingTimeout: 5_000,
  limits: { requests: REQUESTS, bodyBytes: BODY_BYTES, sessions: SESSIONS },
  cluster: { storeAwayAfter: 1_500, giveUpAfter: GIVE_UP, linger: 1_000, maxWaitingSends: SENDS },
};
const FLOOD = 4_000;
/** How long a request may take that finds nobody: what is promised, and what a small machine adds. */
const ANSWERED_WITHIN = GIVE_UP + 1_500 + 8_000;
/** Of a node's heap: what all limits together allow while somebody is away, and what stays when all is over. */
const GROWTH_WHILE = 60_000_000;
const GROWTH_AFTER = 15_000_000;
const POLLING = "/engine.io/?EIO=4&transport=polling";

interface Answer {
  readonly what: "handshake" | "poll" | "POST" | "unknown";
  readonly reply: RawReply;
  /** How long after its request it came. */
  readonly ms: number;
}

/** Requests keep coming while Redis, or NATS, does not. */
describe("what waits while a server is away is bounded", () => {
  let kit: Kit | undefined;

  afterEach(async () => {
    await kit?.stop();
    kit = undefined;
  });

  for (const part of ["redis", "nats"] as const) {
    test(`${part}: beyond the limits requests are answered 503, memory stays, and all is as before when it is back`, async () => {
      kit = await Kit.start({
        nodes: 2,
        links: false,
        command: [process.execPath, "--enable-source-maps", "--expose-gc", join(__dirname, "../helpers/kit-node.cjs")],
        env: { TEST_OPTIONS: JSON.stringify(OPTIONS) },
      });
      const sids = await Promise.all(Array.from({ length: 30 }, () => open(kit!.node(0).url)));
      const heaps = await heapsOf(kit);
      await kit[part].kill();
      const { result: answers, seen } = await mostWhile(
        () => accountsOfAll(kit!),
        () => flood(kit!, sids),
      );
      assert.ok(seen["requests"]! <= REQUESTS, `${seen["requests"]} requests at one node`);
      assert.ok(seen["bodyBytes"]! <= BODY_BYTES, `${seen["bodyBytes"]} bytes of bodies at one node`);
      assert.ok(seen["waitingSends"]! <= SENDS, `${seen["waitingSends"]} sends at one node`);
      assert.ok(seen["held"]! <= REQUESTS);
      for (const [i, heap] of (await heapsOf(kit)).entries()) {
        assert.ok(heap - heaps[i]! < GROWTH_WHILE, `node ${i}'s heap has grown by ${heap - heaps[i]!}`);
      }
      await kit[part].restart();
      const all = await Promise.all(answers);
      console.log(`${part} away: ${JSON.stringify(seen)}; ${JSON.stringify(count(all))}`);
      checkAnswers(all);
      await isAsBefore(kit, heaps);
    });
  }
});

/**
 * Handshakes, polls and POSTs of sessions that others own, ids that nobody has, and sends: more than may wait. Resolves when all were
 * answered but polls: one that was put to an owner waits for as long as a poll may.
 */
async function flood(kit: Kit, sids: readonly string[]): Promise<Promise<Answer>[]> {
  const [owner, other] = [kit.node(0).url, kit.node(1).url];
  const answers: Promise<Answer>[] = [];
  const polls: Promise<Answer>[] = [];
  const body = `4${"x".repeat(20_000)}`;
  const sends = accountsOf(kit.node(1))
    .clusterSendMany(sids, 2 * SENDS)
    .catch(() => 0);
  const until = performance.now() + FLOOD;
  for (let i = 0; performance.now() < until; i++) {
    for (let j = 0; j < 5; j++) {
      const sid = sids[(i * 5 + j) % sids.length]!;
      answers.push(
        timed("handshake", `${i % 2 === 0 ? owner : other}${POLLING}&t=h${i}.${j}`),
        timed("POST", `${other}${POLLING}&sid=${sid}&t=p${i}.${j}`, body),
        timed("unknown", `${owner}${POLLING}&sid=stranger${i}.${j}&t=s`),
      );
    }
    polls.push(timed("poll", `${other}${POLLING}&sid=${sids[i % sids.length]!}&t=same`));
    await sleep(25);
  }
  await Promise.all([sends, ...answers]);
  return [...answers, ...polls];
}

async function timed(what: Answer["what"], url: string, body?: string): Promise<Answer> {
  const started = performance.now();
  const reply = await raw(url, body === undefined ? {} : { method: "POST", body });
  return { what, reply, ms: performance.now() - started };
}

function checkAnswers(answers: readonly Answer[]): void {
  for (const { what, reply, ms } of answers) {
    assert.ok([200, 400, 503].includes(reply.status), String(reply.status));
    assert.ok(what === "poll" || ms < ANSWERED_WITHIN, `${what} was answered ${reply.status} after ${ms.toFixed()} ms`);
    if (reply.status === 503) assert.equal(reply.headers["retry-after"], "1");
  }
  assert.ok(answers.some(({ reply, ms }) => reply.status === 503 && ms < 1_000));
  assert.ok(answers.some(({ reply, ms }) => reply.status === 503 && ms >= 1_000));
}

/** Sessions end by their ping timeouts, nothing waits, and new sessions work at both nodes. */
async function isAsBefore(kit: Kit, heaps: readonly number[]): Promise<void> {
  await waitFor(
    "the nodes to have nothing left",
    async () => {
      const left = (await statsOf(kit)).flatMap(({ requests, bodyBytes, sends, sizes }) =>
        Object.entries({ requests, bodyBytes, sends, ...sizes }).filter(([, size]) => size > 0),
      );
      if (left.length === 0) return true;
      throw new Error(`there is ${JSON.stringify(left)}`);
    },
    40_000,
  );
  for (const here of [0, 1]) {
    const [one, other] = [kit.node(here).url, kit.node(1 - here).url];
    const sid = await open(one);
    assert.equal((await raw(`${other}${POLLING}&sid=${sid}&t=1`, { method: "POST", body: "4x" })).text, "ok");
    assert.match((await raw(`${other}${POLLING}&sid=${sid}&t=2`)).text, /4x$/);
  }
  await waitFor("the nodes' memory to be what it was", async () => {
    const grown = (await heapsOf(kit)).map((heap, i) => heap - heaps[i]!);
    if (grown.every((bytes) => bytes < GROWTH_AFTER)) return true;
    throw new Error(`heaps have grown by ${grown.join(", ")}`);
  });
}

async function open(url: string): Promise<string> {
  const { text } = await raw(`${url}${POLLING}`);
  return /"sid":"([^"]+)"/.exec(text)?.[1] ?? assert.fail(text);
}

function heapsOf(kit: Kit): Promise<number[]> {
  return Promise.all(kit.nodes.map((node) => accountsOf(node).heapUsed()));
}

function accountsOfAll(kit: Kit): Promise<NodeAccount[]> {
  return Promise.all(kit.nodes.map((node) => accountsOf(node).account()));
}

async function statsOf(kit: Kit): Promise<ClusterStats[]> {
  return (await accountsOfAll(kit)).map(({ stats }) => stats!);
}

function count(answers: readonly Answer[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { what, reply } of answers) {
    const name = `${what} ${reply.status}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return { ...counts, slowest: Math.round(Math.max(...answers.map(({ ms }) => ms))) };
}
