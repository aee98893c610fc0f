import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Socket } from "engine.io-client";
import type { Kit } from "../../testing/kit";
import type { KitNode } from "../../testing/kit-node";
import { waitFor } from "../helpers/wait-for";
import { accountsOf } from "./attacked";

/** From what became of one message to the next one to the same session. */
const EVERY = 100;

/** What became of a message: taken; maybe taken, since the node that was asked rejected or died; or there is no such session. */
type Answer = "taken" | "unknown" | "nobody";

interface Receiver {
  readonly sid: string;
  readonly client: Socket;
  readonly received: number[];
  /** What became of each message, in the order of their numbers. */
  readonly answers: Answer[];
}

/** Stock clients that poll behind the balancer and say nothing, and to which any node says numbered messages. */
export class Receivers {
  readonly #kit: Kit;
  readonly #receivers: readonly Receiver[];
  readonly #telling: Promise<unknown>;
  /** A node that stands still, and is asked nothing meanwhile. */
  avoided: KitNode | undefined;
  #over = false;
  #next = 0;

  private constructor(kit: Kit, receivers: readonly Receiver[]) {
    this.#kit = kit;
    this.#receivers = receivers;
    this.#telling = Promise.all(receivers.map((receiver) => this.#tell(receiver)));
  }

  static async open(kit: Kit, count: number): Promise<Receivers> {
    return new Receivers(kit, await Promise.all(Array.from({ length: count }, () => receiver(kit.url))));
  }

  stop(): void {
    this.#over = true;
  }

  /**
   * Nothing more is said. What was taken is there, once and in order; what maybe was is there once or not at all; each session lives.
   */
  async end(): Promise<void> {
    const said = this.#receivers.map(({ answers }) => answers.length);
    await waitFor(
      "a message to each to be answered behind the fault",
      () => this.#receivers.every(({ answers }, i) => answers.slice(said[i]).some((answer) => answer !== "unknown")),
      30_000,
    );
    this.stop();
    await this.#telling;
    const count = (answer: Answer): number =>
      this.#receivers.reduce((sum, { answers }) => sum + answers.filter((one) => one === answer).length, 0);
    console.log(`sent to sessions: ${count("taken")} taken, ${count("unknown")} maybe`);
    for (const { sid, client, received, answers } of this.#receivers) {
      assert.deepEqual(
        { nobody: answers.indexOf("nobody"), state: client.readyState },
        { nobody: -1, state: "open" },
        sid,
      );
      const taken = answers.flatMap((answer, i) => (answer === "taken" ? [i] : []));
      assert.ok(taken.length > 0, `none of ${answers.length} messages to ${sid} was taken`);
      await waitFor(`all that was taken to be at ${sid}`, () => taken.every((n) => received.includes(n)));
      assert.equal(new Set(received).size, received.length, `doubled at ${sid}: ${received.join(" ")}`);
      const certain = received.filter((n) => answers[n] === "taken");
      assert.deepEqual(certain, taken, `not in order at ${sid}`);
      for (const n of received) assert.ok(n < answers.length, `${n} at ${sid}, which nobody sent`);
    }
  }

  /** By the server: a client that closes by itself may overtake its own poll, which any server refuses then. */
  async leave(): Promise<void> {
    const node = this.#kit.running[0] ?? assert.fail("no node runs");
    await Promise.all(this.#receivers.map(({ sid }) => accountsOf(node).clusterClose(sid)));
    await waitFor("all of them to be closed", () =>
      this.#receivers.every(({ client }) => client.readyState === "closed"),
    );
  }

  async #tell({ sid, answers }: Receiver): Promise<void> {
    while (!this.#over) {
      const nodes = this.#kit.running.filter((node) => node !== this.avoided);
      const node = nodes[this.#next++ % nodes.length];
      answers.push(node === undefined ? "unknown" : await send(node, sid, String(answers.length)));
      await sleep(EVERY);
    }
  }
}

/** `engine.cluster.send` of this node. */
async function send(node: KitNode, sid: string, text: string): Promise<Answer> {
  try {
    const [taken] = await accountsOf(node).clusterSend([sid], text);
    return taken === true ? "taken" : "nobody";
  } catch {
    // It rejected, or died before it answered.
    return "unknown";
  }
}

async function receiver(url: string): Promise<Receiver> {
  const client = new Socket(url, { transports: ["polling"] });
  const received: number[] = [];
  client.on("message", (data: unknown) => received.push(Number(data)));
  await new Promise<void>((resolve, reject) => {
    client.on("open", () => resolve());
    client.on("error", reject);
  });
  const { id: sid } = client as unknown as { readonly id: string };
  return { sid, client, received, answers: [] };
}
