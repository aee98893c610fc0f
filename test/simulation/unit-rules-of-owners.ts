import type { UnitRule } from "./rule";

const POLLS = "session/owned-polls.test.ts";
const CLOSE = "session/owned-close.test.ts";
const UPGRADE = "session/owned-upgrade.test.ts";
const HEARING = "bus/links-hearing.test.ts";
const LOST_NODES = "routing/lost-nodes.test.ts";
const DISPATCH = "routing/dispatch.test.ts";
const SEARCH = "routing/search.test.ts";
const OPENINGS = "server/openings.test.ts";
const REACH = "routing/reach.test.ts";
const FAULTS = "session/owned-faults.test.ts";
const OWNED = "routing/owned-sessions.test.ts";
const HOST = "server/cluster-host.test.ts";

/** Those of owners. */
export const UNIT_RULES_OF_OWNERS: readonly UnitRule[] = [
  {
    rule: "O0: a session that has a websocket refuses polls",
    find: "if (this.upgraded && !this.over) {",
    replace: "if (false) {",
    test: UPGRADE,
  },
  {
    rule: "O0: a request that says another protocol is refused",
    find: "if (revision !== 0 && revision !== session.protocol) {",
    replace: "if (revision > 9) {",
    test: DISPATCH,
  },
  {
    rule: "O1: a second poll closes the session",
    find: 'this.contradiction(RequestKind.Get, t, holder, "overlap from client");',
    replace: "",
    test: POLLS,
  },
  {
    rule: "O1: a session that is over is unknown to polls",
    find: /\} else if \(this\.over\) \{(?=\s+this\.node\.answer\(holder, RequestKind\.Get)/,
    replace: "} else if (false) {",
    test: CLOSE,
  },
  {
    rule: "O5: a turn that the record has no room for is not committed",
    find: /(?<=case "overflow":\s+)this\.#overflowed\(turn\);/,
    replace: "this.#committed(turn);",
    test: FAULTS,
  },
  {
    rule: "O5: what was not recorded is dropped when there is no room",
    find: /this\.outbox\.dropUnrecorded\(\);(?=\s+const next)/,
    replace: "",
    test: FAULTS,
  },
  {
    rule: "O5: the poll of such a turn is answered by the close",
    find: /this\.outbox\.untake\(\);\s+this\.takeBack\(turn\.taken\);/,
    replace: "",
    test: FAULTS,
  },
  {
    rule: "O5: a record that is gone a moment after a turn was lost",
    find: "if (this.#cannotHaveEnded()) this.#generation = LOST;",
    replace: "",
    test: FAULTS,
  },
  {
    rule: "O5: that moment is over when the record may have come to its end",
    find: "return this.node.clock.now() - this.#ownedAt < this.node.recordLasts;",
    replace: "return this.#ownedAt > 0;",
    test: FAULTS,
  },
  {
    rule: "O5: it begins when the turn was asked for",
    find: "this.#ownedAt = this.#askedAt;",
    replace: "this.#ownedAt = this.node.clock.now();",
    test: FAULTS,
  },
  {
    rule: "O5: it ends with a tenth to spare",
    find: "0.9 * Math.min(times.linger, times.recordTtl - this.refreshAfter)",
    replace: "Math.min(times.linger, times.recordTtl - this.refreshAfter)",
    test: OWNED,
  },
  {
    rule: "O5: another owner's close may be gone when `linger` is over",
    find: "0.9 * Math.min(times.linger, times.recordTtl - this.refreshAfter)",
    replace: "0.9 * (times.recordTtl - this.refreshAfter)",
    test: OWNED,
  },
  {
    rule: "O5: a record may be gone when three quarters of its time are over",
    find: "0.9 * Math.min(times.linger, times.recordTtl - this.refreshAfter)",
    replace: "0.9 * Math.min(times.linger, times.recordTtl)",
    test: OWNED,
  },
  {
    rule: "O6: an owner proves its sessions when its lease is taken again",
    find: "this.owned.proveAll();",
    replace: "",
    test: "routing/cluster-node.test.ts",
  },
  {
    rule: "O6: who hears again proves its sessions",
    find: "if (wasCutOff) this.#handler.onHearingAgain?.();",
    replace: "",
    test: HEARING,
  },
  {
    rule: "O6: one that was not heard when it was taken for dead may have claimed",
    find: "return lost.cutOff;",
    replace: "return false;",
    test: LOST_NODES,
  },
  {
    rule: "O6: nothing that others ask is handled while the lease has ended",
    find: "else if (membership.lapsed) {",
    replace: "else if (membership.lapsed === undefined) {",
    test: DISPATCH,
  },
  {
    rule: 'O6: "not mine" where others have seen the end of the lease',
    find: "if (isolation.isOutlived) this.#parts.send(from, notMine(kind, frame.sid, frame.t));",
    replace: "void isolation;",
    test: DISPATCH,
  },
  {
    rule: "O8: a close that waited is adopted",
    find: /if \(this\.closeAsked\) this\.node\.closing\.add\(this\);\s+\}/,
    replace: "}",
    test: CLOSE,
  },
  {
    rule: "O6: a renewal that fails tells nothing while this node is in doubt, or is proving the session",
    find: "if (this.over || !this.idle || this.node.inDoubt) return;",
    replace: "if (this.over) return;",
    test: UPGRADE,
  },
  {
    rule: "O8: who does not come for the close is waited for so long only",
    find: 'if (turn.commit.phase === "closing") this.node.closing.add(this);',
    replace: "",
    test: CLOSE,
  },
  {
    rule: "O9: a node that was silent a moment ago may have the poll",
    find: "if (before === undefined || now - before > this.#silence) this.#deafUntil = now;",
    replace: "",
    test: HEARING,
  },
  {
    rule: "O9: a node that has a lease and was never heard may have the poll",
    find: "for (const node of this.#membership.others) if (this.#links.lastHeard(node) === undefined) return true;",
    replace: "",
    test: REACH,
  },
  {
    rule: "O9: whom the poll was given while the store was away may have it",
    find: "if (this.#membership.storeWasAway(this.#pollGrace)) return true;",
    replace: "",
    test: REACH,
  },
  {
    rule: "O9: one that says that the store does not answer it may have the poll",
    find: "if (storeless) this.#hearing.missed();",
    replace: "",
    test: HEARING,
  },
  {
    rule: "O9: who has the poll may have been lost with a message",
    find: "this.stats.losses++;\n    this.#hearing.missed();",
    replace: "this.stats.losses++;",
    test: HEARING,
  },
  {
    rule: "O9: a look that has no answer yet is one",
    find: "if (now - since > SLOW) this.#failedAt = now;",
    replace: "",
    test: SEARCH,
  },
  {
    rule: "O9: a lease that has no answer is one",
    find: "return membership.isStoreAway(SLOW) || now",
    replace: "return now",
    test: SEARCH,
  },
  {
    rule: "O9: one that has withdrawn has no poll",
    find: "if (isolation.withdrawn) return false;",
    replace: "void isolation;",
    test: SEARCH,
  },
  {
    rule: "O9: a look that the store is away for is one",
    find: 'if (found.kind === "away") this.#failedAt = clock.now();',
    replace: "",
    test: SEARCH,
  },
  {
    rule: "O9: a node that was taken for dead is gone when the leases read behind that have none of its",
    find: "if (told && this.#lost.get(node) === lost) this.#lost.delete(node);",
    replace: "this.#lost.delete(node);",
    test: LOST_NODES,
  },
  {
    rule: "O9: nobody is found at it at two looks in a row",
    find: "if (lost.asking || now - lost.nobodySince < NOBODY_FOR) return;",
    replace: "if (lost.asking) return;",
    test: LOST_NODES,
  },
  {
    // It is held twice, in one file.
    rule: "O9: a poll that came back is waited for no longer",
    find: /this\.addHolder\(this\.parked\.holders, holder\);\s+this\.node\.grace\.remove\(this\);[^]*this\.parked\.holders\.length > 0\) return;/,
    replace: (found) =>
      found
        .replace("this.node.grace.remove(this);", "")
        .replace(/ \|\| this\.parked\.holders\.length > 0\) return;$/, ") return;"),
    test: POLLS,
  },
  {
    rule: "O10: a node in doubt commits a contradiction before it closes the session",
    find: "if (!this.node.inDoubt) this.#closeCharged();",
    replace: "this.#closeCharged();",
    test: POLLS,
  },
  {
    rule: "O11: an id that is taken is made again",
    find: "const ID_TRIES = 3;",
    replace: "const ID_TRIES = 1;",
    test: OPENINGS,
  },
  {
    rule: "O11: an id is new at this node, opens under way included",
    find: "if (node.has(id) || this.#opening.has(id)) continue;",
    replace: "if (node.has(id)) continue;",
    test: OPENINGS,
  },
  {
    rule: "O11: an id that is no part of a key is made again",
    find: /if \(id\.length > MAX_SID_CHARS \|\| id === ""\) \{/,
    replace: "if (id.length > MAX_SID_CHARS) {",
    test: OPENINGS,
  },
  {
    rule: "O11: an id is made three times in all",
    find: "const ID_TRIES = 3;",
    replace: "const ID_TRIES = 4;",
    test: OPENINGS,
  },
  {
    rule: "O11: the answer comes before the connection",
    find: /answerPayload\(\s+request,\s+response,\s+payload,[^]*?\);\s+this\.announce\(socket\);/,
    replace: (found) => `this.announce(socket);\n${found.replace("this.announce(socket);", "")}`,
    test: HOST,
  },
  {
    rule: "O11: the connection is of the same tick",
    find: "this.announce(socket);\n      }\n    }",
    replace: "queueMicrotask(() => this.announce(socket));\n      }\n    }",
    test: HOST,
  },
  {
    rule: "O12: a ping that waits behind a commit is not awaited",
    find: /\/\/ Behind a commit that the store does not answer[^\n]*\n\s+if \(this\.isEnding\) return;\s+this\.encode\(this\.socket\?\.writeBuffer \?\? \[\]\);/,
    replace: "if (this.isEnding) return;",
    test: CLOSE,
  },
  {
    rule: "a holder that is wrongly taken for dead: a poll with another name is no overlap",
    find: "this.parked?.holders.some((holder) => this.node.lives(holder)) === true;",
    replace: "(this.parked?.holders.length ?? 0) > 0;",
    test: POLLS,
  },
  {
    rule: "a process that stood still gives deadlines a moment more",
    find: /if \(!this\.#spared && now - this\.#due > STOOD_STILL\) \{\s+this\.#spared = true;\s+this\.#arm\(READ_FIRST\);\s+return;\s+\}/,
    replace: "",
    test: "time/deadlines.test.ts",
  },
];
