import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { Reader } from "../../../src/bus/frame";
import { Channel, CHANNEL_LIMITS, type ChannelOwner } from "../../../src/hub/channel";
import { EntryKind } from "../../../src/hub/entries";
import { HubPrimary } from "../../../src/hub/primary";
import { writeLookResult, writeOutcome } from "../../../src/hub/results";
import type { CommitResult } from "../../../src/store/port";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";
import { commit, handTime, LIMITS, turn, worker } from "./hub-kit";

/** Greets a worker and takes its messages, and answers only when a test says so. */
class SlowPrimary implements ChannelOwner {
  channel: Channel | undefined;
  taken = 0;

  onMessage(message: Reader): string | undefined {
    if (message.byte() === EntryKind.HELLO) {
      this.channel?.begin(EntryKind.WELCOME);
      this.channel?.end();
    } else this.taken++;
    return undefined;
  }

  onClosed(): void {}

  async takes(messages: number): Promise<void> {
    while (this.taken < messages) await nextTurn();
  }

  answerCommit(result: CommitResult): void {
    if (this.channel === undefined) return;
    writeOutcome(this.channel.begin(EntryKind.COMMIT), result);
    this.channel.end();
  }

  answerLook(owner: string): void {
    if (this.channel === undefined) return;
    const found = { kind: "found", owner, turn: 1, protocol: 4, transport: "polling", phase: "open" } as const;
    writeLookResult(this.channel.begin(EntryKind.LOOK), found);
    this.channel.end();
  }
}

describe("hub store", () => {
  const directory = mkdtempSync(join(tmpdir(), "eio-slow-"));
  const address = { path: join(directory, "slow.sock"), token: "any" };
  let slow: SlowPrimary;
  let server: Server;

  beforeEach(async () => {
    slow = new SlowPrimary();
    server = createServer((socket) => {
      slow.channel = new Channel(socket, new Tick(runtimeClock), CHANNEL_LIMITS, slow);
    });
    server.listen(address.path);
    await once(server, "listening");
  });
  afterEach(() => {
    slow.channel?.destroy();
    server.close();
  });
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));

  it("answers away after its time, and passes over the answers that come late", async () => {
    const hand = new HandClock();
    const { store, client } = await worker(address, { clock: handTime(hand) });
    const first = commit(store, turn("s", "a", 1));
    const look = store.look("early");
    await slow.takes(1);
    hand.advance(LIMITS.awayAfter - 1);
    const second = commit(store, turn("s", "a", 2));
    const later = store.look("later");
    await slow.takes(2);
    hand.advance(1);
    assert.deepEqual([await first, await look], [{ kind: "away" }, { kind: "away" }]);
    slow.answerCommit({ kind: "overflow" });
    slow.answerLook("nobody waits for this");
    slow.answerCommit({ kind: "behind" });
    slow.answerLook("b");
    assert.deepEqual(await second, { kind: "behind" });
    const found = await later;
    assert.equal(found.kind === "found" && found.owner, "b");
    await client.close();
  });

  it("arms no timer per commit, and none that keeps one that was answered", async () => {
    const hand = new HandClock();
    const { store, client } = await worker(address, { clock: handTime(hand) });
    for (let number = 1; number <= 3000; number++) {
      const told = commit(store, turn("s", "a", number));
      await slow.takes(number);
      slow.answerCommit({ kind: "ok" });
      assert.deepEqual(await told, { kind: "ok" });
    }
    assert.equal(hand.timers, 1);
    hand.advance(LIMITS.awayAfter);
    assert.equal(hand.timers, 0);
    await client.close();
  });

  it("ends the connection on an answer that nobody waits for", async () => {
    let reason: Error | undefined;
    const lost = new Promise<void>((resolve) => {
      void worker(address, {
        onLost: (error) => {
          reason = error;
          resolve();
        },
      }).then(() => slow.answerCommit({ kind: "ok" }));
    });
    await lost;
    assert.match(String(reason?.message), /an entry of kind 18 from the primary that cannot be read/);
  });

  it("answers away to all that is under way when the primary is gone, then tells it", async () => {
    const told: string[] = [];
    let lost = () => {};
    const gone = new Promise<void>((resolve) => {
      lost = resolve;
    });
    const { store, bus, client } = await worker(address, {
      onLost: (error) => {
        told.push(`lost: ${error.message}, ${bus.connected}, ${client.connected}`);
        lost();
      },
    });
    const look = store.look("s");
    store.commit(turn("s", "a", 1), { onCommitResult: ({ kind }) => told.push(kind) });
    await slow.takes(1);
    slow.channel?.destroy();
    await gone;
    assert.deepEqual(told, ["away", "lost: the primary has closed the connection, false, false"]);
    assert.deepEqual(await look, { kind: "away" });
    assert.deepEqual(await commit(store, turn("s", "a", 2)), { kind: "away" });
    await assert.rejects(store.ready(), /connection to the primary is closed/);
    await client.close();
  });
});

describe("hub store on a primary", () => {
  it("sends all of a tick in one message, and counts", async () => {
    const primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS });
    const { store, client } = await worker(await primary.listen());
    const sids = Array.from({ length: 50 }, (_, i) => `s${i}`);
    await Promise.all(
      sids.map((sid) => store.open({ sid, node: "a", protocol: 4, transport: "polling", handshake: "" })),
    );
    assert.deepEqual(store.stats, { calls: 50, commits: 0, scripts: 1 });
    await Promise.all(sids.map((sid) => commit(store, turn(sid, "a", 1, { packets: ["4x"] }))));
    assert.deepEqual(store.stats, { calls: 100, commits: 50, scripts: 2 });
    assert.equal(primary.stats.batches, 2);
    assert.equal(primary.stats.operations, 100);
    await client.close();
    await primary.close();
  });
});
