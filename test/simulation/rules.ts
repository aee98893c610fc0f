/** A rule of docs/protocol.md, and how it is taken away: a text of src/, wherever it stands, is replaced. */
export interface Rule {
  readonly rule: string;
  /** Is there once in all of src/. */
  readonly find: string | RegExp;
  readonly replace: string;
  /** Histories in which it counts; all, where nothing is said. */
  readonly profiles?: readonly string[];
}

/** Every rule whose absence the simulation notices. Those that it cannot notice are listed in docs/protocol.md. */
export const RULES: readonly Rule[] = [
  // ---- the holder ----
  {
    rule: 'H2: who is told "not mine" asks again',
    find: /this\.#node\.countRepeat\("not mine"\);\s+this\.#searchAgain\(held\);/,
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
  // ---- the owner ----
  {
    rule: "O1: a poll of the commit under way gets one holder more",
    find: /if \(taken\?\.t === t\) \{/,
    replace: "if (false) {",
  },
  {
    rule: "O1: a poll in flight gets the same packets",
    find: "outbox.inflight?.t === t",
    replace: "false",
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
  { rule: "O2: a handled POST is known", find: /if \(this\.#?handled\.has\(key\)\) \{/, replace: "if (false) {" },
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
    find: /if \((?:this\.#?)?parked\.holders\.length === 0\) this\.node\.grace\.add\(this\);/,
    replace: "",
  },
  {
    rule: "O9: an owner that was deaf gives no poll up",
    find: "if (this.node.wasDeaf) {",
    replace: "if (false) {",
    profiles: ["bus", "all", "stale"],
  },
  // ---- takeover, restores ----
  // ---- leases, links ----
  {
    rule: "Leases: after the store was away a missing one says nothing",
    find: "clock.now() - this.#wellSince < leaseTtl",
    replace: "false",
  },
  { rule: "Links: a gap is a loss", find: "if (position.number > this.#received + 1) {", replace: "if (false) {" },
  { rule: "Links: a beat tells of a loss", find: "if (this.#claimed > this.#received) {", replace: "if (false) {" },
  {
    rule: "Links: a loss is told to its sender",
    find: "if (position.missed > this.#peerMissed) {",
    replace: "if (false) {",
  },
  // ---- websockets ----
  {
    rule: "U4: before the ack the gateway starts again when something was lost",
    find: /onTrouble\(\): void \{\s+if \(this\.#acked\) this\.close\(GOING_AWAY\);\s+else this\.restart\(\);/,
    replace: "onTrouble(): void {\n    if (this.#acked) this.close(GOING_AWAY);",
  },
  {
    rule: "U5: a loss on the link closes the websocket, at the owner",
    find: /if \(!relay\.acked\) continue;\s+relay\.close\(\);\s+relay\.transport\.onClose\(\);/,
    replace: "",
  },
  {
    rule: "U5: a dead gateway closes its websockets",
    find: "this.#relays.onGatewayDead(node);",
    replace: "",
  },
];
