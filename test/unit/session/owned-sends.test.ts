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
