import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nameOf } from "../../../src/session/request-name";
import { OwnedWorld } from "./owned-kit";

/** A handshake that had \`x\` too. */
const ALL_X = JSON.stringify({ query: { t: "x" } });

/** A client all of whose requests have the same `t`: a parameter of its application's. */
describe("a t that is in requests that are not the same", () => {
  it("is known by the handshake, which has it too, before anything is sent", () => {
    const long = "x".repeat(100);
    for (const [t, name] of [
      ["x", "x"],
      [long, nameOf(long)],
    ] as const) {
      const world = new OwnedWorld({ handshake: JSON.stringify({ query: { t } }) }, true);
      for (let i = 0; i < 2; i++) {
        world.post(`${name}.hash`, "4again");
        world.ok();
      }
      assert.deepEqual(world.events, ["message again", "message again"]);
      world.said();
      for (const text of ["a", "b"]) {
        world.socket.send(text);
        world.poll(name);
        world.ok();
      }
      assert.deepEqual(world.said(), [`a GET ${name} [4a]`, `a GET ${name} [4b]`]);
    }
  });

  it("is not refused where an owner before answered it", () => {
    const world = new OwnedWorld({ answered: ["x"], handled: ["x.hash1"], handshake: ALL_X }, true);
    world.socket.send("a");
    world.poll("x");
    world.ok();
    assert.deepEqual(world.said(), ["a GET x [4a]"]);
  });

  it("is a name where a poll and a POST have it, or POSTs with other bodies: Dart's client has the millisecond for one", () => {
    const world = new OwnedWorld();
    world.post("mx1ssrep.hash1", "4ack");
    world.post("mx1ssrep.hash2", "4more");
    world.poll("mx1ssrep");
    world.ok();
    world.socket.send("x");
    world.ok();
    const given = world.said();
    assert.ok(given.includes("a GET mx1ssrep [4x]"), given.join());
    // All of it comes again, by another node.
    world.poll("mx1ssrep", "b");
    world.post("mx1ssrep.hash1", "4ack", "b");
    world.post("mx1ssrep.hash2", "4more", "b");
    assert.deepEqual(world.said(), ["b GET mx1ssrep [4x]", "b POST mx1ssrep.hash1 ok", "b POST mx1ssrep.hash2 ok"]);
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("message")),
      ["message ack", "message more"],
    );
    // And its next poll is none too many.
    world.poll("mx1ssrf2");
    world.socket.send("y");
    world.ok();
    assert.deepEqual(world.said(), ["a GET mx1ssrf2 [4y]"]);
  });

  it("is none where clients make it anew for each request: what comes again is known again", () => {
    const world = new OwnedWorld();
    // The second within a millisecond is called after the first.
    world.poll("PhG2x_1");
    world.post("PhG2x_1.0.hash1", "4a");
    world.socket.send("b");
    world.ok();
    world.said();
    world.poll("PhG2x_1", "b");
    world.post("PhG2x_1.0.hash1", "4a", "b");
    assert.deepEqual(world.said(), ["b GET PhG2x_1 [4b]", "b POST PhG2x_1.0.hash1 ok"]);
    assert.deepEqual(
      world.events.filter((event) => event.startsWith("message")),
      ["message a"],
    );
  });

  it("loses nothing of a session that is over: its last answer is given again", () => {
    const world = new OwnedWorld({ handshake: ALL_X }, true);
    world.post("x.hash1", "40");
    world.poll("x");
    world.ok();
    world.said();
    world.socket.close(true);
    world.settle();
    world.poll("x", "b");
    assert.deepEqual(world.said(), ["a GET x [1]", "b GET x [1]"]);
  });
});
