import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OwnedWorld } from "./owned-kit";

describe("O13: what another node sends", () => {
  it("is answered behind the commit that has it, to all who asked, and is there once", () => {
    const world = new OwnedWorld();
    world.session.sendFrom("n:1", "b", '["4z"]');
    assert.deepEqual(world.committing().packets, ["4z"]);
    world.session.sendFrom("n:1", "c", '["4z"]');
    assert.deepEqual(world.said(), [], "the commit that has it is under way");
    world.ok();
    assert.deepEqual(world.said(), ["b SEND n:1 ok", "c SEND n:1 ok"]);
    world.session.sendFrom("n:1", "b", '["4z"]');
    assert.deepEqual(world.said(), ["b SEND n:1 ok"]);
    world.idle();
  });

  it("is known of the 64 nodes that sent last: those that are gone make room", () => {
    const world = new OwnedWorld();
    const sends = (name: string): void => {
      world.session.sendFrom(name, "b", "[]");
    };
    for (let node = 0; node < 64; node++) sends(`n${String(node)}:1`);
    sends("n0:2");
    sends("n64:1");
    world.settle();
    world.said();
    for (const known of ["n0:2", "n2:1", "n64:1"]) sends(known);
    assert.deepEqual(world.said(), ["b SEND n0:2 ok", "b SEND n2:1 ok", "b SEND n64:1 ok"]);
    sends("n1:1");
    assert.deepEqual(world.said(), [], "it is taken for a new one");
    world.ok();
    assert.deepEqual(world.said(), ["b SEND n1:1 ok"]);
  });

  it("is not taken by a session that closes: its sender hears so behind a commit", () => {
    const world = new OwnedWorld();
    world.socket.send("x");
    world.socket.close();
    world.ok();
    world.session.sendFrom("n:1", "b", '["4z"]');
    assert.deepEqual(world.ok().packets, []);
    assert.deepEqual(world.said(), ["b SEND n:1 unknown"]);
  });
});
