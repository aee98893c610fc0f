import type { Commit, Found, NodeId, SessionRecord, Unknown } from "../../src/store/port";

type Before = Found | Unknown;

/** What was committed to one session's record. */
class Account {
  /** Who made each turn. */
  readonly turns = new Map<number, NodeId>();
  readonly posts = new Set<string>();
  readonly messages = new Set<string>();
  /** A living owner wrote again what the store had lost: up to this turn nobody knows more than that. */
  restored = 0;
}

/**
 * What the simulated store has done to its records, and whether that is what the protocol promises of it: one node at a time
 * makes a session's turns, and no POST and no message is in two of them.
 */
export class Ledger {
  readonly #violate: (text: string) => void;
  readonly #accounts = new Map<string, Account>();
  /** Whether the store has lost data, so that owners may write copies. */
  readonly #mayRestore: () => boolean;

  constructor(violate: (text: string) => void, mayRestore: () => boolean) {
    this.#violate = violate;
    this.#mayRestore = mayRestore;
  }

  #account(sid: string): Account {
    let account = this.#accounts.get(sid);
    if (account === undefined) this.#accounts.set(sid, (account = new Account()));
    return account;
  }

  /** The store answered `ok` to a commit. */
  committed(commit: Commit, before: Before): void {
    const { sid, node, turn } = commit;
    const account = this.#account(sid);
    const known = before.kind === "found" ? before.turn : -1;
    // Sent again, as far as the store can tell.
    if (turn <= known) return;
    this.#turn(account, sid, turn, node);
    for (const key of commit.posts) {
      if (account.posts.has(key)) this.#violate(`${sid}: the POST ${key} is committed twice, again by ${node}`);
      account.posts.add(key);
    }
    for (const packet of commit.packets) {
      if (!isMessage(packet)) continue;
      if (account.messages.has(packet)) this.#violate(`${sid}: "${packet}" is committed twice, again by ${node}`);
      account.messages.add(packet);
    }
  }

  /** A session that lives is told that its turn is committed: it has to be its own. */
  told({ sid, node, turn }: Commit): void {
    const account = this.#account(sid);
    const by = account.turns.get(turn);
    if (by !== node && turn > account.restored)
      this.#violate(`${sid}: ${node} is told ok for turn ${String(turn)}, which is ${by ?? "nobody"}'s`);
  }

  /** The store answered `ok` to a claim at `turn`. */
  claimed(sid: string, node: NodeId, turn: number, before: Before): void {
    if (before.kind === "found" && before.turn === turn) this.#turn(this.#account(sid), sid, turn + 1, node);
  }

  #turn(account: Account, sid: string, turn: number, node: NodeId): void {
    const by = account.turns.get(turn);
    if (by !== undefined) this.#violate(`${sid}: turn ${String(turn)} is made twice, by ${by} and by ${node}`);
    account.turns.set(turn, node);
  }

  /** The store answered `ok` to a restore. */
  restored(sid: string, copy: SessionRecord, before: Before): void {
    if (before.kind === "found" && before.turn >= copy.turn) return;
    if (!this.#mayRestore()) this.#violate(`${sid}: ${copy.owner} restores a record that the store has not lost`);
    const account = this.#account(sid);
    account.restored = copy.turn;
    for (const key of copy.handled) account.posts.add(key);
    for (const packet of copy.packets) if (isMessage(packet)) account.messages.add(packet);
  }
}

/** In stored form: those that the simulated application numbers. */
export function isMessage(stored: string): boolean {
  return stored.startsWith("4");
}
