import type { NatsConnection } from "nats";

const ASK_EVERY_BYTES = 256 * 1024;

/**
 * Bounds what is under way to the server. The client keeps all that the socket does not take, without a limit and without a
 * way to ask how much; so the server is asked, each few hundred kilobytes, to say that it has read so far.
 */
export class Backlog {
  readonly #limit: number;
  #pending = 0;
  /** Bytes since the server was last asked. */
  #since = 0;
  /** Answers of an earlier connection do not count. */
  #round = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Whether so many bytes more may be sent. */
  take(connection: NatsConnection, bytes: number): boolean {
    if (this.#pending + bytes > this.#limit && this.#pending > 0) return false;
    this.#pending += bytes;
    this.#since += bytes;
    if (this.#since >= ASK_EVERY_BYTES) this.#ask(connection);
    return true;
  }

  reset(): void {
    this.#round++;
    this.#pending = 0;
    this.#since = 0;
  }

  #ask(connection: NatsConnection): void {
    const round = this.#round;
    const bytes = this.#since;
    this.#since = 0;
    connection.flush().then(
      () => {
        if (round === this.#round) this.#pending -= bytes;
      },
      () => undefined,
    );
  }
}
