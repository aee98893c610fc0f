import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveOptions } from "../../../src/options";
import { RequestNames } from "../../../src/server/request-names";

const HEADER = "x-eio-request-id";

describe("names of requests", () => {
  const names = (): RequestNames => new RequestNames("n1");

  it("are what clients say, whatever a balancer says", () => {
    assert.equal(names().of("t1", { [HEADER]: "r1" }, HEADER), "t1");
  });

  it("are what the balancer says where clients say nothing", () => {
    for (const t of [undefined, ""]) assert.equal(names().of(t, { [HEADER]: "r1" }, HEADER), "~~r1");
  });

  it("are all different where nobody says anything, or nobody is asked", () => {
    const some = names();
    const headers = { [HEADER]: "r1", other: "" };
    assert.deepEqual(
      [some.of(undefined, {}, HEADER), some.of("", headers, "other"), some.of(undefined, headers, false)],
      ["~n1.1", "~n1.2", "~n1.3"],
    );
    assert.notEqual(new RequestNames("n2").of(undefined, {}, HEADER), "~n1.1");
  });

  it("are short, and long ones differ all the same", () => {
    const long = (end: string): string => "x".repeat(5000) + end;
    const all = [names().of(long("a"), {}, HEADER), names().of(long("b"), {}, HEADER)];
    for (const end of ["a", "b"]) all.push(names().of(undefined, { [HEADER]: long(end) }, HEADER));
    assert.equal(new Set(all).size, 4);
    for (const name of all) assert.ok(name.length <= 50, name);
    assert.equal(names().of("x".repeat(48), {}, HEADER), "x".repeat(48));
  });
});

describe("option requestIdHeader", () => {
  it("is the name of a header, as Node has it", () => {
    const resolved = (requestIdHeader: string | false) => resolveOptions({ requestIdHeader }).requestIdHeader;
    assert.equal(resolveOptions({}).requestIdHeader, HEADER);
    assert.deepEqual([resolved("X-Request-ID"), resolved(false)], ["x-request-id", false]);
  });

  it("is refused where it is none", () => {
    for (const wrong of ["", "a b", "a:", "ä", true, 7]) {
      assert.throws(
        () => resolveOptions({ requestIdHeader: wrong as string }),
        /option requestIdHeader is .*allowed is the name of a header, or false/,
      );
    }
  });
});
