/** Exit codes of the command. */
export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
/** What was asked for cannot be done: a bad option, an application that does not load. */
export const EXIT_USAGE = 2;

/** Why the command cannot start. The message is for the user, without a stack: it says what to change. */
export class FatalError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = "FatalError";
    this.exitCode = exitCode;
  }
}
