/** What the text of a setting means; undefined where it is not allowed. */

export function whole(least: number, most: number): (text: string) => number | undefined {
  return (text) => {
    if (!/^\d{1,12}$/.test(text)) return undefined;
    const value = Number(text);
    return value >= least && value <= most ? value : undefined;
  };
}

/** Addresses and networks, as far as their letters say: whether each is one is the engine's to say. */
export function addresses(text: string): string | undefined {
  return /^[a-z0-9.:/, ]+$/i.test(text) && !/^\d+$/.test(text) ? text : undefined;
}

export function matching(pattern: RegExp): (text: string) => string | undefined {
  return (text) => (pattern.test(text) ? text : undefined);
}

export function oneOf<T extends string>(values: readonly T[]): (text: string) => T | undefined {
  return (text) => values.find((value) => value === text);
}

/** One or more, each once. */
export function listOf<T extends string>(values: readonly T[]): (text: string) => readonly T[] | undefined {
  return (text) => {
    const words = text.split(",").map((word) => word.trim());
    const known = values.filter((value) => words.includes(value));
    return known.length === words.length ? known : undefined;
  };
}

/** Secrets of this length at least, with commas between. */
export function secrets(least: number): (text: string) => readonly string[] | "off" | undefined {
  return (text) => {
    if (text === "off") return text;
    const parts = text.split(",").map((part) => part.trim());
    return parts.every((part) => part.length >= least) ? parts : undefined;
  };
}

export function yesOrNo(text: string): boolean | undefined {
  return text === "1" ? true : text === "0" ? false : undefined;
}

export function url(...schemes: string[]): (text: string) => string | undefined {
  return (text) => {
    if (!URL.canParse(text)) return undefined;
    const { protocol, hostname } = new URL(text);
    return schemes.includes(protocol) && hostname !== "" ? text : undefined;
  };
}
