import type { Encoding } from "../protocol/encoding";
import { FOOT, headOf, jsonpEncoding } from "./jsonp";
import { Polling, type PollingOptions } from "./polling";

/** Long-polling by script elements. */
export class JsonpPolling extends Polling {
  /** What each of its scripts begins with. */
  readonly head: string;
  /** What each of its scripts ends with. */
  readonly foot = FOOT;

  /** `inner`: how the payloads in the scripts look; `j`: the number of the client's function. */
  constructor(inner: Encoding, j: string, options: PollingOptions) {
    super(jsonpEncoding(inner, j), options);
    this.head = headOf(j);
  }
}
