import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nameOf } from "../../../src/session/request-name";
import { OwnedWorld } from "./owned-kit";

/** A client all of whose requests have the same `t`: a parameter of its application's. */
describe("a t that is in requests that are not the same", () => {
  it("gets no packets twice", () => {
    const world = new OwnedWorld();
    world.post("x.hash1", "40");
    world.ok();
    world.said();
    const got: string[] = [];
    for (const text of ["a", "b", "c"]) {
      world.socket.send(text);
      world.poll("x");
      world.ok();
      got.push(...world.said());
    }
    assert.deepEqual(got, ["a GET x [4a]", "a GET x [4b]", "a GET x [4c]"]);
    world.poll("x");
    world.idle();
    assert.deepEqual(world.said(), []);
    world.socket.send("d");
    world.ok();
    assert.deepEqual(world.said(), ["a GET x [4d]"]);
  });

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
    const world = new OwnedWorld({ answered: ["x"], handled: ["x.hash1"] }, true);
    world.socket.send("a");
    world.poll("x");
    world.ok();
    assert.deepEqual(world.said(), ["a GET x [4a]"]);
  });

  it("does not make two POSTs one: a poll has it, or a POST with another body", () => {
    for (const other of ["a poll", "a poll of before", "a POST"]) {
      const world = new OwnedWorld();
      if (other === "a POST") world.post("x.hash1", "4first");
      else world.poll("x");
      world.settle();
      if (other === "a poll of before") {
        world.socket.send("y");
        world.settle();
        world.poll("z");
      }
      for (let i = 0; i < 3; i++) {
        world.post("x.hash2", "4again");
        world.ok();
      }
      assert.deepEqual(
        world.events.filter((event) => event === "message again"),
        ["message again", "message again", "message again"],
      );
    }
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
    const world = new OwnedWorld();
    world.post("x.hash1", "40");
    world.poll("x");
    world.settle();
    world.said();
    world.socket.close(true);
    world.settle();
    world.poll("x", "b");
    assert.deepEqual(world.said(), ["a GET x [1]", "b GET x [1]"]);
  });
});
