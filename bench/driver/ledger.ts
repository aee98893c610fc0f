/** What can go wrong with messages. A session that failed loses what was under way, and `failed` counts it too. */
export interface Faults {
  readonly lost: number;
  readonly doubled: number;
  readonly outOfOrder: number;
  /** Messages that nobody sent like that. */
  readonly corrupted: number;
  /** Sessions that did not open, or closed before their time. */
  readonly failed: number;
}

export const MESSAGE_LENGTH = 64;

/** The message with this number of this session: no two are alike, and any change of one shows. */
export function messageText(session: number, number: number): string {
  const head = `${session}.${number}.`;
  return head + FILLER.slice(number % 26, (number % 26) + MESSAGE_LENGTH - head.length);
}

const FILLER = "abcdefghijklmnopqrstuvwxyz".repeat(4);

/** Keeps account of what one session has sent, and what came back. */
export class Ledger {
  sent = 0;
  doubled = 0;
  outOfOrder = 0;
  corrupted = 0;
  readonly #session: number;
  /** The first number that neither came nor was passed by. */
  #expected = 0;
  /** Numbers that later ones have overtaken. */
  readonly #overtaken = new Set<number>();

  constructor(session: number) {
    this.#session = session;
  }

  /** The next message to send. */
  next(): string {
    return messageText(this.#session, this.sent++);
  }

  /** Whether this is a message that was due; anything else is counted as what it is. */
  receive(text: string): boolean {
    const number = this.#numberOf(text);
    if (number === undefined) {
      this.corrupted++;
      return false;
    }
    if (number < this.#expected) {
      if (this.#overtaken.delete(number)) this.outOfOrder++;
      else this.doubled++;
      return false;
    }
    while (this.#expected < number) this.#overtaken.add(this.#expected++);
    this.#expected++;
    return true;
  }

  /** Messages that did not come back, so far. */
  get missing(): number {
    return this.sent - this.#expected + this.#overtaken.size;
  }

  #numberOf(text: string): number | undefined {
    const from = text.indexOf(".") + 1;
    const number = Number(text.slice(from, text.indexOf(".", from)));
    return number < this.sent && text === messageText(this.#session, number) ? number : undefined;
  }
}

export function totalFaults(ledgers: readonly Ledger[], failed: number): Faults {
  const sum = (of: (ledger: Ledger) => number): number => ledgers.reduce((all, ledger) => all + of(ledger), 0);
  return {
    lost: sum((ledger) => ledger.missing),
    doubled: sum((ledger) => ledger.doubled),
    outOfOrder: sum((ledger) => ledger.outOfOrder),
    corrupted: sum((ledger) => ledger.corrupted),
    failed,
  };
}

export function isFlawless(faults: Faults): boolean {
  return Object.values<number>({ ...faults }).every((count) => count === 0);
}
