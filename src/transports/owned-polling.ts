import type { Revision } from "../protocol/names";
import { Transport } from "./transport";

/** What the transport of an owned session shows of it. */
export interface PollState {
  /** Whether a poll is parked that no turn took, and nothing waits for it. */
  readonly writable: boolean;
}

/**
 * Long-polling of a session in a cluster, at its owner: the connections are in other hands, perhaps of other nodes, and what
 * is sent leaves by turns. This object is the socket's `transport` for those who look at it.
 */
export class OwnedPolling extends Transport {
  readonly #polls: PollState;

  constructor(protocol: Revision, polls: PollState) {
    super(protocol);
    this.#polls = polls;
  }

  override get name(): "polling" {
    return "polling";
  }

  override get writable(): boolean {
    return this.readyState === "open" && this.#polls.writable;
  }

  override set writable(_writable: boolean) {
    throw new Error("whether a session in a cluster can be written to is decided by its polls");
  }

  override send(): void {
    throw new Error("a session's packets leave by its turns: use socket.send");
  }

  override onRequest(): void {
    throw new Error("a request of a session in a cluster is routed to its owner: use server.handleRequest");
  }

  override doClose(done: () => void): void {
    this.readyState = "closed";
    done();
  }
}
