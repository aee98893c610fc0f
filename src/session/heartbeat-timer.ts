import type { Beating, Heartbeat } from "./heartbeat";

/**
 * A session's place in the queues of its node's heartbeat, with the methods of the runtime's timers. `clearTimeout`
 * does not know it: call `close`.
 */
export class HeartbeatTimer {
  readonly #heartbeat: Heartbeat;
  readonly #session: Beating;
  readonly #again: () => void;

  /** `again`: waits from now on. */
  constructor(heartbeat: Heartbeat, session: Beating, again: () => void) {
    this.#heartbeat = heartbeat;
    this.#session = session;
    this.#again = again;
  }

  /** Waits from now on. */
  refresh(): this {
    this.#again();
    return this;
  }

  /** The session has no heartbeat any more. */
  close(): this {
    this.#heartbeat.forget(this.#session);
    return this;
  }

  /** It never keeps the process alive. */
  hasRef(): boolean {
    return false;
  }
}
