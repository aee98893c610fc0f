import type { Rule } from "./rule";

/** Those of what nodes are to each other: handover, leases, links, websockets. */
export const RULES_OF_NODES: readonly Rule[] = [
  // ---- handover ----
  {
    rule: "L1: a session that leaves takes no requests",
    find: /depart\(\): void \{\s+this\.#leaving = true;/,
    replace: "depart(): void {",
    profiles: ["departures"],
  },
  {
    rule: "L1: sessions are offered to other nodes",
    find: "else if (this.#node.busConnected) this.#offer(going);",
    replace: "",
    profiles: ["departures"],
  },
  {
    rule: "L3: websockets are closed",
    find: "this.#closeWebsockets(ending, alone ? 1 : Math.min(1, (2 * elapsed) / this.#timeout));",
    replace: "",
    profiles: ["departures"],
  },
  {
    rule: "L4: polls that wait here are let go",
    find: /this\.#release\(\);\s+\/\/ Nobody/,
    replace: "// Nobody",
    profiles: ["departures"],
  },
  {
    rule: "L5: it ends when nothing is left",
    find: "return staying.length + told.length + claimCount + noticeCount + gatewayCount === 0;",
    replace: "return false;",
    profiles: ["departures"],
  },
  {
    rule: "Takeover: who asks for a session whose claim is under way waits for it",
    find: "parts.takeovers.size > 0 && this.#waitsForClaim(from, frame, incarnation)",
    replace: "this.#waitsForClaim === undefined",
    profiles: ["store slow"],
  },
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
  {
    rule: "Leases: one is as old as its asking",
    find: "this.#renewedAt = Math.max(asked, 1);",
    replace: "this.#renewedAt = clock.now();",
    profiles: ["store away"],
  },
  {
    rule: "Leases: one that had ended is taken with a higher incarnation",
    find: "if (endedBefore) this.#incarnation++;",
    replace: "",
    profiles: ["pauses", "store away", "alone"],
  },
  {
    rule: "Leases: a word does not give one back",
    find: /if \(death\?\.why === "lease ended" && incarnation <= death\.incarnation\) death\.heard = true;\s+\/\/.*\s+else/,
    replace: "void incarnation; void death;",
    profiles: ["store away", "alone", "pauses"],
  },
  {
    rule: "Leases: a store that was away is told of",
    find: "membership.storeReturned();",
    replace: "",
    profiles: ["store away", "store lost"],
  },
  {
    rule: "H7: what a node was asked while its lease had ended is asked again when it has it again",
    find: 'this.#holder.askAgainAt(peer, "lease retaken");',
    replace: "",
    profiles: ["pauses", "store away"],
  },
  {
    rule: "Links: they go on when a lease is taken again",
    find: "this.#links.retaken(incarnation);",
    replace: "for (const node of this.#membership.others) this.#links.forget(node); this.#links.retaken(incarnation);",
    profiles: ["store away"],
  },
  // ---- a node that alone is cut off ----
  {
    rule: "I1: without the bus it asks whether others have leases",
    find: /if \(this\.#deafSince !== undefined && now - this\.#deafSince >= leaseTtl \+ pollGrace \/ 8\) this\.#askOthers\(\);/,
    replace: "",
    profiles: ["alone"],
  },
  {
    rule: "I1: without the bus it lets its lease end",
    find: "lease.suspend();",
    replace: "",
    profiles: ["alone"],
  },
  {
    rule: "I2: it is told that its lease has ended",
    find: "if (this.#membership.leaseEnded(from)) this.#links.send(from, leaseOver());",
    replace: "",
    profiles: ["alone"],
  },
  {
    rule: "I3: what waits there is let go",
    find: "this.#holder.abandonAll();",
    replace: "",
    profiles: ["alone"],
  },
  {
    rule: "I3: gateways close their websockets",
    find: /this\.#gateways\.closeAll\(\);\s+\/\/ Were/,
    replace: "// Were",
    profiles: ["alone"],
  },
  {
    rule: "I4: it ends when the lease is taken again",
    find: /onLeaseRetaken\(\): void \{\s+this\.#withdrawn = false;/,
    replace: "onLeaseRetaken(): void {",
    profiles: ["alone"],
  },
  // ---- websockets ----
  {
    rule: "U1: the gateway keeps all until the ack",
    find: "if (!this.#acked) this.#kept.push(body);",
    replace: "",
    profiles: ["upgrades"],
  },
  {
    rule: "U2: what comes behind the upgrade waits for its record",
    find: /if \(this\.#early !== undefined\) this\.#keep\(packet, this\.#early\);\s+else if \(packet\.type ===/,
    replace: "if (packet.type ===",
    profiles: ["upgrades"],
  },
  {
    rule: "U3: the pong is said again",
    find: 'else if (this.#pong && n === 0) this.#out(MessageKind.RelayOut, 0, "3probe");',
    replace: "",
    profiles: ["upgrades"],
  },
  {
    rule: "U4: before the ack the gateway starts again when something was lost",
    find: /onTrouble\(\): void \{\s+if \(this\.#acked\) this\.close\(GOING_AWAY\);\s+else this\.restart\(\);/,
    replace: "onTrouble(): void {\n    if (this.#acked) this.close(GOING_AWAY);",
    profiles: ["upgrades"],
  },
  {
    rule: "U5: a loss on the link closes the websocket, at the owner",
    find: /if \(!relay\.acked\) continue;\s+relay\.close\(\);\s+relay\.transport\.onClose\(\);/,
    replace: "",
    profiles: ["websockets"],
  },
  {
    rule: "U5: a dead gateway closes its websockets",
    find: "this.#relays.onGatewayDead(node);",
    replace: "",
  },
  {
    rule: "U5: a loss on the link closes the websocket, at the gateway",
    find: /onTrouble\(\): void \{\s+if \(this\.#acked\) this\.close\(GOING_AWAY\);\s+else this\.restart\(\);/,
    replace: "onTrouble(): void {\n    if (!this.#acked) this.restart();",
    profiles: ["websockets"],
  },
  {
    rule: "U5: the owner is told of a websocket that is gone",
    find: /this\.#end\(\);\s+this\.#tell\(MessageKind\.RelayGone, 0\);/,
    replace: "this.#end();",
    profiles: ["websockets"],
  },
  {
    rule: "U7: the record names the gateway before the probe is answered",
    find: "this.own.gateway = gateway;",
    replace: "",
    profiles: ["going over"],
  },
  {
    rule: "U7: a session whose gateway ended ends",
    find: "for (const session of this.owned.all.values()) session.gatewayEnded(node);",
    replace: "",
    profiles: ["going over"],
  },
  {
    rule: "U7: nothing is given to a poll before the gateway says that it lives",
    find: "return gateway !== undefined && gateway !== this.node.id && this.gatewayAsks && !this.stranded && !this.over;",
    replace: "return false;",
    profiles: ["going over"],
  },
  {
    rule: "U7: an answer that is given again has the close behind it",
    find: /if \(this\.stranded && !this\.over\) this\.endWith\(\{ t, holders: \[holder\] \}\);\s+else if/,
    replace: "if",
    profiles: ["going over"],
  },
  // ---- what waits for another node ----
  {
    rule: "Window: packets that waited at the owner leave when the way is free",
    find: "relay.transport.resume();",
    replace: "void relay;",
    profiles: ["websockets", "going over"],
  },
  {
    rule: "Window: what waited to be put to an owner is, when the way is free",
    find: "if (held.askedAt === node) this.#ask(node, held);",
    replace: "void held;",
    profiles: ["heartbeats"],
  },
];
