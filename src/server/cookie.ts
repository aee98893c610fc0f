import type { OutgoingHttpHeaders } from "node:http";
import { serialize } from "cookie";
import { OptionError } from "../option-error";
import type { ResolvedCookie } from "../options";

/** The cookie that tells a session's id, of an engine that sets one. */
export class SessionCookie {
  readonly options: ResolvedCookie;

  constructor(options: ResolvedCookie) {
    this.options = options;
    try {
      this.#text("id");
    } catch (error) {
      throw new OptionError("cookie", JSON.stringify(options), `what a cookie can have (${String(error)})`);
    }
  }

  #text(id: string): string {
    return serialize(this.options.name, id, this.options);
  }

  /** Adds the cookie to those that are set already. */
  addTo(headers: OutgoingHttpHeaders, id: string): void {
    const cookies = [this.#text(id)];
    for (const [name, value] of Object.entries(headers)) {
      if (name.toLowerCase() !== "set-cookie" || value === undefined) continue;
      cookies.unshift(...(Array.isArray(value) ? value : [String(value)]));
      Reflect.deleteProperty(headers, name);
    }
    headers["Set-Cookie"] = cookies;
  }
}
