import { createHmac, timingSafeEqual } from "node:crypto";

/** The header of a doctor's request, with an order that is signed. */
export const ORDER_HEADER = "x-engine-doctor";
/** The header of the answer: which node it is of. */
export const NODE_HEADER = "x-engine-node";

const KINDS = ["who", "tell", "break", "busy"] as const;

/**
 * What a node is asked to do with a request. `who`: serve it as any other, and say who you are. `tell`: nothing but say who you are
 * and how often you met this run. `break` and `busy` are for one node, which breaks the connection, or answers 503; any other
 * node answers as for `tell`.
 */
export interface Order {
  readonly kind: (typeof KINDS)[number];
  /** The node that it is for; `-` for whichever gets it. */
  readonly node: string;
  /** What orders that are counted together have in common; nobody else can guess it. */
  readonly run: string;
}

/** What a node answers to all but `who`. */
export interface Told {
  readonly node: string;
  /** How often it broke or refused a request of this run. */
  readonly met: number;
}

export function writeOrder(order: Order, secret: string): string {
  const text = `${order.kind} ${order.node} ${order.run}`;
  return `${text} ${sign(text, secret)}`;
}

/** Undefined where it is none, or not signed with this secret. */
export function readOrder(header: string | readonly string[] | undefined, secret: string): Order | undefined {
  if (typeof header !== "string" || header.length > 500) return undefined;
  const [kind = "", node = "", run = "", signature = ""] = header.split(" ");
  const known = KINDS.find((one) => one === kind);
  if (known === undefined) return undefined;
  const expected = Buffer.from(sign(`${kind} ${node} ${run}`, secret));
  const given = Buffer.from(signature);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return { kind: known, node, run };
}

function sign(text: string, secret: string): string {
  return createHmac("sha256", secret).update(text).digest("base64url");
}
