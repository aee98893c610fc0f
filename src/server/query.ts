import type { Query } from "../session/handshake";

/**
 * The parameters of a URL's query, decoded; of a name that comes twice the last. By hand, since every request of every
 * poll comes through here and nothing else of the URL is of interest.
 */
export function parseQuery(url: string): Query {
  // No prototype: a parameter called `__proto__` or `hasOwnProperty` is a name like another.
  const query = Object.create(null) as Query;
  const start = url.indexOf("?");
  if (start < 0) return query;
  const hash = url.indexOf("#", start);
  const end = hash < 0 ? url.length : hash;
  let from = start + 1;
  while (from < end) {
    let to = url.indexOf("&", from);
    if (to < 0 || to > end) to = end;
    if (to > from) {
      const equals = url.indexOf("=", from);
      if (equals < 0 || equals > to) query[decode(url.slice(from, to))] = "";
      else query[decode(url.slice(from, equals))] = decode(url.slice(equals + 1, to));
    }
    from = to + 1;
  }
  return query;
}

function decode(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Not UTF-8: taken as it stands, as URLSearchParams would take it nearly.
    return spaced;
  }
}

/** The path of a URL, without its query. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}
