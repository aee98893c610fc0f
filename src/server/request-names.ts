import type { IncomingHttpHeaders } from "node:http";
import { nameOf } from "../session/request-name";
import { wallTime } from "../time/runtime-clock";

/**
 * The forms that the stock client has given `t`, which are made anew for each request:
 * - since 6.6: the last five characters of the time in base 36, and three at random. Of some thousands one has digits only;
 * - 1.6 to 6.5, and Java's client: yeast, the time in base 64, and a counter behind a dot within the same millisecond;
 * - before: the time and a counter.
 */
const STOCK_FORM = /^(?:[0-9a-z]{8}|(?=.*[A-Za-z_-])[\w-]{7}(?:\.[\w-]+)?|\d{13}-\d+)$/;

/** Milliseconds in base 36, as Dart's client and others have them, look like 6.6's; of those one in 16,000 is within a day of the time. */
const DAY = 86_400_000;

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
  readonly #time: () => number;
  #unnamed = 0;

  /** `time`: milliseconds since 1970. */
  constructor(nodeId: string, time = wallTime) {
    this.#nodeId = nodeId;
    this.#time = time;
  }

  /** `header`: in lower case; false where no balancer is asked. */
  of(t: string | undefined, headers: IncomingHttpHeaders, header: string | false): string {
    const given = header === false ? undefined : headers[header];
    if (t !== undefined && STOCK_FORM.test(t) && (given === undefined || !this.#isClock(t))) return nameOf(t);
    if (typeof given === "string" && given !== "") return `~~${nameOf(given)}`;
    if (t !== undefined && t !== "" && !NUMBER.test(t)) return nameOf(t);
    return `~${this.#nodeId}.${String(++this.#unnamed)}`;
  }

  #isClock(t: string): boolean {
    return t.length === 8 && Math.abs(Number.parseInt(t, 36) - this.#time()) < DAY;
  }
}
