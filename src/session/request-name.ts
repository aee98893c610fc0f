import { createHash } from "node:crypto";

/** The longest `t` that is a name as it is, in characters. The stock client's have 7 or 8, nginx's `$request_id` has 32. */
const MAX_CHARS = 48;

/** The name that a `t` is: a long one by its hash, since names are kept in the record. */
export function nameOf(t: string): string {
  return t.length <= MAX_CHARS ? t : createHash("sha256").update(t).digest("base64url");
}

/** The name that is in a POST's key, which ends with a dot and a hash of its body. */
export function nameIn(key: string): string {
  const dot = key.lastIndexOf(".");
  return dot < 0 ? key : key.slice(0, dot);
}
