import type { UnitRule } from "./rule";

const POSTS = "session/owned-posts.test.ts";
const SENDS = "session/owned-sends.test.ts";
const SHARED = "session/owned-shared-t.test.ts";
const KEYS = "server/post-key.test.ts";

/** Those of POSTs and sends at their owners, and of the names of requests. */
export const UNIT_RULES_OF_POSTS: readonly UnitRule[] = [
  {
    rule: "O2: one POST too many at a time closes the session",
    find: "} else if (this.#postsInHand >= POSTS_IN_HAND) {",
    replace: "} else if (false) {",
    test: POSTS,
  },
  {
    rule: "O2: bytes in protocol 4 close the session",
    find: '} else if (typeof body !== "string" && !this.encoding.binaryPayloads) {',
    replace: "} else if (false) {",
    test: POSTS,
  },
  {
    rule: "O2: a session that is over is unknown to POSTs",
    find: /\} else if \(this\.over\) \{(?=\s+this\.node\.answer\(holder, RequestKind\.Post)/,
    replace: "} else if (false) {",
    test: POSTS,
  },
  {
    rule: "O2: so is one that is ending",
    find: /\} else if \(this\.isEnding\) \{(?=\s+this\.refuse\(RequestKind\.Post)/,
    replace: "} else if (false) {",
    test: POSTS,
  },
  {
    rule: "O7: a pong that is not awaited is answered behind a commit",
    find: "const due = this.isPongDue && !this.node.inDoubt;",
    replace: "const due = !this.node.inDoubt;",
    test: POSTS,
  },
  {
    rule: "O7: a node in doubt answers a pong behind a commit",
    find: "const due = this.isPongDue && !this.node.inDoubt;",
    replace: "const due = this.isPongDue;",
    test: POSTS,
  },
  {
    rule: "O7: a pong that a successor may wait for is passed on",
    find: "if (owner !== undefined && owner !== this.node.id && this.turn < this.pongProvedBy) this.node.passPong(this.sid);",
    replace: "",
    test: POSTS,
  },
  {
    rule: "O13: a send that is in a turn gets one waiter more",
    find: "const waiters = this.committing?.next.sends.get(name) ?? sends.get(name);",
    replace: "const waiters = undefined as NodeId[] | undefined; void sends;",
    test: SENDS,
  },
  {
    rule: "O13: a session that closes takes no sends",
    find: 'else if (this.isEnding || this.socket?.readyState !== "open")',
    replace: "else if (this.isEnding)",
    test: SENDS,
  },
  {
    rule: "O13: a send that nobody answers is given up",
    find: "if (held.kind !== RequestKind.Get) held.repeatedAt = this.#postDeadlines.add(held);",
    replace: (found) => `if (held.kind === RequestKind.Send) this.#forgetSearch(held);\n    ${found}`,
    test: "routing/holder.test.ts",
  },
  {
    rule: "O13: one that was given up rejects",
    find: /if \(answer\.code === AnswerCode\.Unavailable\) reject\([^]*?\);\s+else if/,
    replace: "if",
    test: "routing/remote-sends.test.ts",
  },
  {
    rule: "O13: no more than 64 senders are kept",
    find: "if (this.#last.size <= MOST_SENDERS) return;",
    replace: "return;",
    test: SENDS,
  },
  {
    rule: "O13: 64 senders are kept",
    find: "const MOST_SENDERS = 64;",
    replace: "const MOST_SENDERS = 63;",
    test: SENDS,
  },
  {
    rule: "O13: those that sent last are",
    find: /this\.#last\.delete\(sender\);(?=\s+this\.#last\.set)/,
    replace: "",
    test: SENDS,
  },
  {
    rule: "O14: one that lives has not ended of a request",
    find: "mark !== undefined && hasEnded(mark.by) ? mark.key : undefined;",
    replace: "mark?.key;",
    test: POSTS,
  },
  {
    rule: "O14: the mark stays until a POST is handled",
    find: "if (mayHaveEnded || mark !== undefined) {",
    replace: "if (mayHaveEnded) {",
    test: POSTS,
  },
  {
    rule: "O14: what comes late is not suspected",
    find: "(first.marked === undefined && first.isOver(this.node.clock.now()))",
    replace: "false",
    test: POSTS,
  },
  {
    rule: "O14: POSTs that come while the first is marked wait behind it",
    find: "if (same === undefined) first.behind.push({ key, holders: [holder], body });",
    replace: "if (same === undefined) this.#handle(key, [holder], body);",
    test: POSTS,
  },
  {
    rule: "O14: one of these that comes again waits with the first of its name",
    find: "else this.addHolder(same.holders, holder);",
    replace: "else first.behind.push({ key, holders: [holder], body });",
    test: POSTS,
  },
  {
    rule: "O14: each of them is marked in its turn",
    find: "if (next !== undefined) this.#mark(first, next);",
    replace:
      "if (next !== undefined) for (const post of [next, ...first.behind.splice(0)]) this.#handle(post.key, post.holders, post.body);",
    test: POSTS,
  },
  {
    rule: "O14: those that come before the one that is suspected take nothing away",
    find: "else if (isOver || first.suspect === undefined) {",
    replace: "else {",
    test: POSTS,
  },
  {
    rule: "Names: the name of a POST has a hash of its body",
    find: "return `${t}.${hash(body).toString(36)}`;",
    replace: "return `${t}.`;",
    test: KEYS,
  },
  {
    rule: "Names: the hash is of the length of a long body too",
    find: "0x811c9dc5 ^ length",
    replace: "0x811c9dc5",
    test: KEYS,
  },
  {
    rule: "Names: a POST whose `t` is no name is handled though its key is known",
    find: "if (this.handled.has(key) && !this.#isShared(nameIn(key))) {",
    replace: "if (this.handled.has(key)) {",
    test: SHARED,
  },
  {
    rule: "Names: what was in flight to a poll whose `t` is no name has arrived",
    find: "if (!this.over && !this.stranded && !this.isHeldBack && this.#isShared(t)) this.outbox.arrived();",
    replace: "",
    test: SHARED,
  },
  {
    rule: "Names: a poll whose `t` is no name is not refused",
    find: "} else if (this.answered.has(t) && !this.#isShared(t)) {",
    replace: "} else if (this.answered.has(t)) {",
    test: SHARED,
  },
];
