import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { frame, say, World } from "../../helpers/link-world";

describe("links: foreign messages", () => {
  it("drops and counts messages without the right secret, in both directions", async () => {
    for (const [mine, theirs] of [
      ["one", "two"],
      ["one", undefined],
      [undefined, "two"],
    ] as const) {
      const world = new World();
      const a = await world.node("a", 1, mine === undefined ? {} : { secrets: [mine] });
      const b = await world.node("b", 1, theirs === undefined ? {} : { secrets: [theirs] });
      say(world, a, "b");
      say(world, b, "a");
      world.clock.advance(2000);
      assert.deepEqual([...a.events, ...b.events, ...a.beats, ...b.beats], []);
      assert.ok(a.links.stats.rejected >= 3 && b.links.stats.rejected >= 3);
    }
  });

  it("works with a secret", async () => {
    const world = new World(256);
    const [a, b] = await world.pair({ secrets: ["shared"] });
    a.links.send("b", frame(1, "x".repeat(1000)));
    world.clock.advance(1000);
    assert.equal(b.frames.length, 1);
    assert.equal(b.links.stats.rejected, 0);
    assert.ok(b.beats.length > 0);
  });

  it("drops a message that was recorded on its way to another node, and every message with one bit changed", async () => {
    const world = new World();
    const [a, b] = await world.pair({ secrets: ["shared"] });
    const c = await world.node("c", 1, { secrets: ["shared"] });
    const seen: Uint8Array[] = [];
    world.medium.intercept = (_from, _to, message) => {
      seen.push(message);
      return "drop";
    };
    say(world, a, "b", 1);
    const [message] = seen;
    assert.ok(message !== undefined);
    c.links.onMessage(message);
    assert.equal(c.links.stats.rejected, 1);
    for (let bit = 0; bit < message.length * 8; bit++) {
      const forged = Uint8Array.from(message);
      forged[bit >> 3] = (forged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      b.links.onMessage(forged);
    }
    assert.equal(b.links.stats.rejected, message.length * 8);
    assert.deepEqual([...b.events, ...c.events], []);
    b.links.onMessage(message);
    assert.equal(b.frames.length, 1);
  });

  it("drops truncated messages, other versions and unknown flags, and never throws", async () => {
    const world = new World();
    const [a, b] = await world.pair();
    const seen: Uint8Array[] = [];
    world.medium.intercept = (_from, _to, message) => {
      seen.push(message);
      return "drop";
    };
    say(world, a, "b", 1);
    world.medium.intercept = undefined;
    const message = seen[0] ?? new Uint8Array();
    for (const version of [0, 2, 3, 255])
      b.links.onMessage(Uint8Array.from(message, (byte, at) => (at === 0 ? version : byte)));
    b.links.onMessage(Uint8Array.from(message, (byte, at) => (at === 1 ? 0x80 : byte)));
    assert.equal(b.links.stats.rejected, 5);
    for (let length = 0; length < message.length; length++) b.links.onMessage(message.subarray(0, length));
    assert.equal(b.frames.length, 0);
  });
});
