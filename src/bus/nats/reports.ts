import type { ConnectionOptions } from "nats";
import { explain } from "./explain";
import { describe } from "./target";

/** Tells a human what is wrong with NATS, and what to do about it. */
export class Reports {
  readonly #options: ConnectionOptions;
  readonly #permission: string;
  readonly #onError: (error: Error) => void;
  readonly #reported = new Set<string>();

  /** `permission`: the subjects that a node needs. */
  constructor(options: ConnectionOptions, permission: string, onError: (error: Error) => void) {
    this.#options = options;
    this.#permission = permission;
    this.#onError = onError;
  }

  explain(what: string, error: unknown): Error {
    return explain(`${what} at ${this.#where()}`, error, this.#permission);
  }

  tell(what: string, error: unknown): void {
    this.#onError(this.explain(what, error));
  }

  unreachable(what: string, error: unknown): void {
    this.#once("dial", this.explain(`${what}, and tries on`, error).message);
  }

  backlog(): void {
    this.#once("backlog", `NATS at ${this.#where()} does not keep up: messages to other nodes are dropped`);
  }

  forbidden({ operation, subject }: { readonly operation: string; readonly subject: string }): void {
    this.#once(
      `${operation} ${operation === "publish" ? "" : subject}`,
      `NATS at ${this.#where()} forbids ${operation} to "${subject}": allow publish and subscribe on "${this.#permission}"`,
    );
  }

  /** There was a reconnect. */
  reset(): void {
    this.#reported.clear();
  }

  /** Each kind once, until the next reconnect: the cause is one, the messages that suffer from it are many. */
  #once(kind: string, text: string): void {
    if (this.#reported.has(kind)) return;
    this.#reported.add(kind);
    this.#onError(new Error(text));
  }

  #where(): string {
    return describe(this.#options);
  }
}
