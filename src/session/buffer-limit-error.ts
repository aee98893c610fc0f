import { TransportError } from "../transports/transport";

/** A session's write buffer is over its limit: the description of its `close`, which to users is any other TransportError. */
export class BufferLimitError extends TransportError {
  constructor(what?: string) {
    super(`the session's write buffer is over its limit${what === undefined ? "" : `: ${what}`}`);
  }
}
