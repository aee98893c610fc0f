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
    rule: "H2: an owner that is none is doubted",
    find: "held.strangers >= STRANGERS_BEFORE_DOUBT",
    replace: "false",
  },
  {
    rule: "H2: what was put to a node that nobody was found at is asked again",
    find: /this\.#holder\.askAgainAt\(\w+, "no responder"\);/,
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
    rule: "H2: a POST that waits too long is asked again",
    find: /this\.#node\.countRepeat\("deadline"\);\s+this\.#search\(held\);/,
    replace: "",
  },
  {
    rule: "H2: a poll that waits is said again",
    find: 'this.#node.countRepeat("poll");',
    replace: "if (held.kind === 0) return;",
  },
  {
    rule: "H2: a poll at a node that says nothing is looked for",
    find: "this.#node.isSilent(askedAt)",
    replace: "false",
    profiles: ["pauses", "all", "stale"],
  },
  {
    rule: "H4: the owner is told of a poll whose last connection broke",
    find: /if \(held\.kind === RequestKind\.Get && asked !== undefined\) this\.#node\.hintGone\(asked, held\);/,
    replace: "",
  },
  {
    rule: "H6: a node that stood still lets requests wait",
    find: "this.#woke = now;",
    replace: "",
    profiles: ["pauses", "all"],
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
    rule: "O6: Taken starts an empty turn",
    find: "session.turn < frame.n) session.prove();",
    replace: "session.turn < frame.n) return;",
  },
  { rule: "O6: Taken is said again where it may be lost", find: "this.#notices.onLoss(peer);", replace: "" },
  {
    rule: "O6: a lease that is taken again has all sessions proved",
    find: "for (const session of this.#sessions.values()) session.prove();",
    replace: "",
  },
  {
    rule: "O6: a store that is back has all sessions proved",
    find: "if (!session.direct) session.prove();",
    replace: "{}",
    profiles: ["store lost"],
  },
  {
    rule: "O6: a node whose lease has ended is not the owner of anything",
    find: "else if (membership.lapsed) {",
    replace: "else if (false) {",
  },
  {
    rule: "O7: a pong that nobody waits for needs a commit",
    find: "if (due) this.node.answer(",
    replace: "if (awaited || true) this.node.answer(",
    profiles: ["stale"],
  },
  {
    rule: "O9: a poll that nobody holds ends the session",
    find: /if \((?:this\.#?)?parked\.holders\.length === 0\) this\.node\.grace\.add\(this\);/,
    replace: "",
  },
  {
    rule: "O9: a poll that came back does not end the session",
    find: /if \(this\.#?parked === undefined \|\| (?:this\.#?isHeld\(\)|this\.#?parked\.holders\.length > 0)\) return;/,
    replace: "",
  },
  {
    rule: "O9: an owner that was deaf gives no poll up",
    find: "if (this.node.wasDeaf) {",
    replace: "if (false) {",
    profiles: ["bus", "all", "stale"],
  },
  {
    rule: "Deadlines of a process that stood still wait until it has read",
    find: "if (now - this.#due > STOOD_STILL) {",
    replace: "if (false) {",
    profiles: ["pauses", "all"],
  },
  // ---- takeover, restores ----
  {
    rule: "Takeover: the old owner is told",
    find: /this\.#?notices\.tell\(from, sid, record\.turn\)/,
    replace: "undefined",
  },
  {
    rule: "Takeover: a session of this node that others had claimed is replaced",
    find: "this.owned.get(sid)?.replaced();",
    replace: "if (this.#sessions.has(sid)) return;",
    profiles: ["stale"],
  },
  {
    rule: "Restore: while owners write again what the store has lost, nothing is unknown",
    find: "!storeWatch.recovering",
    replace: "true",
    profiles: ["store lost"],
  },
  // ---- leases, links ----
  {
    rule: "Leases: after the store was away a missing one says nothing",
    find: "clock.now() - this.#wellSince < leaseTtl",
    replace: "false",
  },
  {
    rule: "Leases: a store that stood still was away",
    find: "clock.now() - asked > leaseTtl / SLOW",
    replace: "false",
    profiles: ["store away", "all"],
  },
  {
    rule: "Leases: renewed behind a late answer at once",
    find: "Math.max(0, this.#askedAt + leaseTtl / 3 - clock.now())",
    replace: "leaseTtl / 3",
    profiles: ["store away", "all"],
  },
  { rule: "Links: a gap is a loss", find: "if (position.number > this.#received + 1) {", replace: "if (false) {" },
  { rule: "Links: a beat tells of a loss", find: "if (this.#claimed > this.#received) {", replace: "if (false) {" },
  {
    rule: "Links: a loss is told to its sender",
    find: "if (position.missed > this.#peerMissed) {",
    replace: "if (false) {",
  },
  { rule: "Links: a new link is a loss", find: "lost ||= this.#link !== 0;", replace: "" },
  {
    rule: "Links: a reconnect is a loss",
    find: "for (const peer of this.#usedPeers()) this.#tellLoss(peer);",
    replace: "",
    profiles: ["bus", "all"],
  },
  {
    rule: "Links: who is silent is asked whether it is there",
    find: "if (this.isSilent(node)) this.probe(node);",
    replace: "{}",
  },
  // ---- websockets ----
  {
    rule: "U1: the gateway keeps what the client says until the ack",
    find: "if (!this.#acked) this.#kept.push(body);",
    replace: "",
  },
  {
    rule: 'U2: what the client says behind its "5" waits for the record',
    find: "if (this.#early !== undefined) this.#early.push(packet);",
    replace: "if (this.#early !== undefined) this.#socket.onPacket(packet);",
  },
  {
    rule: "U2: a parked poll is released by the upgrade",
    find: /for \(const \{ holder, t \} of waitersOfPoll\(turn\.released\)\) \{/,
    replace: "for (const { holder, t } of []) {",
  },
  {
    rule: "U2: a websocket that closed while it was recorded is noticed",
    find: /if \(taken\.readyState === "closed"\) socket\.onClose\("transport close"\);/,
    replace: "",
  },
  { rule: "U3: a number that is too high is dropped", find: "if (n > this.nextIn) return;", replace: "" },
  { rule: "U3: a number that is known is not handled again", find: "if (n < this.nextIn) {", replace: "if (false) {" },
  {
    rule: "U4: before the ack the gateway starts again when something was lost",
    find: /onTrouble\(\): void \{\s+if \(this\.#acked\) this\.close\(GOING_AWAY\);\s+else this\.restart\(\);/,
    replace: "onTrouble(): void {\n    if (this.#acked) this.close(GOING_AWAY);",
  },
  {
    rule: "U4: a node that does not know a websocket says so",
    find: "this.node.send(from, relayFrame(MessageKind.RelayNotMine, sid, frame.t, 0));",
    replace: "",
  },
  {
    rule: "U5: a gap in what the owner says closes the websocket",
    find: "this.#acked ? n !== this.#nextOut++ : body !== PONG",
    replace: "!this.#acked && body !== PONG",
  },
  {
    rule: "U5: what comes before its ack closes the websocket",
    find: "n !== this.#nextOut++ : body !== PONG",
    replace: "n !== this.#nextOut++ : false",
    profiles: ["bus", "deaths"],
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
  {
    rule: "U6: an open websocket is not claimed on a suspicion",
    find: "if (!spared || membership.leaseEnded(owner))",
    replace: "if (true)",
  },
  { rule: "U6: a claimed websocket ends", find: "session.endOrphan();\n      return;", replace: "return;" },
  // ---- handover ----
  { rule: "L1: a session that is offered is nobody's here", find: "session.depart();", replace: "" },
  { rule: "L1: what is under way is finished first", find: "!session.idle &&", replace: "false &&" },
  {
    rule: "L2: a session that is offered is claimed",
    find: "void this.#parts.takeovers.claim(frame.sid, from, frame.n);",
    replace: "",
  },
  {
    rule: "L4: polls that are held are let go",
    find: /\n {4}this\.#release\(\);\n/,
    replace: "\n",
    profiles: ["deaths", "rivals", "all"],
  },
];
