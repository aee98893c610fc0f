import type { UnitRule } from "./rule";

const HOLDER = "routing/holder.test.ts";
const MEMBERSHIP = "ownership/membership.test.ts";
const TAKEOVERS = "routing/takeovers.test.ts";
const DISPATCH = "routing/dispatch.test.ts";
const SEARCH = "routing/search.test.ts";

/** Those of holders. */
export const UNIT_RULES_OF_HOLDERS: readonly UnitRule[] = [
  {
    rule: "H1: one search serves all requests of a session",
    find: /if \(running !== undefined\) \{\s+running\.add\(held\);\s+return;\s+\}/,
    replace: "",
    test: HOLDER,
  },
  {
    rule: "H1: one claim serves all requests of a session",
    find: /if \(running !== undefined\) return running;\s+if \(this\.#stopped\)/,
    replace: "if (this.#stopped)",
    test: TAKEOVERS,
  },
  {
    rule: "H1: equal looks at one time are one",
    find: "if (running !== undefined) return running.result;",
    replace: "",
    test: SEARCH,
  },
  {
    rule: "H1: a doubted owner is claimed from",
    find: "if (doubted.includes(owner) || owner === id || membership.isDead(owner)) {",
    replace: "if (owner === id || membership.isDead(owner)) {",
    test: SEARCH,
  },
  {
    rule: "H2: a poll that waits is said again",
    find: /this\.#node\.ask\(askedAt, held\);\s+if \(held\.repeats/,
    replace: "if (held.repeats",
    test: HOLDER,
  },
  {
    rule: "H2: where a silent node has the poll its owner is looked for",
    find: "if (held.repeats <= POLL_REPEATS && this.#node.isSilent(askedAt)) {",
    replace: "if (false) {",
    test: HOLDER,
  },
  {
    rule: "H2: who has said three times that the session is not its own is doubted",
    find: "if (strangers?.doubted !== undefined) doubted.push(strangers.doubted);",
    replace: "void strangers;",
    test: HOLDER,
  },
  {
    rule: "H2: doubt is of one node",
    find: "this.#times = node === this.#last ? this.#times + 1 : 1;",
    replace: "this.#times++;",
    test: HOLDER,
  },
  {
    rule: "H2: a POST that waited for long is asked again",
    find: /this\.#node\.countRepeat\("deadline"\);\s+this\.#search\(held\);/,
    replace: "",
    test: HOLDER,
  },
  {
    rule: "H6: a node that stood still lets requests wait",
    find: "if (now - this.#looked > this.#most) this.#woke = now;",
    replace: "",
    test: "routing/standstill.test.ts",
  },
  {
    rule: "H6: owners remember all of the last time of a lease",
    find: "if (now - time < this.#cover && size <= MOST) return false;",
    replace: "",
    test: "session/ring.test.ts",
  },
  {
    rule: "H7: what was sent under a lease that has ended is of a time gone by",
    find: 'if (death?.why === "lease ended") return incarnation <= death.incarnation;',
    replace: "",
    test: MEMBERSHIP,
  },
  {
    rule: "H7: what was sent under a lease before the one that is held is too",
    find: "return incarnation < (this.#living.get(node) ?? 0);",
    replace: "return false;",
    test: MEMBERSHIP,
  },
  {
    rule: "H7: a lease that is there again as it was is told of",
    find: "if (ended && incarnation <= death.incarnation) listener.onLeaseBack(node);",
    replace: "",
    test: MEMBERSHIP,
  },
  {
    rule: "H7: what was sent under a lease that has ended is not handled",
    find: "if (isRequest(frame.kind) && parts.membership.isBygone(from, incarnation)) {",
    replace: "if (false) {",
    test: DISPATCH,
  },
];
