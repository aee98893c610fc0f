import type { UnitRule } from "./rule";

const HOLDER = "routing/holder.test.ts";
const FAULTS = "session/owned-faults.test.ts";
const LEAVING = "session/owned-leaving.test.ts";
const MEMBERSHIP = "ownership/membership.test.ts";
const TAKEOVERS = "routing/takeovers.test.ts";
const DISPATCH = "routing/dispatch.test.ts";
const SEARCH = "routing/search.test.ts";
const HANDOVERS = "routing/handovers.test.ts";
const REACH = "routing/reach.test.ts";
const GIVEN_UP = "routing/given-up.test.ts";
const DEPARTURE = "routing/departure.test.ts";
const ADOPTIONS = "routing/adoptions.test.ts";
const STORE_WATCH = "routing/store-watch.test.ts";
const SWEEPS = "ownership/sweeps.test.ts";
const GATEWAYS = "routing/gateways.test.ts";
const WEBSOCKETS = "server/cluster-websockets.test.ts";
const SERVERS = "server/http-servers.test.ts";

/** Those of what nodes are to each other: takeover, handover, leases. */
export const UNIT_RULES_OF_NODES: readonly UnitRule[] = [
  {
    rule: "a store that has lost data: its return is watched until all sessions are there again",
    find: "this.#lostAt = this.#options.clock.now();\n    this.#timer",
    replace: "this.#timer",
    test: STORE_WATCH,
  },
  {
    rule: "a store that has lost data: what is missing may come",
    find: "this.#lostAt = clock.now();",
    replace: "",
    test: STORE_WATCH,
  },
  {
    rule: "a store that has lost data: nothing is unknown",
    find: 'found.kind === "unknown" && !storeWatch.recovering ? UNKNOWN : AWAY;',
    replace: 'found.kind === "unknown" ? UNKNOWN : AWAY;',
    test: SEARCH,
  },
  {
    rule: "Takeover: a session that is here still is lost first",
    find: "owned.get(sid)?.replaced();",
    replace: "",
    test: ADOPTIONS,
  },
  {
    rule: "Sweeps: those that live share the sessions",
    find: "round > 1 || hash(sid) % nodes.length === share",
    replace: "round > 0 || sid === String(share)",
    test: SWEEPS,
  },
  {
    rule: "Sweeps: a second look",
    find: "if (round === 1) this.#later(dead, SWEEP_AGAIN, 2);",
    replace: "",
    test: SWEEPS,
  },
  {
    rule: "Sweeps: the second look is at all that is left",
    find: "round > 1 || hash(sid)",
    replace: "hash(sid)",
    test: SWEEPS,
  },
  {
    rule: "Sweeps: what was claimed by one that has ended since is claimed too",
    find: "return owner === dead || this.#node.leaseEnded(owner);",
    replace: "return owner === dead;",
    test: SWEEPS,
  },
  {
    rule: "Sweeps: open websocket sessions are left out",
    find: "this.#isLeft(found.owner, dead) && !open;",
    replace: "this.#isLeft(found.owner, dead) && open !== undefined;",
    test: SWEEPS,
  },
  {
    rule: "L1: what is under way is waited for",
    find: "if (session.isHandling || (!session.idle && now - this.#began < OFFER_AGAIN)) continue;",
    replace: "",
    test: DEPARTURE,
  },
  {
    rule: "L1: a session that nobody took is offered again",
    find: "if (at !== undefined && now - at < OFFER_AGAIN) continue;",
    replace: "if (at !== undefined) continue;",
    test: DEPARTURE,
  },
  {
    rule: "L1: without the bus nothing is offered",
    find: "else if (this.#node.busConnected) this.#offer(going);",
    replace: "else this.#offer(going);",
    test: DEPARTURE,
  },
  {
    rule: "L1: a session whose client goes over to a websocket here stays",
    find: "const going = movable.filter((session) => !this.#goesOver(session));",
    replace: "const going = movable;",
    test: DEPARTURE,
  },
  {
    rule: "L2: a node that leaves claims nothing that it is offered",
    find: "if (this.leaving || this.#node.sessions.has(frame.sid)) return;",
    replace: "if (this.#node.sessions.has(frame.sid)) return;",
    test: HANDOVERS,
  },
  {
    rule: "L2: who leaves says so, and is offered nothing",
    find: "this.#leavers.add(from);",
    replace: "",
    test: HANDOVERS,
  },
  {
    rule: "L2: a node that leaves says so to all",
    find: "for (const other of this.#node.others) this.#node.send(other, leaving());",
    replace: "",
    test: HANDOVERS,
  },
  {
    rule: "L3: websockets are closed one after the other",
    find: "alone ? 1 : Math.min(1, (2 * elapsed) / this.#timeout)",
    replace: "1",
    test: DEPARTURE,
  },
  {
    rule: "L3: all of them in the first half of the time",
    find: "alone ? 1 : Math.min(1, (2 * elapsed) / this.#timeout)",
    replace: "alone ? 1 : Math.min(1, elapsed / this.#timeout)",
    test: DEPARTURE,
  },
  {
    rule: "L3: one that a client is about to go over to is closed later",
    find: ".filter((gateway) => !gateway.isAwaited);",
    replace: ";",
    test: GATEWAYS,
  },
  {
    rule: "L3: but not for more than two seconds",
    find: "return this.#probedAt !== undefined && this.#gateways.node.clock.now() - this.#probedAt < GOES_OVER_WITHIN;",
    replace: "return this.#probedAt !== undefined;",
    test: GATEWAYS,
  },
  {
    rule: "L3: websockets that come are broken off",
    find: "if (this.#leaves) {",
    replace: "if (false) {",
    test: WEBSOCKETS,
  },
  {
    rule: "L3: so are those whose owner was looked for when that began",
    find: "if (node.withdrawn || this.#leaves) {",
    replace: "if (node.withdrawn) {",
    test: WEBSOCKETS,
  },
  {
    rule: "L4: no more connections are taken when half of the time is over",
    find: "if (2 * elapsed >= this.#timeout) return true;",
    replace: "",
    test: DEPARTURE,
  },
  {
    rule: "L4: nor before, while a polling session is left",
    find: "return movable === 0 || this.#node.heirs.length === 0;",
    replace: "return true;",
    test: DEPARTURE,
  },
  {
    rule: "L4: answers say that the connection is at its end",
    find: "if (this.#node.leaving || this.#host.closing) this.#response.shouldKeepAlive = false;",
    replace: "",
    test: "server/exchange.test.ts",
  },
  {
    rule: "L4: so do those of handshakes",
    find: "if (this.#node?.leaving === true) response.shouldKeepAlive = false;",
    replace: "",
    test: "server/cluster-host.test.ts",
  },
  {
    rule: "L4: connections that are idle are closed",
    find: "if (!server.listening) server.closeIdleConnections();",
    replace: "void server;",
    test: SERVERS,
  },
  {
    rule: "L4: but none before its answer is written",
    find: "if (!this.#isWriting()) for (const server",
    replace: "for (const server",
    test: SERVERS,
  },
  {
    rule: "L4: the last node waits for its polls",
    find: "if (closing.some((session) => !session.direct)) return elapsed >= TOLD_WITHIN;",
    replace: "",
    test: DEPARTURE,
  },
  {
    rule: "L4: who says that a poll is to be let go holds it",
    find: "    this.poll(t, holder);\n",
    replace: "    void holder;\n",
    test: LEAVING,
  },
  {
    rule: "L1: nobody is sent to its successor while a turn is under way",
    find: "if (this.committing !== undefined || this.isHandling) this.#turnedAway.push(waiter);",
    replace: "if (this.committing === null) this.#turnedAway.push(waiter);",
    test: LEAVING,
  },
  {
    rule: "L5: who has left adopts nothing",
    find: 'case "ok":\n        if (this.#stopped) return { kind: "away" };',
    replace: 'case "ok":',
    test: "routing/takeovers.test.ts",
  },
  {
    rule: "L5: claims that are under way are waited for",
    find: "+ told.length + claimCount + ",
    replace: "+ told.length + ",
    test: DEPARTURE,
  },
  {
    rule: "L5: owners that may not have heard of a claim are waited for",
    find: "claimCount + noticeCount + ",
    replace: "claimCount + ",
    test: DEPARTURE,
  },
  {
    rule: "L5: what no other node can take handles no more",
    find: "if (alone) for (const session of going) session.depart();",
    replace: "if (alone) void going;",
    test: DEPARTURE,
  },
  {
    rule: "L5: POSTs whose turns are under way are waited for",
    find: "movable.filter((session) => session.isHandling || this.#goesOver(session))",
    replace: "movable.filter((session) => this.#goesOver(session))",
    test: DEPARTURE,
  },
  {
    rule: "I1: without the bus nothing is claimed",
    find: 'if (from !== this.#node.id && !this.#node.busConnected) return { kind: "away" };',
    replace: "",
    test: TAKEOVERS,
  },
  {
    rule: "I1: without the bus nobody is taken for dead",
    find: "if (this.#suspended || clock.now() - this.#wellSince < leaseTtl) return;",
    replace: "if (clock.now() - this.#wellSince < leaseTtl) return;",
    test: MEMBERSHIP,
  },
  {
    rule: "I3: owners are told of the polls that are let go",
    find: "if (held.kind === RequestKind.Get && elsewhere) this.#node.hintGone(askedAt, held);",
    replace: "",
    test: HOLDER,
  },
  {
    rule: "I3: what a node gave up stays in its index until it has looked for it",
    find: 'this.#node.unlist(some.filter((sid, i) => found[i]?.kind !== "away" && !this.#node.has(sid)));',
    replace: "",
    test: GIVEN_UP,
  },
  {
    rule: "I3: sessions that were given up are noted",
    find: "if (this.#isolation.withdrawn) this.#givenUp.add(sid);",
    replace: "",
    test: REACH,
  },
  {
    rule: "I3: polling sessions are given up, and websockets go on",
    find: "if (!this.upgraded) this.lose(undefined);",
    replace: "",
    test: FAULTS,
  },
  {
    rule: "I3: a node that alone is cut off looks for no owner",
    find: "if (isolation.withdrawn) return AWAY;",
    replace: "",
    test: SEARCH,
  },
  {
    rule: "I4: the node looks for what it gave up, until it knows",
    find: 'this.#sids.push(...some.filter((_, i) => found[i]?.kind === "away"));',
    replace: "",
    test: GIVEN_UP,
  },
  {
    rule: "I4: without a lease nothing is put to its own polling sessions",
    find: "if (this.#parts.membership.cutFromStore && !session.direct) ",
    replace: "if (this.#parts.membership.cutFromStore === undefined) ",
    test: DISPATCH,
  },
  {
    rule: "Leases: a store that was slow was away",
    find: "isLate || clock.now() - asked > leaseTtl / SLOW) {",
    replace: "isLate) {",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: behind a standstill of its own a node has nobody dead for a while",
    find: "if (this.#away || isLate || clock.now() - asked > leaseTtl / SLOW) {",
    replace: "if (this.#away || (isLate && asked < 0) || clock.now() - asked > leaseTtl / SLOW) {",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: behind a late answer the next renewal is due at once",
    find: "Math.max(0, this.#askedAt + leaseTtl / 3 - clock.now())",
    replace: "leaseTtl / 3",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: one that ended before its answer is taken again",
    find: "if (ended && !endedBefore) this.#incarnation++;\n    if (ended)",
    replace: "if (ended && endedBefore)",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: a store whose answer is waited for, or that was back a moment ago, was away",
    find: "return this.#away || this.#renewing !== undefined || this.#options.clock.now() - this.#wellSince < ms;",
    replace: "return ms < 0 || this.#away;",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: where nobody was found twice a node is dead",
    find: "else if (now - since >= SUSPECT_AFTER) this.#nobodyThere(node);",
    replace: "",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: whatever is heard of a node ends its being dead",
    find: "else if (this.#dead.delete(node) && this.#living.has(node)) this.#options.listener.onNodeJoined(node);",
    replace: "",
    test: MEMBERSHIP,
  },
  {
    rule: "Leases: nobody is dead for not being found a moment after the bus came back",
    find: "if (now - this.#busSince < BACK_WITHIN) return;",
    replace: "",
    test: MEMBERSHIP,
  },
];
