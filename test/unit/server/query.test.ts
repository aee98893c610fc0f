import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseQuery, pathOf } from "../../../src/server/query";

const PROTOTYPE_NAMES = ["__proto__", "constructor", "hasOwnProperty", "toString", "valueOf", "__defineGetter__"];

/** What the platform's own parser makes of it; of a name that comes twice the last. */
function byPlatform(query: string): Record<string, string> {
  const parsed = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(query)) parsed[name] = value;
  return parsed;
}

// Characters that mean something in a query, and some that do not. Percent signs come only as whole escapes.
const unit = fc.constantFrom(
  "a",
  "b",
  "Z",
  "0",
  "-",
  "_",
  ".",
  "~",
  "*",
  "+",
  "=",
  "&",
  "%20",
  "%26",
  "%3D",
  "%2B",
  "%C3%A9",
  "%00",
);
const ordinary = fc.string({ unit, maxLength: 30 });

describe("parseQuery", () => {
  it("agrees with URLSearchParams on ordinary queries", () => {
    fc.assert(
      fc.property(ordinary, (query) => {
        assert.deepEqual(parseQuery(`/engine.io/?${query}`), byPlatform(query));
      }),
      { numRuns: 2000 },
    );
  });

  it("gives back any parameters that were encoded", () => {
    const name = fc.oneof(fc.string({ minLength: 1, unit: "grapheme" }), fc.constantFrom(...PROTOTYPE_NAMES));
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string({ unit: "grapheme" }))), (pairs) => {
        const wanted = Object.create(null) as Record<string, string>;
        for (const [key, value] of pairs) wanted[key] = value;
        const byPercent = pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
        assert.deepEqual(parseQuery(`/?${byPercent}`), wanted);
        assert.deepEqual(parseQuery(`/?${new URLSearchParams(pairs).toString()}`), wanted);
      }),
    );
  });

  it("never throws, whatever the URL", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom("?", "&", "=", "%", "#", "+", "C", "3") })),
        (url) => {
          parseQuery(url);
          pathOf(url);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("takes names of the prototype as names like others, and touches no prototype", () => {
    for (const name of PROTOTYPE_NAMES) {
      assert.equal(parseQuery("/?a=b")[name], undefined);
      const query = parseQuery(`/?${name}=x`);
      assert.deepEqual(Object.keys(query), [name]);
      assert.equal(query[name], "x");
    }
    assert.equal(Object.getPrototypeOf(parseQuery("/?__proto__=x")), null);
    assert.equal(({} as Record<string, unknown>)["x"], undefined);
  });

  it("takes a broken escape as it stands", () => {
    for (const broken of ["%", "%4", "%zz", "%ff", "%C3"]) assert.equal(parseQuery(`/?a=${broken}`)["a"], broken);
  });

  it("ends at the fragment", () => {
    assert.deepEqual({ ...parseQuery("/?a=1#?b=2&c=3") }, { a: "1" });
    assert.deepEqual({ ...parseQuery("/?#a=1") }, {});
  });

  it("takes the last of two", () => {
    assert.equal(parseQuery("/?sid=one&sid=two")["sid"], "two");
  });
});

describe("pathOf", () => {
  it("leaves out query and fragment", () => {
    assert.equal(pathOf("/engine.io/?a=/b"), "/engine.io/");
    assert.equal(pathOf("/engine.io/#a?b"), "/engine.io/");
    assert.equal(pathOf("/engine.io/"), "/engine.io/");
    assert.equal(pathOf(""), "");
  });
});
