import type { UnitRule } from "./rule";

const FOREIGN = "bus/links-foreign.test.ts";
const HEARING = "bus/links-hearing.test.ts";
const LIFECYCLE = "bus/links-lifecycle.test.ts";
const LOSSES = "bus/links-losses.test.ts";
const SECRETS = "bus/links-secrets.test.ts";
const WINDOW = "bus/links-window.test.ts";

/** Those of links. */
export const UNIT_RULES_OF_LINKS: readonly UnitRule[] = [
  {
    rule: "Links: a first word with a second lease is of one that took it again",
    find: "peer.used && message.incarnation > (peer.incarnation ?? FIRST_INCARNATION);",
    replace: "peer.incarnation !== undefined && peer.used && message.incarnation > peer.incarnation;",
    test: HEARING,
  },
  {
    rule: "Links: a reconnect is a loss",
    find: "for (const peer of this.#peers.used()) this.#tellLoss(peer);",
    replace: "",
    test: LOSSES,
  },
  {
    rule: "Links: who is silent is asked whether it is there",
    find: "    this.#probeSilent();\n",
    replace: "",
    test: HEARING,
  },
  {
    rule: "Links: a lease that was taken again is told of",
    find: "if (retaken) this.#tellRetaken(peer.node);",
    replace: "void retaken;",
    test: LIFECYCLE,
  },
  {
    rule: "Links: what was said under the lease before is no loss",
    find: "if (isEarlier && (message.beat || message.link !== peer.inbound.link)) {",
    replace: "if (isEarlier) {",
    test: LIFECYCLE,
  },
  {
    rule: "Links: what no secret of the cluster has signed is dropped",
    find: 'return "forged";',
    replace: "return content;",
    test: FOREIGN,
  },
  {
    rule: "Links: where there is a secret all must be signed",
    find: 'if (!signed) return "unsigned";',
    replace: "if (!signed) return message;",
    test: FOREIGN,
  },
  {
    rule: "Links: where there is none nothing may be",
    find: 'return signed ? "signed" : message;',
    replace: "return signed ? message.subarray(0, message.length - MAC_BYTES) : message;",
    test: FOREIGN,
  },
  {
    rule: "Links: what is signed for one node is worth nothing at another",
    find: "update(`${to}\\n`).update(content)",
    replace: "update(content)",
    test: FOREIGN,
  },
  {
    rule: "Links: any of the secrets is good",
    find: "for (const key of this.#keys) if",
    replace: "for (const key of this.#keys.slice(0, 1)) if",
    test: SECRETS,
  },
  {
    rule: "Links: other versions are dropped",
    find: "version > VERSION || version < OLDEST_READ || ",
    replace: "",
    test: FOREIGN,
  },
  {
    rule: "Links: flags that are not known are dropped",
    find: " || (flags & ~KNOWN_FLAGS) !== 0) return",
    replace: ") return",
    test: FOREIGN,
  },
  {
    rule: "Links: what a peer said before it was forgotten stays old",
    find: / +this\.#forgotten\.add\(peer\);\n/,
    replace: "",
    test: SECRETS,
  },
  {
    rule: "Links: when one that was forgotten is heard again, that is a loss",
    find: / +this\.#resumed = true;\n/,
    replace: "",
    test: SECRETS,
  },
  {
    rule: "Links: also where its beat says nothing of a link",
    find: /const lost = this\.#resumed;\s+this\.#resumed = false;/,
    replace: "const lost = false;",
    test: LIFECYCLE,
  },
  {
    rule: "Window: a loss lets those go on who wait",
    find: "if (waited) this.#tellUncongested(peer.node);",
    replace: "void waited;",
    test: WINDOW,
  },
  {
    rule: "Window: after a loss nothing counts as under way",
    find: /this\.#asked = this\.#written;\s+this\.#handled = this\.#written;\s+/,
    replace: "",
    test: WINDOW,
  },
  {
    rule: "Window: all wait until half of it is free",
    find: "if (window.isFull) return true;",
    replace: "",
    test: WINDOW,
  },
  {
    rule: "Window: a peer that has never answered is never congested",
    find: "if (!this.#answers || this.#written",
    replace: "if (this.#written",
    test: WINDOW,
  },
];
