/** What stands behind the hash tag of each key of a session, in the order in which scripts take them. */
export const SESSION_KEYS = ["m", "p", "h", "g", "s", "d"] as const;

const PLAIN = /^[A-Za-z0-9_-]+$/;
const ANY = /[^A-Za-z0-9_-]/g;
const CODED = /%(?:u([0-9A-F]{4})|([0-9A-F]{2}))/g;

/**
 * A name as a part of a key: no two names give the same one, and nothing in it means anything to Redis Cluster (braces),
 * to a pattern, or to a log. By UTF-16 units, since a name with a lone surrogate must not become another one in UTF-8.
 */
export function encodeName(name: string): string {
  if (PLAIN.test(name)) return name;
  // An empty hash tag is none: the keys of the session would not share a slot.
  if (name === "") return "%";
  return name.replace(ANY, (unit) => {
    const code = unit.charCodeAt(0);
    return code < 0x100 ? `%${hex(code, 2)}` : `%u${hex(code, 4)}`;
  });
}

export function decodeName(encoded: string): string {
  if (encoded === "%") return "";
  return encoded.replace(CODED, (_, wide: string | undefined, narrow: string | undefined) =>
    String.fromCharCode(parseInt(wide ?? narrow ?? "", 16)),
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).toUpperCase().padStart(digits, "0");
}

/** The names of all keys of one deployment. */
export class Keys {
  readonly lease: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    if (/[{}]/.test(prefix)) {
      throw new Error(
        `The Redis key prefix ${JSON.stringify(prefix)} has a brace in it: the keys of a session would not share a slot ` +
          "of Redis Cluster. Set a prefix without braces.",
      );
    }
    this.#prefix = prefix;
    this.lease = `${prefix}{nodes}:l`;
  }

  /** Appends the keys of a session, in the order of `SESSION_KEYS`. */
  pushSession(keys: string[], sid: string): void {
    const base = this.session(sid);
    keys.push(base + ":m", base + ":p", base + ":h", base + ":g", base + ":s", base + ":d");
  }

  /** What all keys of a session begin with. */
  session(sid: string): string {
    return `${this.#prefix}{${encodeName(sid)}}`;
  }

  index(node: string): string {
    return `${this.#prefix}{${encodeName(node)}}:i`;
  }
}
