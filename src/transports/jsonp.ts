import { parse } from "node:querystring";
import type { Encoding } from "../protocol/encoding";

/**
 * Polling by script elements, for pages that may not ask another origin in any other way: an answer is a script that
 * calls the function which the client registered under the number `j`, and a POST comes from a form, in its field `d`.
 */

/** What every such script begins with, and no payload does: those begin with a digit or a letter. */
const HEAD = "___eio[";

/** What stands behind the payload. */
export const FOOT = ");";

/** What stands before the payload. */
export function headOf(j: string): string {
  return `${HEAD}${j.replace(/\D/g, "")}](`;
}

/** `inner` in scripts and forms. `j` is the handshake's: one that a later request says is of no interest. */
export function jsonpEncoding(inner: Encoding, j: string): Encoding {
  const head = headOf(j);
  const wrap = (payload: string | Buffer): string => {
    const text = typeof payload === "string" ? payload : payload.toString("latin1");
    return `${head}${scriptString(text)}${FOOT}`;
  };
  return {
    revision: inner.revision,
    base64: inner.base64,
    binaryPayloads: inner.binaryPayloads,
    encodePayload: (packets) => wrap(inner.encodePayload(packets)),
    encodeStored: (stored) => wrap(inner.encodeStored(stored)),
    decodePayload: (body) => {
      const payload = typeof body === "string" ? formPayload(body) : undefined;
      return payload === undefined ? [] : inner.decodePayload(payload);
    },
    encodeMessage: (packet) => inner.encodeMessage(packet),
    decodeMessage: (message) => inner.decodeMessage(message),
  };
}

/** Whether the body of an answer is a script. */
export function isScript(body: string): boolean {
  return body.startsWith(HEAD);
}

/** A string of JavaScript. JSON's may hold two line separators that end a line in scripts of old engines. */
function scriptString(text: string): string {
  return JSON.stringify(text).replace(/[\u2028\u2029]/g, (separator) =>
    separator === "\u2028" ? "\\u2028" : "\\u2029",
  );
}

/** The payload in a form's field `d`; undefined where there is none, or several. */
function formPayload(body: string): string | undefined {
  const { d } = parse(body);
  return typeof d === "string" ? d.replace(/\\\\n|\\n/g, unescapeNewline) : undefined;
}

/** Browsers change the newlines of a form's fields, so the client writes `\n` for one, and `\\n` where it means `\n`. */
function unescapeNewline(escaped: string): string {
  return escaped.length === 2 ? "\n" : "\\n";
}
