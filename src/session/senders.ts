/**
 * What nodes of the cluster have sent to a session: of each sender the last number, since a sender has one batch
 * under way at a time and counts them. Kept apart from the handled POSTs, which many sends would push out of their ring.
 */
export class Senders {
  /** The newest last: the first ones go where there are too many. */
  readonly #last = new Map<string, number>();

  static parse(text: string): Senders {
    const senders = new Senders();
    for (const [sender, number] of Object.entries(JSON.parse(text === "" ? "{}" : text) as Record<string, number>)) {
      senders.#last.set(sender, number);
    }
    return senders;
  }

  /** Whether the batch named `sender:number` was taken before. */
  has(name: string): boolean {
    const { sender, number } = split(name);
    return number <= (this.#last.get(sender) ?? 0);
  }

  add(name: string): void {
    const { sender, number } = split(name);
    this.#last.delete(sender);
    this.#last.set(sender, number);
    if (this.#last.size <= MOST_SENDERS) return;
    for (const oldest of this.#last.keys()) {
      this.#last.delete(oldest);
      break;
    }
  }

  /** JSON, empty where nothing was ever sent. */
  text(): string {
    return this.#last.size === 0 ? "" : JSON.stringify(Object.fromEntries(this.#last));
  }
}

/** A cluster has fewer nodes; those that are gone make room. */
const MOST_SENDERS = 64;

function split(name: string): { sender: string; number: number } {
  const at = name.lastIndexOf(":");
  return { sender: name.slice(0, at), number: Number(name.slice(at + 1)) };
}
