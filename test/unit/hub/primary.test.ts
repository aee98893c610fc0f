import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { connect } from "node:net";
import { dirname } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../../src/hub/bytes";
import { EntryKind, writeHello } from "../../../src/hub/entries";
import { HubPrimary } from "../../../src/hub/primary";
import { runtimeClock } from "../../../src/time/runtime-clock";
import { HandClock } from "../../helpers/hand-clock";
import { commit, Ear, handTime, LIMITS, livingNodes, say, turn, worker } from "./hub-kit";

describe("hub primary", () => {
  let primary: HubPrimary;
  let address: { path: string; token: string };
  let errors: Error[];

  beforeEach(async () => {
    errors = [];
    primary = new HubPrimary({ clock: runtimeClock, limits: LIMITS, onError: (error) => errors.push(error) });
    address = await primary.listen();
  });
  afterEach(() => primary.close());

  it("listens where only its user can come, and leaves nothing behind", async () => {
    assert.equal(statSync(dirname(address.path)).mode & 0o777, 0o700);
    assert.equal(statSync(address.path).mode & 0o777, 0o600);
    await primary.close();
    assert.equal(existsSync(dirname(address.path)), false);
  });

  it("refuses a wrong token with words that say what to set", async () => {
    await assert.rejects(
      worker({ path: address.path, token: "guessed" }),
      /cannot join the hub .*: wrong token; ENGINE_IO_CLUSTER_HUB_PATH and ENGINE_IO_CLUSTER_HUB_TOKEN must be those/,
    );
    assert.equal(primary.stats.refused, 1);
    await assert.rejects(worker({ path: `${address.path}.not`, token: address.token }), /cannot join the hub .*ENOENT/);
  });

  it("says where a path is too long for a socket", async () => {
    const long = new HubPrimary({ clock: runtimeClock, limits: LIMITS, path: `/tmp/${"x".repeat(120)}` });
    await assert.rejects(long.listen(), /too long for a unix socket/);
  });

  it("ends a connection that does not say who it is", async () => {
    const hand = new HandClock();
    const other = new HubPrimary({ clock: handTime(hand), limits: LIMITS });
    const socket = connect((await other.listen()).path);
    await once(socket, "connect");
    const timers = hand.timers;
    while (hand.timers === timers && other.stats.connections === 0) await nextTurn();
    const closed = once(socket.resume(), "close");
    hand.advance(6_000);
    await closed;
    await other.close();
  });

  it("closes a connection that sends other bytes, with or without the token, and serves the others", async () => {
    const { store, client } = await worker(address);
    assert.deepEqual(await store.open({ sid: "s", node: "a", protocol: 4, transport: "polling", handshake: "{}" }), {
      kind: "ok",
    });
    let turns = 0;
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.uint8Array({ minLength: 1, maxLength: 200 }), async (trusted, bytes) => {
        const socket = connect(address.path).resume();
        socket.on("error", () => {});
        const closed = once(socket, "close");
        if (trusted) socket.write(message(hello(address.token)));
        socket.end(message(bytes));
        await closed;
        turns++;
        assert.deepEqual(await commit(store, turn("s", "a", turns)), { kind: "ok" });
      }),
      { numRuns: 60 },
    );
    assert.equal(primary.stats.connections, 1);
    await client.close();
  });

  it("keeps what a worker that does not read leaves, within a limit", async () => {
    const channel = { maxMessageBytes: 1e6, maxQueuedBytes: 2e6 };
    const small = new HubPrimary({ clock: runtimeClock, limits: LIMITS, channel });
    const there = await small.listen();
    const a = await worker(there);
    await a.bus.join("a", new Ear());
    const deaf = connect(there.path);
    const join = new ByteWriter();
    join.byte(EntryKind.JOIN);
    join.text("deaf");
    deaf.write(Buffer.concat([message(hello(there.token)), message(join.take())]));
    deaf.pause();
    const ear = new Ear();
    const probe = await worker(there);
    await probe.bus.join("probe", ear);
    // Until it has joined, a message finds nobody.
    while (small.stats.passed === 0) {
      say(a.bus, "deaf", "there?");
      await livingNodes(a.store, "a");
    }
    while (small.stats.dropped === 0) {
      a.bus.send("deaf", Buffer.alloc(500_000));
      await livingNodes(a.store, "a");
    }
    say(a.bus, "probe", "still here");
    await ear.hears("still here");
    deaf.destroy();
    await Promise.all([a.client.close(), probe.client.close()]);
    await small.close();
  });

  it("ends only the leases that were taken over the connection that ends", async () => {
    const [a, b, c] = [await worker(address), await worker(address), await worker(address)];
    await a.store.lease("a", 1);
    await b.store.lease("b", 1);
    // The node came back over another connection before the end of the old one was seen.
    await c.store.lease("a", 2);
    await a.client.close();
    assert.deepEqual(await livingNodes(b.store, "b"), ["a", "b"]);
    await c.client.close();
    while ((await livingNodes(b.store, "b")).length > 1);
    await b.client.close();
  });

  it("takes a name once, until its bus leaves", async () => {
    const [a, b] = [await worker(address), await worker(address)];
    await a.bus.join("same", new Ear());
    await assert.rejects(b.bus.join("same", new Ear()), /another process has joined as same/);
    await a.bus.leave();
    await b.bus.join("same", new Ear());
    await Promise.all([a.client.close(), b.client.close()]);
    assert.deepEqual(errors, []);
  });
});

function hello(token: string): Buffer {
  const out = new ByteWriter();
  out.byte(EntryKind.HELLO);
  writeHello(out, token);
  return out.take();
}

function message(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}
