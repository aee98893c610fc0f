import type { IncomingHttpHeaders } from "node:http";
import { nameOf } from "../session/request-name";

/**
 * The forms that the stock client has given `t`, which are made anew for each request:
 * - since 6.6: the last five characters of the time in base 36, and three at random. Of some thousands one has digits only;
 * - 1.6 to 6.5, and Java's client: yeast, the time in base 64, and a counter behind a dot within the same millisecond;
 * - before: the time and a counter.
 */
const STOCK_FORM = /^(?:[0-9a-z]{8}|(?=.*[A-Za-z_-])[\w-]{7}(?:\.[\w-]+)?|\d{13}-\d+)$/;

/** Seconds, milliseconds, a checksum of them: the clocks of other clients, which say the same for several requests. */
const NUMBER = /^\d+(?:[.,]\d*)?$/;

/**
 * The names of a node's HTTP requests, by which a repeated one is known: `t`, as the stock client says it, or what the balancer
 * calls all attempts of a request. A `t` of another form counts where no balancer says anything, as long as it is no number:
 * taken for a name though it is none, it would have requests dropped that are new. Of a request that has none of these each
 * attempt counts as a new one.
 */
export class RequestNames {
  readonly #nodeId: string;
  #unnamed = 0;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** `header`: in lower case; false where no balancer is asked. */
  of(t: string | undefined, headers: IncomingHttpHeaders, header: string | false): string {
    if (t !== undefined && STOCK_FORM.test(t)) return nameOf(t);
    const given = header === false ? undefined : headers[header];
    if (typeof given === "string" && given !== "") return `~~${nameOf(given)}`;
    if (t !== undefined && t !== "" && !NUMBER.test(t)) return nameOf(t);
    return `~${this.#nodeId}.${String(++this.#unnamed)}`;
  }
}
