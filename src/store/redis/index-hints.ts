import type { Tick, TickWork } from "../../time/tick";
import type { NodeId, StoreLimits } from "../port";
import { indexArguments, indexTtl } from "./arguments";
import type { Caller } from "./caller";
import { encodeName, type Keys } from "./keys";
import { SCRIPTS } from "./scripts.generated";

const MOST_IN_CALL = 5_000;
/** Kept for a Redis that is away. Beyond, hints are lost: a session is still found by the next request for it. */
const MOST_WAITING = 200_000;

/** Whether a sid is to be added or removed: the last word counts. */
type Changes = Map<string, boolean>;

export interface IndexHintsOptions {
  readonly caller: Caller;
  readonly keys: Keys;
  readonly tick: Tick;
  readonly limits: StoreLimits;
}

/** Gathers what changes in the index during a tick, and keeps it until Redis has it. */
export class IndexHints implements TickWork {
  readonly #options: IndexHintsOptions;
  readonly #waiting = new Map<NodeId, Changes>();
  #due = false;

  constructor(options: IndexHintsOptions) {
    this.#options = options;
  }

  change(node: NodeId, add: readonly string[], remove: readonly string[]): void {
    const changes = this.#changesOf(node);
    for (const sid of add) changes.set(sid, true);
    for (const sid of remove) changes.set(sid, false);
    this.#ask();
  }

  /** With the node's lease: its index lives as long, and what Redis did not take before is sent again. */
  touch(node: NodeId): void {
    const { caller, keys, limits } = this.#options;
    void caller.command("pexpire", [keys.index(node), String(indexTtl(limits))]);
    if (this.#waiting.size > 0) this.#ask();
  }

  /** The end of a tick. */
  run(): void {
    this.#due = false;
    for (const [node, changes] of this.#waiting) {
      this.#waiting.delete(node);
      const entries = [...changes];
      for (let from = 0; from < entries.length; from += MOST_IN_CALL) {
        this.#send(node, entries.slice(from, from + MOST_IN_CALL));
      }
    }
  }

  #ask(): void {
    if (this.#due) return;
    this.#due = true;
    this.#options.tick.batch(this);
  }

  #send(node: NodeId, entries: readonly (readonly [string, boolean])[]): void {
    const { caller, keys, limits } = this.#options;
    const names = (added: boolean) => entries.filter((entry) => entry[1] === added).map(([sid]) => encodeName(sid));
    const args = indexArguments(names(true), names(false), limits);
    const size = args.reduce((sum, arg) => sum + arg.length, 0);
    void caller.run(SCRIPTS.index, [keys.index(node)], args, size).then((answer) => {
      if (answer === null) this.#keep(node, entries);
    });
  }

  /** Of what Redis did not take: where nothing newer was said of the same session. */
  #keep(node: NodeId, entries: readonly (readonly [string, boolean])[]): void {
    const changes = this.#changesOf(node);
    for (const [sid, added] of entries) {
      if (changes.size >= MOST_WAITING) return;
      if (!changes.has(sid)) changes.set(sid, added);
    }
  }

  #changesOf(node: NodeId): Changes {
    let changes = this.#waiting.get(node);
    if (changes === undefined) {
      changes = new Map();
      this.#waiting.set(node, changes);
    }
    return changes;
  }
}
