import type { IncomingMessage } from "node:http";

export type BodyOutcome =
  | { readonly kind: "complete"; readonly content: Buffer }
  | { readonly kind: "too large" }
  | { readonly kind: "no room" };

/** After so much more than the limit, a client that does not stop sending is cut off. */
const DISCARDED_AT_MOST = 16 * 1024 * 1024;

/** How much the bodies that are held may take: each, and all of them together. */
export class BodyBudget {
  readonly limit: number;
  readonly #total: number;
  #held = 0;

  constructor(limit: number, total: number) {
    this.limit = limit;
    this.#total = total;
  }

  get held(): number {
    return this.#held;
  }

  take(bytes: number): boolean {
    if (this.#held + bytes > this.#total) return false;
    this.#held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
  }
}

/** A request's body, read whole: what was not kept cannot be sent again. */
export class RequestBody {
  readonly #request: IncomingMessage;
  readonly #budget: BodyBudget;
  readonly #done: (outcome: BodyOutcome) => void;
  #chunks: Buffer[] = [];
  #size = 0;
  #taken = 0;
  #discarding = false;

  constructor(request: IncomingMessage, budget: BodyBudget, done: (outcome: BodyOutcome) => void) {
    this.#request = request;
    this.#budget = budget;
    this.#done = done;
    request.on("data", this.#onData);
    request.once("end", this.#onEnd);
    if (Number(request.headers["content-length"] ?? 0) > budget.limit) this.#refuse({ kind: "too large" });
  }

  /** The body is needed no more. */
  release(): void {
    this.#chunks = [];
    this.#budget.giveBack(this.#taken);
    this.#taken = 0;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#size += chunk.length;
    if (this.#discarding) {
      if (this.#size > this.#budget.limit + DISCARDED_AT_MOST) this.#request.socket.destroy();
    } else if (this.#size > this.#budget.limit) {
      this.#refuse({ kind: "too large" });
    } else if (!this.#budget.take(chunk.length)) {
      this.#refuse({ kind: "no room" });
    } else {
      this.#taken += chunk.length;
      this.#chunks.push(chunk);
    }
  };

  readonly #onEnd = (): void => {
    if (this.#discarding) return;
    const content = this.#chunks.length === 1 ? this.#chunks[0] : undefined;
    this.#done({ kind: "complete", content: content ?? Buffer.concat(this.#chunks) });
  };

  /**
   * The rest is read and thrown away, up to a limit: a connection closed over unread bytes is reset, and the reset can
   * overtake the answer that says why.
   */
  #refuse(outcome: BodyOutcome): void {
    this.#discarding = true;
    this.release();
    this.#done(outcome);
  }
}
