import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Dispatch, type DispatchParts } from "../../../src/routing/dispatch";
import type { Held } from "../../../src/routing/held";
import { ask, MessageKind } from "../../../src/routing/messages";
import { AnswerCode, RequestKind, type Answer } from "../../../src/session/answers";
import { Counters } from "../../../src/telemetry/counters";

/** The owner of "s", as requests of other nodes and its own find it. */
class World {
  readonly did: string[] = [];
  readonly membership = { lapsed: false, cutFromStore: false, isBygone: () => this.bygone, isDead: () => false };
  readonly isolation = { isOutlived: false };
  bygone = false;
  readonly session = {
    sid: "s",
    protocol: 4,
    direct: false,
    poll: (t: string, holder: string) => this.did.push(`poll ${t} of ${holder}`),
    post: (key: string, holder: string) => this.did.push(`POST ${key} of ${holder}`),
    sendFrom: (name: string, holder: string) => this.did.push(`send ${name} of ${holder}`),
  };
  readonly dispatch = new Dispatch({
    id: "me",
    sessions: Object.assign(new Map([["s", this.session]]), {
      answer: (holder: string, _kind: RequestKind, _sid: string, t: string, { code }: Answer) =>
        this.did.push(`${t} of ${holder} is answered ${String(code)}`),
    }),
    takeovers: { size: 0 },
    membership: this.membership,
    counters: new Counters(),
    isolation: this.isolation,
    send: (node: string, { kind, t }: { kind: number; t: string }) => this.did.push(`${t} to ${node}: ${String(kind)}`),
  } as unknown as DispatchParts);

  asks(kind: RequestKind, t: string, revision: 3 | 4 = 4, sid = "s"): void {
    this.dispatch.onFrame("b", ask({ kind, sid, t, body: "4x", revision }), 1);
  }

  takeAll(): string[] {
    return this.did.splice(0);
  }
}

const NOT_MINE = String(MessageKind.NotMine);

describe("what another node asks", () => {
  it("is put to the session that is here; of any other this node says that it is not its own", () => {
    const world = new World();
    world.asks(RequestKind.Get, "t1");
    world.asks(RequestKind.Post, "p1");
    world.asks(RequestKind.Send, "b:1");
    world.asks(RequestKind.Get, "t2", 4, "other");
    assert.deepEqual(world.takeAll(), ["poll t1 of b", "POST p1 of b", "send b:1 of b", `t2 to b: ${NOT_MINE}`]);
  });

  it("is refused where it is of another protocol than the session's (O0)", () => {
    const world = new World();
    world.asks(RequestKind.Get, "t1", 3);
    assert.deepEqual(world.takeAll(), [`t1 of b is answered ${String(AnswerCode.OtherProtocol)}`]);
  });

  it("is not handled where it was sent under a lease that has ended, but for sends, which are known by their numbers (H7)", () => {
    const world = new World();
    world.bygone = true;
    world.asks(RequestKind.Get, "t1");
    world.asks(RequestKind.Post, "p1");
    world.asks(RequestKind.Send, "b:1");
    assert.deepEqual(world.takeAll(), ["send b:1 of b"]);
  });
});

describe("O6: a node whose lease has ended by its own clock", () => {
  it("does nothing that others ask; it refers them to others where those have seen the end", () => {
    const world = new World();
    world.membership.lapsed = true;
    world.asks(RequestKind.Post, "p1");
    assert.deepEqual(world.takeAll(), []);
    world.isolation.isOutlived = true;
    world.asks(RequestKind.Post, "p1");
    assert.deepEqual(world.takeAll(), [`p1 to b: ${NOT_MINE}`]);
  });

  it("puts nothing to its own polling sessions while the store is away from it, and goes on with its websockets", () => {
    const world = new World();
    const held = { kind: RequestKind.Post, sid: "s", t: "p1", body: "4x", revision: 4 } as unknown as Held;
    world.membership.cutFromStore = true;
    assert.equal(world.dispatch.askHere(held), true);
    assert.deepEqual(world.takeAll(), []);
    world.session.direct = true;
    assert.equal(world.dispatch.askHere(held), true);
    assert.deepEqual(world.takeAll(), ["POST p1 of me"]);
  });
});
