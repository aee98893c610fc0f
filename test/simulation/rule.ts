/** A rule of docs/protocol.md, and how it is taken away: a text of src/, wherever it stands, is replaced. */
export interface Rule {
  readonly rule: string;
  /** Is there once in all of src/. */
  readonly find: string | RegExp;
  /** What stands in its place; a function is given what was found. */
  readonly replace: string | ((found: string) => string);
  /** Histories in which it counts; all, where nothing is said. */
  readonly profiles?: readonly string[];
}

/** A rule whose absence a unit test notices. */
export interface UnitRule extends Rule {
  /** Its file, from test/unit/ on. */
  readonly test: string;
}
