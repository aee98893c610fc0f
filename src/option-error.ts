/** An option that cannot be used. */
export class OptionError extends TypeError {
  constructor(option: string, value: unknown, allowed: string) {
    super(`option ${option} is ${describe(value)}; allowed is ${allowed}`);
    this.name = "OptionError";
  }
}

/** In the place of a value that must not be shown. */
export const HIDDEN = { toString: () => "not shown" };

/** A time. */
export function positive(option: string, value: unknown): number {
  // Not above what a timer takes: Node fires at once beyond.
  if (typeof value === "number" && value > 0 && value <= 2 ** 31 - 1) return value;
  throw new OptionError(option, value, "a number above 0, 2147483647 at most");
}

/** A number of bytes. Infinity is one: programs say so where they want no limit. */
export function size(option: string, value: unknown): number {
  if (typeof value === "number" && value > 0) return value;
  throw new OptionError(option, value, "a number above 0, or Infinity");
}

function describe(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
