/**
 * UTF-8 as protocol 3's implementations read it. They are strict but for one thing: a surrogate that was encoded by itself
 * (three bytes, ED A0…BF 80…BF) is one U+FFFD, where Node's own decoder says that it is wrong. A byte order mark is text.
 */
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const SURROGATE_LEAD = 0xed;

/** The text of bytes, undefined where they are not UTF-8. */
export function decodeUtf8(bytes: Buffer): string | undefined {
  // First mended, since an exception costs more than the search: a payload can be a hundred thousand such texts.
  const mended = replaceSurrogates(bytes);
  try {
    return strict.decode(mended);
  } catch {
    return undefined;
  }
}

/**
 * The text of UTF-8 whose bytes are the characters of a string, undefined where it is none.
 * Of a character above 0xFF the stock implementation takes the lowest byte of its code point. Node's latin1 does so for
 * each half of a pair; the second half has the lowest byte of both, so that the first one goes.
 */
export function decodeByteString(text: string): string | undefined {
  return decodeUtf8(Buffer.from(text.replace(/[\ud800-\udbff](?=[\udc00-\udfff])/g, ""), "latin1"));
}

/** UTF-8 with one character for each byte; half a pair becomes U+FFFD. */
export function encodeByteString(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/**
 * A copy in which encoded surrogates are U+FFFD, or the same where there are none. ED is never a continuation byte: where it
 * stands at a place for one the bytes are no UTF-8 before and after.
 */
function replaceSurrogates(bytes: Buffer): Buffer {
  let mended = bytes;
  for (let at = bytes.indexOf(SURROGATE_LEAD); at >= 0; at = bytes.indexOf(SURROGATE_LEAD, at + 1)) {
    if (((bytes[at + 1] ?? 0) & 0xe0) !== 0xa0 || ((bytes[at + 2] ?? 0) & 0xc0) !== 0x80) continue;
    if (mended === bytes) mended = Buffer.from(bytes);
    mended.set([0xef, 0xbf, 0xbd], at);
  }
  return mended;
}
