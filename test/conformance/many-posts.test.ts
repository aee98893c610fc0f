import assert from "node:assert/strict";
import { describe, it, mock } from "node:test";
import type { Engine } from "../../src/server/engine";
import type { Socket } from "../../src/session/socket";
import { MemoryStore } from "../../src/store/memory";
import { behaviour } from "../helpers/behaviour";
import { OPEN, same, sidOf } from "../helpers/beside-stock";
import { CLUSTERED, http, RawClient, startEngines, type TestEngines } from "../helpers/engines";
import { PlainClient, REVISIONS } from "../helpers/plain-client";
import { until } from "../helpers/until";

/** Clients of other languages do not all wait for the answer to a POST before they send the next one. */
const TEN = Array.from({ length: 10 }, (_, i) => `message ${String(i)}`);

/** What the sessions of each node receive. */
function received(engines: TestEngines): string[][] {
  return engines.engines.map((engine: Engine) => {
    const messages: string[] = [];
    engine.on("connection", (socket: Socket) => {
      socket.on("message", (data: unknown) => messages.push(String(data)));
    });
    return messages;
  });
}

/** The store of a cluster in memory does not see a commit until so many milliseconds later. */
async function withSlowStore(ms: number, run: () => Promise<void>): Promise<void> {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its `this` below
  const commit = MemoryStore.prototype.commit;
  const late = function (this: MemoryStore, ...given: Parameters<MemoryStore["commit"]>): void {
    setTimeout(() => {
      commit.apply(this, given);
    }, ms);
  };
  const slow = mock.method(MemoryStore.prototype, "commit", late);
  try {
    await run();
  } finally {
    slow.mock.restore();
  }
}

describe("ten POSTs at a time", () => {
  same("are all handled, as by engine.io", {}, async ({ engine, ask, log }) => {
    const messages: string[] = [];
    engine.on("connection", (socket: Socket) => {
      socket.on("message", (data: unknown) => messages.push(String(data)));
    });
    const sid = sidOf(await ask(OPEN));
    const replies = await Promise.all(
      TEN.map((text, i) => ask(`${OPEN}&sid=${sid}&t=x${String(i)}`, { method: "POST", body: `4${text}` })),
    );
    log.push(...replies.map(({ status, text }) => `${String(status)} ${text}`), ...messages.sort());
  });

  for (const revision of REVISIONS) {
    behaviour(
      `are all handled, and once, protocol ${String(revision)}`,
      async (engines) => {
        const messages = received(engines);
        const client = await PlainClient.open(engines, revision);
        for (let round = 1; round <= 3; round++) {
          const replies = await Promise.all(TEN.map((text) => client.send(text)));
          assert.deepEqual(
            new Set(replies.map(({ status, text }) => `${String(status)} ${text}`)),
            new Set(["200 ok"]),
          );
          assert.equal(messages.flat().length, 10 * round);
          assert.deepEqual(messages.flat().slice(-10).sort(), TEN);
        }
      },
      {},
      CLUSTERED,
    );
  }

  for (const mode of ["owner", "next"] as const) {
    it(`are all handled while the store takes 300 ms, and known again [${mode}]`, async () => {
      const engines = await startEngines(mode);
      try {
        const messages = received(engines);
        const client = await RawClient.open(engines);
        await withSlowStore(300, async () => {
          const named = TEN.map((text) => ({ text, t: client.t() }));
          // Each of them twice, at two nodes where there are more.
          const replies = await Promise.all([...named, ...named].map(({ text, t }) => client.post(`4${text}`, t)));
          assert.deepEqual(
            new Set(replies.map(({ status, body }) => `${String(status)} ${body}`)),
            new Set(["200 ok"]),
          );
          for (const { text, t } of named) assert.equal((await client.post(`4${text}`, t)).body, "ok");
        });
        assert.deepEqual(messages.flat().sort(), TEN);
      } finally {
        await engines.stop();
      }
    });
  }

  it("whose owner dies before their commit are all handled by the next one, and once there", async () => {
    const engines = await startEngines("next", {}, { beatInterval: 100, leaseTtl: 5000 });
    try {
      const messages = received(engines);
      const client = await RawClient.open(engines);
      const owner = engines.engines.findIndex(({ clientsCount }) => clientsCount > 0);
      const posts: Promise<{ readonly status: number; readonly body: string }>[] = [];
      // Longer than it takes to know that the owner is dead: its own commits would still be taken then.
      await withSlowStore(1_000, async () => {
        for (const text of TEN) {
          let url = client.url(client.t());
          while (url.includes(`:${String(engines.ports[owner])}/`)) url = client.url(client.t());
          posts.push(http(url, { method: "POST", headers: { "content-type": "text/plain" }, body: `4${text}` }));
        }
        await until("the owner has handled some", () => (messages[owner]?.length ?? 0) > 0);
        engines.kill(owner);
        for (const { status, body } of await Promise.all(posts)) assert.equal(`${String(status)} ${body}`, "200 ok");
      });
      const others = messages.filter((_, node) => node !== owner).flat();
      assert.deepEqual(others.sort(), TEN);
    } finally {
      await engines.stop();
    }
  });
});
