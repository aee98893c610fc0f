import type { Rule } from "./rule";
import { RULES_OF_NODES } from "./rules-of-nodes";

/** Every rule whose absence the simulation notices. Those that it cannot notice are listed in docs/protocol.md. */
export const RULES: readonly Rule[] = [
  // ---- the holder ----
  {
    rule: 'H2: who is told "not mine" asks again',
    find: /this\.#node\.countRepeat\("not mine"\);\s+this\.#search\(held\);/,
    replace: "",
  },
  {
    rule: "H2: what was put to a dead node is asked again",
    find: /this\.#holder\.askAgainAt\(\w+, "node dead"\);/,
    replace: "",
  },
  {
    rule: "H2: what was put over a link that lost something is asked again",
    find: /this\.#holder\.askAgainAt\(\w+, "link loss"\);/,
    replace: "",
  },
  {
    rule: "H4: the owner is told of a poll whose last connection broke",
    find: /if \(held\.kind === RequestKind\.Get && asked !== undefined\) this\.#node\.hintGone\(asked, held\);/,
    replace: "",
  },
  {
    rule: "H2, H7: what a node asks is asked again when its lease was taken again",
    find: 'this.#holder.askAllAgain("lease retaken");',
    replace: "",
    profiles: ["pauses", "store away", "alone"],
  },
  // ---- the owner ----
  {
    rule: "O1: a poll of the commit under way gets one holder more",
    find: /if \(taken\?\.t === t\) \{/,
    replace: "if (false) {",
  },
  {
    rule: "O1: a poll in flight gets the same packets",
    find: "} else if (outbox.inflight?.t === t) {",
    replace: "} else if (false) {",
  },
  {
    rule: "O1: a parked poll gets one holder more",
    find: /else if \(this\.#?parked\?\.t === t\) \{/,
    replace: "else if (false) {",
  },
  { rule: "O1: a poll that was answered before is refused", find: /this\.#?answered\.has\(t\)/, replace: "false" },
  {
    rule: "O1: with a new poll what was in flight has arrived",
    find: "const before = outbox.arrived();",
    replace: "const before = undefined as string | undefined;",
  },
  {
    rule: "O1: a refusal waits for a commit",
    find: "this.next.refuse({ kind, t, holder, code });",
    replace: "this.node.answer(holder, kind, this.sid, t, bare(code));",
  },
  {
    rule: "O1, O4: all holders of a poll are answered",
    find: "if (!holders.includes(holder)) holders.push(holder);",
    replace: "holders.length = 0; holders.push(holder);",
  },
  {
    rule: "O2: a handled POST is known",
    find: "if (this.handled.has(key) && !this.#isShared(nameIn(key))) {",
    replace: "if (false) {",
  },
  {
    rule: "O2: a POST that is in a turn gets one waiter more",
    find: "const waiters = this.committing?.next.posts.get(key) ?? this.next.posts.get(key);",
    replace: "const waiters = undefined as NodeId[] | undefined;",
  },
  {
    rule: "O3: one commit is under way",
    find: "if (this.#over || this.committing !== undefined) return;",
    replace: "if (this.#over) return;",
  },
  {
    rule: "O3: every commit says what is in flight",
    find: "inflight: this.outbox.inflight,",
    replace: "inflight: taken === undefined ? null : this.outbox.inflight,",
  },
  {
    rule: "O4: a POST is answered behind its commit",
    find: "this.next.addPost(key, holders);",
    replace: `this.next.addPost(key, holders);
      for (const holder of holders) this.node.answer(holder, RequestKind.Post, this.sid, key, bare(AnswerCode.Ok));`,
  },
  {
    rule: "O4: a poll is answered behind its commit",
    find: "this.committing = { phase, taken",
    replace: `for (const holder of taken?.holders ?? [])
        this.node.answer(holder, 0, this.sid, taken.t, this.outbox.answer(this.encoding));
      this.committing = { phase, taken`,
  },
  {
    rule: "O5: who is fenced gives the session up",
    find: /case "fenced":\s+this\.lose\(result\.owner\);/,
    replace: 'case "fenced":\n        this.#committed(turn);',
  },
  {
    rule: "O5: a record that is behind is restored",
    find: /case "behind":\s+void this\.#restore\(turn\);/,
    replace: 'case "behind":\n        this.#committed(turn);',
    profiles: ["store lost"],
  },
  {
    rule: "O5: a record that the store has lost is restored",
    find: "if (this.node.storeGeneration === this.#generation) this.lose(undefined);",
    replace: "if (this.node !== undefined) this.lose(undefined);",
    profiles: ["store lost"],
  },
  {
    rule: "O5: a commit whose answer is away is made again",
    find: "this.#again = this.node.clock.after(COMMIT_AGAIN, () => {",
    replace: "(() => undefined)(() => {",
    profiles: ["store away", "all"],
  },
  {
    rule: "O9: a poll that nobody holds ends the session",
    find: /(?<=this\.release = false;\s+)this\.node\.grace\.add\(this\);/,
    replace: "",
  },
  {
    rule: "O9: an owner that was deaf gives no poll up",
    find: "if (this.node.wasDeaf) {",
    replace: "if (false) {",
    profiles: ["bus", "all", "stale"],
  },
  {
    rule: "O9: one that is not heard may have the poll",
    find: "if (lastHeard < before) return true;",
    replace: "",
    profiles: ["bus", "all", "stale", "pauses"],
  },
  {
    rule: "O9: one that is taken for dead may have the poll",
    find: "if (this.#lostNodes.some) return true;",
    replace: "",
    profiles: ["bus", "all", "stale", "pauses"],
  },
  {
    rule: "O6: an owner that is told of a claim proves its session",
    find: "if (session !== undefined && session.turn < frame.n) session.prove();",
    replace: "",
    profiles: ["stale", "rivals", "bus"],
  },
  {
    rule: "O6: the claim is told again when something was lost",
    find: "this.#notices.onLoss(peer);",
    replace: "",
    profiles: ["stale", "rivals", "bus"],
  },
  {
    rule: "O6: sessions are proved when the store can be reached again",
    find: "for (const session of sessions.values()) if (!session.direct) session.prove();",
    replace: "",
    profiles: ["store lost", "store away"],
  },
  {
    rule: "O6: a websocket's record that was not renewed is written again",
    find: "for (const sid of result.lost) void this.#sessions.get(sid)?.renewFailed();",
    replace: "",
    profiles: ["store lost"],
  },
  {
    rule: "O8: a message and a close never share an answer",
    find: "if (!this.closeAsked || this.outbox.waiting > 0) return {",
    replace: "if (!this.closeAsked) return {",
    profiles: ["sends"],
  },
  {
    rule: "O12: no ping timeout before the ping is recorded",
    find: /if \(this\.lastPing > this\.outbox\.recorded\) this\.socket\?\.server\.heartbeat\.await\(this\.socket\);\s+else/,
    replace: "",
    profiles: ["heartbeats"],
  },
  {
    rule: "O12: the time of a ping starts with its commit",
    find: "if (this.lastPing !== this.#timedPing) this.#timePing();",
    replace: "",
    profiles: ["heartbeats"],
  },
  {
    rule: "O13: what was sent before is known",
    find: "this.own.senders.has(name)",
    replace: "false",
    profiles: ["sends"],
  },
  {
    rule: "O13: a send is answered behind its commit",
    find: "this.next.addSend(name, [holder]);",
    replace:
      "this.next.addSend(name, [holder]);\n        this.node.answer(holder, RequestKind.Send, this.sid, name, bare(AnswerCode.Ok));",
    profiles: ["sends"],
  },
  {
    rule: "O13: one batch is under way",
    find: "if (queue.waiting.length === 0 && queue.closing.length === 0 && !queue.asked) this.#due(queue);",
    replace: "if (!this.#ready.includes(queue)) this.#due(queue);",
    profiles: ["sends"],
  },
  {
    rule: "O13: a close goes behind the packets",
    find: 'const body = JSON.stringify(closes ? "close" : packets);',
    replace: 'const body = JSON.stringify(queue.closing.length > 0 ? "close" : packets);',
    profiles: ["sends"],
  },
  {
    rule: "O13: the record has the numbers of the senders",
    find: /return senders === "" \? this\.data : `[^`]*`;/,
    replace: "return this.data;",
    profiles: ["sends"],
  },
  {
    rule: "O14: a request that ended two owners ends its session",
    find: "if (first.suspect === key) {",
    replace: "if (first.suspect === null) {",
    profiles: ["poison"],
  },
  // ---- takeover ----
  {
    rule: "Takeover: the first ping comes soon",
    find: "else this.server.heartbeat.soon(this, spread);",
    replace: "",
    profiles: ["heartbeats"],
  },
  {
    rule: 'Takeover: with "close" the session closes',
    find: "session.closeUnadopted();",
    replace: "",
    profiles: ["unadopted"],
  },
  {
    rule: "Takeover: sessions that nobody asks for are swept",
    find: "this.#sweeps.onLeaseEnded(node);",
    replace: "void node;",
    profiles: ["deaths"],
  },
  ...RULES_OF_NODES,
];
