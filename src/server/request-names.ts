import { createHash } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";

/** The longest name that is kept as it is, in characters. The stock client's have 7 or 8, nginx's `$request_id` has 32. */
const MAX_CHARS = 48;

/**
 * The names of a node's HTTP requests, by which a repeated one is known: `t`, which the stock client says, or what the balancer
 * calls all attempts of a request. Of one that has neither each attempt counts as a new request.
 */
export class RequestNames {
  readonly #nodeId: string;
  #unnamed = 0;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** `header`: in lower case; false where no balancer is asked. */
  of(t: string | undefined, headers: IncomingHttpHeaders, header: string | false): string {
    if (t !== undefined && t !== "") return short(t);
    const given = header === false ? undefined : headers[header];
    if (typeof given === "string" && given !== "") return `~~${short(given)}`;
    return `~${this.#nodeId}.${String(++this.#unnamed)}`;
  }
}

/** A long name by its hash, since names are kept in the record. */
function short(name: string): string {
  return name.length <= MAX_CHARS ? name : createHash("sha256").update(name).digest("base64url");
}
