import type { UnitRule } from "./rule";

const HOLDER = "routing/holder.test.ts";
const MEMBERSHIP = "ownership/membership.test.ts";
const TAKEOVERS = "routing/takeovers.test.ts";
const DISPATCH = "routing/dispatch.test.ts";
const SEARCH = "routing/search.test.ts";
const NODE = "routing/cluster-node.test.ts";
const UNANSWERED = "routing/unanswered.test.ts";
const STANDSTILL = "routing/standstill.test.ts";
const EXCHANGE = "server/exchange.test.ts";

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
    rule: "H2: what found nobody is asked again",
    find: 'this.#holder.askAgainAt(peer, "no responder");',
    replace: "",
    test: NODE,
  },
  {
    rule: "H2: what found nobody is asked again once for all of it",
    find: "if (round.due) return;",
    replace: "",
    test: UNANSWERED,
  },
  {
    rule: "H2: what finds nobody again and again is asked more and more seldom",
    find: "Math.min(2 * round.pause, LONGEST)",
    replace: "FIRST",
    test: UNANSWERED,
  },
  {
    rule: "H2: a search that finds nobody has longer and longer pauses",
    find: "return Math.min(SEARCH_PAUSE * misses, LONGEST_SEARCH_PAUSE);",
    replace: "return SEARCH_PAUSE;",
    test: HOLDER,
  },
  {
    rule: "H2: the pauses of a search have an end",
    find: "return Math.min(SEARCH_PAUSE * misses, LONGEST_SEARCH_PAUSE);",
    replace: "return SEARCH_PAUSE * misses;",
    test: HOLDER,
  },
  {
    rule: "H2: a search ends with 503",
    find: "this.#finish(held, bare(AnswerCode.Unavailable));",
    replace: "",
    test: HOLDER,
  },
  {
    rule: "H2: the time of a poll stops when somebody was asked",
    find: /this\.#forgetSearch\(held\);\s+if \(node !== this\.#node\.id\)/,
    replace: "if (node !== this.#node.id)",
    test: HOLDER,
  },
  {
    rule: "H2: the time of a POST does not",
    find: "if (held.kind !== RequestKind.Get) held.repeatedAt = this.#postDeadlines.add(held);",
    replace: (found) => `if (held.kind === RequestKind.Post) this.#forgetSearch(held);\n    ${found}`,
    test: HOLDER,
  },
  {
    rule: "H3: an answer goes to all connections that wait for it",
    find: "for (const connection of held.connections) connection.answer(answer);",
    replace: "held.connections[0]?.answer(answer);",
    test: HOLDER,
  },
  {
    rule: "H3: what is longer than a frame may be is refused",
    find: "if (!this.#node.ask(node, held)) this.#finish(held, bare(AnswerCode.TooLarge));",
    replace: "this.#node.ask(node, held);",
    test: HOLDER,
  },
  {
    rule: "H3: what is longer than a body may be is refused, and nobody is asked",
    find: "this.#maxBytes = Math.min(maxBytes, LONGEST_MESSAGE);",
    replace: "this.#maxBytes = Math.max(maxBytes, LONGEST_MESSAGE);",
    test: EXCHANGE,
  },
  {
    rule: "H4: nobody is told of a POST whose connection broke",
    find: "if (held.kind === RequestKind.Get && asked !== undefined) this.#node.hintGone(asked, held);",
    replace: "if (asked !== undefined) this.#node.hintGone(asked, held);",
    test: HOLDER,
  },
  {
    rule: "H5: a refusal is a status on its connection",
    find: /(?<=case AnswerCode\.Refused:\s+)answerStatus\(this\.#response, 400\);/,
    replace: "this.abandon();",
    test: EXCHANGE,
  },
  {
    rule: "H6: a node that stood still lets requests wait",
    find: "if (now - this.#looked > this.#most) this.#woke = now;",
    replace: "",
    test: STANDSTILL,
  },
  {
    rule: "H6: owners remember all of the last time of a lease",
    find: "if (now - time < this.#cover && size <= MOST) return false;",
    replace: "",
    test: "session/ring.test.ts",
  },
  {
    rule: "H6: what is shorter than owners remember is a standstill too",
    find: "this.#most = cover / TURNS;",
    replace: "this.#most = cover;",
    test: STANDSTILL,
  },
  {
    rule: "H6: one that was stopped in the middle of a turn notices before it reads",
    find: "if (now - this.#looked > this.#most) this.#notice(now);",
    replace: "",
    test: STANDSTILL,
  },
  {
    rule: "H6: each waits for a time behind a standstill",
    find: /const PAUSE = 100;(?=\s+\/\*\* The end of a new)/,
    replace: "const PAUSE = 1;",
    test: STANDSTILL,
  },
  {
    rule: "H6: and until the loop has read once more",
    find: /clock\.after\(pause, \(\) => \{\s+clock\.defer\(run\);\s+\}\);/,
    replace: "clock.after(pause, run);",
    test: EXCHANGE,
  },
  {
    rule: "H6: what was given up meanwhile is dropped",
    find: "if (this.#isGivenUp || this.#host.node === undefined) this.abandon();",
    replace: "if (this.#host.node === undefined) this.abandon();",
    test: EXCHANGE,
  },
  {
    rule: "H6: a search waits behind a standstill",
    find: /const \{ pause \} = this\.#node;\s+if \(pause === 0\) return 0;\s+for/,
    replace: "const pause = 0;\n    for",
    test: HOLDER,
  },
  {
    rule: "H6: a search that was under way begins anew",
    find: "if (!waited && this.#pauseFor(waiting) > 0) {",
    replace: "if (false) {",
    test: HOLDER,
  },
  {
    rule: "H6: a search for sends does not wait",
    find: /for \(const \{ kind \} of waiting\) if \(kind !== RequestKind\.Send\) return pause;\s+return 0;/,
    replace: "return pause;",
    test: HOLDER,
  },
  {
    rule: "H6: all POSTs of a turn are remembered",
    find: "return Math.max(this.answered.size, this.handled.size + this.next.posts.size);",
    replace: "return Math.max(this.answered.size, this.handled.size);",
    test: "session/owned-posts.test.ts",
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
  {
    rule: "H7: what was said in the turn in which a lease is taken again leaves before it",
    find: /if \(this\.#running\) this\.#outgoing\.run\(\);\s+this\.#codec\.begin/,
    replace: "this.#codec.begin",
    test: "bus/links-lifecycle.test.ts",
  },
];
