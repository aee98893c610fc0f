import type { UnitRule } from "./rule";
import { UNIT_RULES_OF_HOLDERS } from "./unit-rules-of-holders";
import { UNIT_RULES_OF_LINKS } from "./unit-rules-of-links";
import { UNIT_RULES_OF_NODES } from "./unit-rules-of-nodes";
import { UNIT_RULES_OF_OWNERS } from "./unit-rules-of-owners";
import { UNIT_RULES_OF_POSTS } from "./unit-rules-of-posts";
import { UNIT_RULES_OF_WEBSOCKETS } from "./unit-rules-of-websockets";

/** Rules whose absence no history notices, or too few: a unit test does. See docs/protocol.md, "Rules that are taken away". */
export const UNIT_RULES: readonly UnitRule[] = [
  ...UNIT_RULES_OF_HOLDERS,
  ...UNIT_RULES_OF_OWNERS,
  ...UNIT_RULES_OF_POSTS,
  ...UNIT_RULES_OF_NODES,
  ...UNIT_RULES_OF_LINKS,
  ...UNIT_RULES_OF_WEBSOCKETS,
];
