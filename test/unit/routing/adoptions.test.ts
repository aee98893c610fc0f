import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Adoptions, type AdoptionParts } from "../../../src/routing/adoptions";
import { OwnPart } from "../../../src/session/own-part";
import type { OwnedSession } from "../../../src/session/owned-session";
import type { Socket } from "../../../src/session/socket";
import type { SessionRecord } from "../../../src/store/port";
import { Counters } from "../../../src/telemetry/counters";
import { emptyRecord, FakeOwner } from "../session/owned-kit";

const SOCKET = { useJournal: () => undefined, dataToStore: () => "", onPacket: () => undefined } as unknown as Socket;
const HANDSHAKE = JSON.stringify({ url: "/", method: "GET", headers: {}, query: {}, address: "::1", encrypted: false });

/** Whether the session that "me" adopts from `from` has a first POST that has ended two, where it is marked by `by`. */
function isHeldAgainst(by: string, from: string, dead: readonly string[], wasDead: boolean): boolean {
  const owner = new FakeOwner();
  let adopted: OwnedSession | undefined;
  const parts = {
    id: "me",
    clock: owner.clock,
    owned: Object.assign(owner, { get: () => adopted, add: (session: OwnedSession) => (adopted = session) }),
    notices: { tell: () => undefined },
    gateways: { has: () => false },
    membership: { isDead: (node: string) => dead.includes(node) },
    counters: new Counters(),
    events: { onTakeover: () => undefined },
    engine: { adopt: () => SOCKET, announce: () => undefined },
    adopts: true,
  } as unknown as AdoptionParts;
  const data = new OwnPart("");
  data.mark = { key: "p1", by };
  new Adoptions(parts).adopt("s", from, { ...emptyRecord(), handshake: HANDSHAKE, data: data.text() }, wasDead);
  owner.clock.settle();
  assert.ok(adopted !== undefined);
  adopted.post("p1", "4x", "a");
  owner.clock.settle();
  return owner.pending[0]?.commit.phase === "closed";
}

/** "me" claims a session whose record is as given; `here`: it has the session still, of before. */
function claims(record: Partial<SessionRecord>, here: boolean): { owner: FakeOwner; did: string[] } {
  const owner = new FakeOwner();
  const did: string[] = [];
  const stale = { replaced: () => did.push("lost first") };
  const parts = {
    id: "me",
    clock: owner.clock,
    owned: Object.assign(owner, { get: () => (here ? stale : undefined), add: () => did.push("added") }),
    notices: { tell: (node: string) => did.push(`${node} is told`) },
    gateways: { has: () => false },
    membership: { isDead: () => true },
    counters: new Counters(),
    events: { onTakeover: () => did.push("takeover") },
    engine: { adopt: () => SOCKET, announce: () => did.push("connection") },
    adopts: true,
  } as unknown as AdoptionParts;
  new Adoptions(parts).adopt("s", "other", { ...emptyRecord(), handshake: HANDSHAKE, ...record }, true);
  owner.clock.settle();
  return { owner, did };
}

describe("a session that is claimed", () => {
  it("is lost first where it is here still: its turns would be taken for those of others", () => {
    assert.deepEqual(claims({}, true).did, ["lost first", "added", "other is told", "takeover", "connection"]);
    assert.deepEqual(claims({}, false).did, ["added", "other is told", "takeover", "connection"]);
  });

  it("ends where it has a websocket: there is no way to its client, and nobody hears of it (U6)", () => {
    const { owner, did } = claims({ transport: "websocket" }, false);
    assert.deepEqual(did, ["added", "other is told"]);
    assert.equal(owner.pending[0]?.commit.phase, "closed");
  });
});

describe("O14: the mark of an adopted session", () => {
  it("is held against its POST where its owner was dead when the session was claimed, though a late word of it came since", () => {
    assert.equal(isHeldAgainst("other", "other", ["other"], true), true);
    assert.equal(isHeldAgainst("other", "other", [], true), true);
  });

  it("is not where that one lives, as one that was doubted or leaves", () => {
    assert.equal(isHeldAgainst("other", "other", [], false), false);
  });

  it("is where another one had the session in between: of the one before nothing is known", () => {
    assert.equal(isHeldAgainst("one before", "other", [], false), true);
  });

  it("is not where it is this node's own", () => {
    assert.equal(isHeldAgainst("me", "other", [], true), false);
    assert.equal(isHeldAgainst("me", "me", [], false), false);
  });

  it("is, where the answer to this node's claim was lost and it claims from itself, if its owner is dead", () => {
    assert.equal(isHeldAgainst("other", "me", ["other"], false), true);
    assert.equal(isHeldAgainst("other", "me", [], false), false);
  });
});
