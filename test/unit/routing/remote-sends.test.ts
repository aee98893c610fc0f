import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Asked, WaitingConnection } from "../../../src/routing/held";
import { RemoteSends, UnavailableError } from "../../../src/routing/remote-sends";
import { AnswerCode } from "../../../src/session/answers";
import { Tick } from "../../../src/time/tick";
import { HandClock } from "../../helpers/hand-clock";

/** What is asked of the session's owner, and answered by hand. */
class World {
  readonly clock = new HandClock();
  readonly sends: RemoteSends;
  readonly asked: { readonly body: string; readonly answer: (code: AnswerCode) => void }[] = [];

  constructor() {
    const hold = ({ body }: Asked, connection: WaitingConnection): void => {
      const answer = (code: AnswerCode): void => {
        connection.answer({ code, body: "", compress: false });
      };
      this.asked.push({ body: String(body), answer });
    };
    this.sends = new RemoteSends("me", new Tick(this.clock), { count: 100, size: 1e6 }, hold);
  }

  /** Ends the tick, and gives what is asked then. */
  body(): string | undefined {
    this.clock.settle();
    return this.asked.at(-1)?.body;
  }

  answer(code: AnswerCode): void {
    this.asked.pop()?.answer(code);
    assert.equal(this.asked.length, 0, "one batch is under way at a time");
  }
}

describe("what is sent to a session elsewhere", () => {
  it("goes ahead of a close, and nothing behind it: that would keep the close waiting for ever", async () => {
    const world = new World();
    const { sends } = world;
    const first = sends.send("s", "a", undefined);
    assert.equal(world.body(), '["4a"]');
    const second = sends.send("s", "b", undefined);
    const closes = [sends.close("s"), sends.close("s")];
    assert.equal(await sends.send("s", "c", undefined), false);
    world.answer(AnswerCode.Ok);
    assert.equal(world.body(), '["4b"]');
    assert.equal(await sends.send("s", "d", undefined), false);
    world.answer(AnswerCode.Ok);
    assert.equal(world.body(), '"close"');
    assert.deepEqual(await Promise.all([first, second]), [true, true]);
    // While it is under way it is the owner that says no.
    const late = sends.send("s", "e", undefined);
    world.answer(AnswerCode.UnknownSid);
    assert.deepEqual(await Promise.all(closes), [false, false]);
    assert.equal(world.body(), '["4e"]');
    world.answer(AnswerCode.UnknownSid);
    assert.equal(await late, false);
    assert.deepEqual([sends.size, sends.waiting], [0, 0]);
  });

  it("rejects where no owner answered in time: it may have been taken, or not", async () => {
    const world = new World();
    const sent = world.sends.send("s", "a", undefined);
    world.body();
    world.answer(AnswerCode.Unavailable);
    await assert.rejects(sent, UnavailableError);
    assert.equal(world.sends.size, 0);
  });
});
