import { ERROR_MESSAGES } from "../errors";
import { BufferLimitError } from "../session/buffer-limit-error";
import type { OperatedEngine } from "./operated-engine";

/** Counts of what an engine emits: sessions that began and ended, and refused requests. Listeners, and no work for a request. */
export class EngineEvents {
  opened = 0;
  /** Sessions that go on here, from a node that died or left. */
  adopted = 0;
  /** Sessions that were closed since more waited for their clients than may. */
  overflowed = 0;
  readonly closes = new Map<string, number>();
  readonly refusals = new Map<string, number>();

  constructor(engine: OperatedEngine) {
    engine.on("connection", (socket) => {
      if (socket.recovered) this.adopted++;
      else this.opened++;
      socket.once("close", this.#onClose);
    });
    engine.on("connection_error", ({ code }) => {
      raise(this.refusals, ERROR_MESSAGES[code] ?? "other");
    });
  }

  readonly #onClose = (reason: string, description?: unknown): void => {
    if (description instanceof BufferLimitError) this.overflowed++;
    // The engine's own reasons are few. An application that emits others must not make a metric of each.
    raise(this.closes, CLOSE_REASONS.includes(reason) ? reason : "other");
  };
}

/** Reasons of `close`. */
export const CLOSE_REASONS: readonly string[] = [
  "transport close",
  "transport error",
  "ping timeout",
  "parse error",
  "forced close",
  "taken over",
];

function raise(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
