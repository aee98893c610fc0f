import type { UnitRule } from "./rule";

const STRANDED = "session/owned-stranded.test.ts";
const UPGRADE = "session/owned-upgrade.test.ts";
const SEARCH = "routing/search.test.ts";
const GATEWAYS = "routing/gateways.test.ts";
const RELAYS = "routing/relays.test.ts";
const ADOPTIONS = "routing/adoptions.test.ts";
const RELAYED = "transports/relayed.test.ts";

/** Those of websockets. */
export const UNIT_RULES_OF_WEBSOCKETS: readonly UnitRule[] = [
  {
    rule: "U1: the owner is told of a websocket whose client says nothing",
    find: / +this\.#gateways\.node\.send\(owner, relayFrame\(MessageKind\.RelayOpen, .*\n/,
    replace: "",
    test: GATEWAYS,
  },
  {
    rule: "U1: with that the websocket is the owner's to close",
    find: /(?<=onOpen\(from: NodeId, frame: Frame\): void \{\s+)this\.#relay\(from, frame\);/,
    replace: "void [from, frame];",
    test: RELAYS,
  },
  {
    rule: "U2: the socket goes over when that is recorded",
    find: "this.upgraded = true;\n    this.#upgrade",
    replace: "this.#upgrade",
    test: UPGRADE,
  },
  {
    rule: "U2: with the upgrade what was in flight has arrived",
    find: "const before = this.outbox.arrived();",
    replace: "const before = undefined as string | undefined;",
    test: UPGRADE,
  },
  {
    rule: "U2: a poll that is parked is let go",
    find: "    this.letGo(turn.released);\n",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U3: a higher number than the next is dropped",
    find: "if (n > this.nextIn) return;",
    replace: "",
    test: RELAYS,
  },
  { rule: "U3: a known number is handled once", find: "if (n < this.nextIn) {", replace: "if (false) {", test: RELAYS },
  {
    rule: "U3: the ack is said again",
    find: "if (this.acked) this.#ack();\n",
    replace: "if (this.acked) return;\n",
    test: RELAYS,
  },
  {
    rule: "U4: who is told that the session is not there looks for its owner",
    find: /this\.#strangers\.met\(from\);\s+if \(this\.#acked\) this\.close\(GOING_AWAY\);\s+else this\.restart\(\);/,
    replace: "this.#strangers.met(from);",
    test: GATEWAYS,
  },
  {
    rule: "U4: a later message of an unknown websocket is refused",
    find: "if (session === undefined || frame.n > 0) {",
    replace: "if (session === undefined) {",
    test: RELAYS,
  },
  {
    rule: "U4: an owner that is fenced says so to the gateway",
    find: 'if (reason === "taken over") this.#transport.abandon();\n    else',
    replace: "",
    test: UPGRADE,
  },
  {
    rule: "U4: the ack of the node that was asked last counts",
    find: /if \(this\.owner === undefined && from === this\.#asked && !this\.#gateways\.node\.isDead\(from\)\)\s+this\.#goOn\(from, handled\);/,
    replace: "",
    test: GATEWAYS,
  },
  {
    rule: "U4: an owner that says three times that it is none is doubted",
    find: "doubted === undefined ? [] : [doubted]",
    replace: "[]",
    test: GATEWAYS,
  },
  {
    rule: "U4: after 30 searches the websocket is closed",
    find: "this.#misses < MOST_MISSES) this.restart();",
    replace: "this.#misses > 0) this.restart();",
    test: GATEWAYS,
  },
  {
    rule: "U4: it is closed where there is no such session",
    find: 'found.kind === "away" && this.#misses < MOST_MISSES',
    replace: "this.#misses < MOST_MISSES",
    test: GATEWAYS,
  },
  {
    rule: "U5: a gap in the owner's numbers closes the websocket",
    find: "if (this.#acked ? n !== this.#nextOut++ : body !== PONG) {",
    replace: "if (!this.#acked && body !== PONG) {",
    test: GATEWAYS,
  },
  {
    rule: "U5: before the ack there is but the pong",
    find: "if (this.#acked ? n !== this.#nextOut++ : body !== PONG) {",
    replace: "if (this.#acked && n !== this.#nextOut++) {",
    test: GATEWAYS,
  },
  {
    rule: "U6: a websocket's session that was claimed ends",
    find: /if \(record\.transport === "websocket"\) \{\s+session\.endOrphan\(\);\s+return;\s+\}/,
    replace: "",
    test: ADOPTIONS,
  },
  {
    rule: "U6: a session that has a websocket is not claimed on a suspicion",
    find: "if (!spared || membership.leaseEnded(owner)) return",
    replace: "return",
    test: SEARCH,
  },
  {
    rule: "U7: a gateway that was the owner before has ended with it",
    find: "if (gateway === owner || !mayHave(gateway)) {",
    replace: "if (!mayHave(gateway)) {",
    test: STRANDED,
  },
  {
    rule: "U7: a gateway that is dead at the adoption strands the session",
    find: "if (gateway === owner || !mayHave(gateway)) {",
    replace: "if (gateway === owner) {",
    test: STRANDED,
  },
  {
    rule: "U7: a gateway that does not come strands the session",
    find: "if (this.own.gateway === gateway && this.socket?.upgrading !== true) this.strand();",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: a poll that comes later is not the one that the gateway asked for",
    find: "if (this.isHeldBack && this.heldPoll === undefined) return;",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: a POST is answered when the gateway says that it lives",
    find: "else if (isLast && this.isHeldBack) this.#holdBack({ holder, kind: RequestKind.Post, t: key });\n    else {",
    replace: "else {",
    test: STRANDED,
  },
  {
    rule: "U7: what a POST is answered tells that the session is over",
    find: "if (isLast && this.stranded && !this.over) {",
    replace: "if (false) {",
    test: STRANDED,
  },
  {
    rule: "U7: a poll that is answered when its session is stranded ends it",
    find: 'if (this.stranded && turn.phase !== "closed") this.endWith(turn.taken);\n      else',
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: a poll that asks again waits for the gateway",
    find: "else if (this.isHeldBack) this.#holdBack({ holder, kind: RequestKind.Get, t });",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: a poll whose holder leaves is not let go",
    find: "if (this.isHeldBack) return;",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: the owner is told of a websocket that its gateway closed while the client waited",
    find: "this.#tell(MessageKind.RelayGone, this.#probedAt === undefined ? 0 : CLOSED_BY_GATEWAY);",
    replace: "this.#tell(MessageKind.RelayGone, 0);",
    test: GATEWAYS,
  },
  {
    rule: "U7: such a websocket strands the session",
    find: "if (frame.n === CLOSED_BY_GATEWAY && !relay.acked) this.node.session(frame.sid)?.gatewayEnded(from);",
    replace: "",
    test: RELAYS,
  },
  {
    rule: "U7: a gateway of which nothing is heard strands the session",
    find: "if (silent) this.strand();",
    replace: "",
    test: STRANDED,
  },
  {
    rule: "U7: a failed upgrade takes the gateway out of the record",
    find: "this.giveHeldBack();\n    this.own.gateway = undefined;",
    replace: "this.giveHeldBack();",
    test: STRANDED,
  },
  {
    rule: "Window: a gateway does not read on while its owner is congested",
    find: "if (this.#isHeldUp && !this.#paused) this.#pause();",
    replace: "",
    test: GATEWAYS,
  },
  {
    rule: "Window: a gateway reads on when the way is free",
    find: "this.waiting.serve(owner, isCongested, resumeIfMay, RESUMED_AT_ONCE);",
    replace: "",
    test: GATEWAYS,
  },
  {
    rule: "Window: who was not served is before who waits anew",
    find: "this.remove(node, one);\n      try",
    replace: "try",
    test: RELAYS,
  },
  {
    rule: "Credit: a gateway stops reading above the limit",
    find: "if (this.#underWay.size > this.#gateways.node.relayLimit && !this.#paused) {",
    replace: "if (false) {",
    test: GATEWAYS,
  },
  {
    rule: "Credit: it reads on at half of it",
    find: "this.#underWay.size > this.#gateways.node.relayLimit / 2 || this.#isHeldUp",
    replace: "this.#isHeldUp",
    test: GATEWAYS,
  },
  {
    rule: "Credit: each message counts 64 units more",
    find: "const MESSAGE_COST = 64;",
    replace: "const MESSAGE_COST = 0;",
    test: GATEWAYS,
  },
  {
    rule: "Credit: the owner says what it has handled by its size",
    find: "if (this.#unsaid >= saidEvery(this.#relays.node.relayLimit) || this.nextIn % ACK_EVERY === 0) this.#ack();",
    replace: "if (this.nextIn % ACK_EVERY === 0) this.#ack();",
    test: RELAYS,
  },
  {
    rule: "Credit: and each 64 messages",
    find: "if (this.#unsaid >= saidEvery(this.#relays.node.relayLimit) || this.nextIn % ACK_EVERY === 0) this.#ack();",
    replace: "if (this.#unsaid >= saidEvery(this.#relays.node.relayLimit)) this.#ack();",
    test: RELAYS,
  },
  {
    rule: "Credit: once per tick",
    find: /if \(this\.#ackDue\) return;/,
    replace: "",
    test: RELAYS,
  },
  {
    rule: "Credit: soon enough whatever the limit of the other end is",
    find: "return Math.min(limit / 4, SAID_EVERY);",
    replace: "return limit / 4;",
    test: RELAYS,
  },
  {
    rule: "Credit: a gateway tells what its runtime has taken",
    find: "if (this.#written - this.#said >= saidEvery(this.#gateways.node.relayLimit)) this.#credit();",
    replace: "",
    test: GATEWAYS,
  },
  {
    rule: "Credit: it does so once per tick",
    find: "if (this.#creditDue || this.#over) return;",
    replace: "if (this.#over) return;",
    test: GATEWAYS,
  },
  {
    rule: "Credit: at the limit the owner's transport takes no more",
    find: "!this.#isFull && !this.#pipe.congested",
    replace: "!this.#pipe.congested",
    test: RELAYED,
  },
  {
    rule: "Credit: it goes on when the gateway has taken some",
    find: / +if \(waited\) this\.resume\(\);\n/,
    replace: "    void waited;\n",
    test: RELAYED,
  },
];
