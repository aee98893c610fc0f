/** A rule of docs/protocol.md, and how it is taken away: a text of src/, wherever it stands, is replaced. */
export interface Rule {
  readonly rule: string;
  /** Is there once in all of src/. */
  readonly find: string | RegExp;
  readonly replace: string;
  /** Histories in which it counts; all, where nothing is said. */
  readonly profiles?: readonly string[];
}
