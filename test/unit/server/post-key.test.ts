import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { postKey } from "../../../src/server/post-key";

describe("postKey", () => {
  it("is the same for the same POST", () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: "binary" }), (t, body) => {
        assert.equal(postKey(t, body), postKey(t, `${body.slice(0, 1)}${body.slice(1)}`));
      }),
    );
    fc.assert(
      fc.property(fc.string(), fc.uint8Array(), (t, body) => {
        assert.equal(postKey(t, body), postKey(t, Uint8Array.from(body)));
      }),
    );
  });

  it("begins with the t, so that two of them never share one key", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (t, other, body) => {
        assert.equal(postKey(t, body).startsWith(`${t}.`), true);
        if (t !== other) assert.notEqual(postKey(t, body), postKey(other, body));
      }),
    );
  });

  it("differs where a short body differs in one place, or in its length", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 300 }), fc.nat(), (body, n) => {
        const at = n % body.length;
        const changed = `${body.slice(0, at)}${String.fromCharCode(body.charCodeAt(at) ^ 1)}${body.slice(at + 1)}`;
        assert.notEqual(postKey("t", body), postKey("t", changed));
        assert.notEqual(postKey("t", body), postKey("t", `${body}4`));
      }),
    );
  });

  it("tells long bodies apart by their length, and by what is spread over them", () => {
    const long = "4".repeat(1_000_000);
    assert.notEqual(postKey("t", long), postKey("t", `${long}4`));
    assert.notEqual(postKey("t", long), postKey("t", "5".repeat(1_000_000)));
  });

  it("takes no time that grows with the body", () => {
    // Reads are counted, not timed: a clock would make this test a gamble.
    let reads = 0;
    const body = new Proxy(new Uint8Array(0), {
      get(_target, name) {
        if (name === "length") return 10_000_000;
        reads++;
        return 1;
      },
    });
    postKey("t", body);
    assert.ok(reads < 10_000, `${String(reads)} units were read`);
  });

  it("adds seven characters at most", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (t, body) => {
        assert.match(postKey(t, body).slice(t.length), /^\.[0-9a-z]{1,7}$/);
      }),
    );
  });
});
