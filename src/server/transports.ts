import { encodingOf } from "../protocol/encoding";
import { takesBase64Only, type Query } from "../session/handshake";
import { JsonpPolling } from "../transports/jsonp-polling";
import { Polling, type PollingOptions } from "../transports/polling";
import { revisionIn } from "../transports/transport";

/** The long-polling transport of a request's session, which is JSONP where its query has `j`. */
export function pollingFor(query: Query, options: PollingOptions): Polling {
  const encoding = encodingOf(revisionIn(query), takesBase64Only(query));
  const j: string | undefined = query["j"];
  return j === undefined ? new Polling(encoding, options) : new JsonpPolling(encoding, j, options);
}
